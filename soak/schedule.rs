//! When faults happen: a seeded sequence, some at the same time. Counts those that really happened.

use crate::chance::Chance;
use crate::fault::Felt;
use crate::journal::Journal;
use anyhow::{Context, ensure};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

/// A fault that has ended.
type Ended<F> = (F, anyhow::Result<Felt>);

/// Results of the faults.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Faults that had an effect, by name.
    pub(crate) happened: BTreeMap<String, u32>,
    /// Faults without an effect, which do not count.
    pub(crate) unfelt: u32,
}

impl Faults {
    pub(crate) fn count(&self) -> u32 {
        self.happened.values().sum()
    }

    /// Counts an ended fault, if any.
    fn add<F: Display>(&mut self, ended: Option<Result<Ended<F>, JoinError>>, journal: &Journal) -> anyhow::Result<()> {
        let Some(ended) = ended else { return Ok(()) };
        let (fault, felt) = ended.context("a fault's own task failed")?;
        match felt.with_context(|| fault.to_string())? {
            Felt::Yes => *self.happened.entry(fault.to_string()).or_default() += 1,
            Felt::No(why) => {
                self.unfelt += 1;
                journal.note(&format!("not felt, not counted: {fault} ({why})"));
            }
        }
        Ok(())
    }
}

/// Number of faults, and their time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) seed: u64,
    pub(crate) duration: Duration,
    pub(crate) faults: u32,
    /// Faults at the same time, at the most.
    pub(crate) at_once: usize,
    /// How long a fault may take, its end included.
    pub(crate) longest: Duration,
}

impl Schedule {
    /// Causes all faults, and waits until they have ended. `round` draws the kinds of a round. `cause` draws the
    /// properties of a fault; what it returns causes the fault and ends it.
    pub(crate) async fn run<F, C>(
        self,
        journal: &Journal,
        round: impl Fn(&mut Chance) -> Vec<F>,
        cause: impl Fn(F, &mut Chance) -> C,
    ) -> anyhow::Result<Faults>
    where
        F: Copy + Display + Send + 'static,
        C: Future<Output = anyhow::Result<Felt>> + Send + 'static,
    {
        let mut chance = Chance::new(self.seed, 1);
        let longest = self.longest;
        let begin = Instant::now();
        // Closer together than needed: some faults wait until their part is free.
        let distance = self.duration.mul_f64(0.9) / self.faults.max(1);
        let give_up = begin + self.duration * 2 + longest;
        let (mut faults, mut under_way, mut kinds, mut number) = (Faults::default(), JoinSet::new(), Vec::new(), 0);
        while begin.elapsed() < self.duration || faults.count() < self.faults {
            ensure!(
                Instant::now() < give_up,
                "only {} of {} faults happened in twice the time",
                faults.count(),
                self.faults
            );
            if kinds.is_empty() {
                kinds = round(&mut chance);
            }
            let Some(fault) = kinds.pop() else { break };
            let causing = cause(fault, &mut chance);
            let jitter = Duration::from_micros(chance.below(1 + u64::try_from(distance.as_micros()).unwrap_or(0)));
            sleep_until((begin + distance * number + jitter).max(Instant::now())).await;
            number += 1;
            while under_way.len() >= self.at_once {
                faults.add(under_way.join_next().await, journal)?;
            }
            while let Some(ended) = under_way.try_join_next() {
                faults.add(Some(ended), journal)?;
            }
            under_way.spawn(async move {
                let done = timeout(longest, causing).await;
                let done = done.unwrap_or_else(|_| Err(anyhow::anyhow!("it took longer than {longest:?}")));
                (fault, done)
            });
            // All needed faults may be under way by now.
            if begin.elapsed() >= self.duration {
                faults.add(under_way.join_next().await, journal)?;
            }
        }
        while !under_way.is_empty() {
            faults.add(under_way.join_next().await, journal)?;
        }
        Ok(faults)
    }
}
