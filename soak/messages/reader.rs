//! Readers: each asks for known messages all the time, most often for those around the end of their time. And a cleaner
//! for each server, which lets it clean while epochs are rolled.

use super::ask::ask;
use super::calls::{Caller, Failed};
use super::clock::now;
use super::event::Name;
use super::shared::{Shared, count};
use super::wrong::Kind;
use crate::chance::Chance;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Messages in a question, at the most.
const IDS: u64 = 50;

/// How many names before and after the end of their time count as around it. A writer puts them in about a second.
const AROUND: u64 = 250;

/// A reader.
pub(super) struct Reader {
    caller: Caller,
    chance: Chance,
    shared: Arc<Shared>,
}

impl Reader {
    /// Makes a reader for servers at these URLs.
    pub(super) fn new(number: u64, urls: &[String], shared: &Arc<Shared>) -> anyhow::Result<Self> {
        let what = 4_000 + 2 * number;
        Ok(Self {
            caller: Caller::new(urls, what, shared)?,
            chance: Chance::new(shared.model.seed(), what + 1),
            shared: shared.clone(),
        })
    }

    /// Reads, for ever.
    pub(super) async fn run(mut self) {
        loop {
            let size = if self.chance.percent(30) {
                1
            } else {
                1 + self.chance.below(IDS)
            };
            let at = now();
            let names: Vec<Name> = (0..size).filter_map(|_| self.name(at)).collect();
            let server = self.caller.server();
            ask(&mut self.caller, server, &self.shared, &names).await;
            sleep(Duration::from_millis(2 + self.chance.below(20))).await;
        }
    }

    /// Draws a name.
    fn name(&mut self, at: i64) -> Option<Name> {
        let writer = u32::try_from(self.chance.below(u64::from(self.shared.model.writers()))).ok()?;
        let (all, old) = self.shared.model.extent(writer, at);
        let (all, old) = (all as u64, old as u64);
        let last = all.checked_sub(1)?;
        let number = match self.chance.below(10) {
            0..=3 => (old + self.chance.below(2 * AROUND)).saturating_sub(AROUND),
            4..=7 => old + self.chance.below((all - old).max(1)),
            _ => self.chance.below(all),
        };
        let number = u32::try_from(number.min(last)).ok()?;
        Some(Name { writer, number })
    }
}

/// Lets a server clean now and then, for ever.
pub(super) async fn clean(mut caller: Caller, server: usize, shared: Arc<Shared>) {
    let mut chance = Chance::new(shared.model.seed(), 6_000 + server as u64);
    loop {
        sleep(Duration::from_millis(50 + chance.below(1_500))).await;
        match caller.clean(server).await {
            Ok(removed) => {
                count(&shared.counts.cleans, 1);
                count(&shared.counts.removed, usize::try_from(removed).unwrap_or_default());
            }
            Err(Failed::Again(_)) => {}
            Err(failed) => {
                let text = format!("server {server} answered a clean with {failed:?}");
                shared.wrong.add(Kind::Answer, text);
            }
        }
    }
}
