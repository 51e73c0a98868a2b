//! Writers: each puts messages of its own, again, anew, in conflict with themselves and at both servers at once, and
//! deletes a few. It notes in the model what was acknowledged.

use super::calls::{Caller, Said};
use super::clock::{RETENTION, SECOND, Took, now};
use super::event::Name;
use super::model::{Record, State};
use super::shared::{Shared, count};
use super::wrong::Kind;
use crate::chance::Chance;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::sleep;

/// Messages in a batch, at the most.
const BATCH: usize = 200;

/// Messages a second of each writer, while it is answered. After a fault it does not catch up, so that the messages of a
/// retention are spread over it.
const PACE: u64 = 300;

/// A writer's last messages, from which it draws. They are about those of a retention.
const RECENT: usize = 20_000;

/// A writer, with two clients so that it can call twice at once.
pub(super) struct Writer {
    number: u32,
    callers: [Caller; 2],
    chance: Chance,
    shared: Arc<Shared>,
}

/// A message that is being put.
#[derive(Clone, Copy)]
struct Part {
    name: Name,
    version: u32,
    before: Record,
}

impl Writer {
    /// Makes a writer for servers at these URLs.
    pub(super) fn new(number: u32, urls: &[String], shared: &Arc<Shared>) -> anyhow::Result<Self> {
        let what = 2_000 + 3 * u64::from(number);
        Ok(Self {
            number,
            callers: [Caller::new(urls, what, shared)?, Caller::new(urls, what + 1, shared)?],
            chance: Chance::new(shared.model.seed(), what + 2),
            shared: shared.clone(),
        })
    }

    /// Writes until it is told to stop, and its last call is answered.
    pub(super) async fn run(mut self) {
        while !self.shared.written.load(Ordering::Relaxed) {
            let messages = match self.chance.below(100) {
                // Few: an epoch gets no smaller by what is deleted of it.
                0..=2 => self.delete().await,
                3..=7 => self.put_anew().await,
                8..=17 => self.put_again().await,
                18..=23 => self.put_in_conflict().await,
                24..=29 => self.put_at_both().await,
                30..=33 => self.put_different().await,
                _ => self.put_new().await,
            };
            let pause = messages as u64 * 1_000_000 / PACE + self.chance.below(10_000);
            sleep(Duration::from_micros(pause)).await;
        }
    }

    /// Puts messages under new names, some of them beside earlier ones.
    async fn put_new(&mut self) -> usize {
        let most = if self.chance.percent(40) { 1 } else { BATCH };
        let size = 1 + self.below(most);
        let mut parts = self.fresh(size);
        if self.chance.percent(30) {
            let size = 1 + self.below(5);
            parts.extend(self.known(size));
        }
        self.put(&parts).await
    }

    /// Puts the same messages again.
    async fn put_again(&mut self) -> usize {
        let size = 1 + self.below(BATCH / 4);
        let parts = self.known(size);
        self.put(&parts).await
    }

    /// Puts another content under names whose messages are past their time, or deleted.
    async fn put_anew(&mut self) -> usize {
        let (size, at) = (1 + self.below(20), now());
        let model = &self.shared.model;
        let over = model.pick(self.number, usize::MAX, size, &mut self.chance, |record| {
            record.is_over(at)
        });
        let begun = over
            .iter()
            .filter_map(|(name, record)| self.begin(*name, record.version() + 1));
        let parts: Vec<Part> = begun.collect();
        count(&self.shared.counts.anew, parts.len());
        self.put(&parts).await
    }

    /// Puts another content under a name that has a message, beside new messages: all of them must be refused.
    async fn put_in_conflict(&mut self) -> usize {
        let at = now();
        let model = &self.shared.model;
        let there = |record: &Record| record.is_there(at + RETENTION / 2) && record.is_settled(at);
        let target = model.pick(self.number, RECENT, 1, &mut self.chance, there).pop();
        let Some((name, record)) = target else { return 0 };
        let sure = record.sure().unwrap_or_default();
        let size = self.below(10);
        let fresh = self.fresh(size);
        let mut batch = self.events(&fresh);
        batch.push(name.event(self.shared.model.seed(), record.version() + 1));
        self.chance.shuffle(&mut batch);
        let [caller, _] = &mut self.callers;
        let first = caller.server();
        // Long before the other message is past its time: from then on, it may be stored.
        let (said, took) = caller.put(first, &batch, sure - RETENTION / 6).await;
        let was_there = took.answered.max(took.pending) < sure;
        let after = match said {
            Said::Exists if was_there => {
                count(&self.shared.counts.conflicts, 1);
                State::Gone
            }
            Said::Exists | Said::Unknown => State::Unknown,
            said => {
                let text = format!("a put in conflict with {name:?} {record:?} was answered with {said:?}, {took:?}");
                self.shared.wrong.add(Kind::Answer, text);
                State::Unknown
            }
        };
        if after == State::Unknown {
            self.shared.model.settle(name, State::Unknown, took.pending);
        }
        for part in &fresh {
            self.shared.model.settle(part.name, after, took.pending);
        }
        batch.len()
    }

    /// Puts the same new messages at both servers at once: both must take them.
    async fn put_at_both(&mut self) -> usize {
        let size = 1 + self.below(BATCH / 4);
        let parts = self.fresh(size);
        let batch = self.batch(&parts);
        let [one, other] = &mut self.callers;
        let (first, second) = tokio::join!(one.put(0, &batch, i64::MAX), other.put(1, &batch, i64::MAX));
        let is_first = self.is_done(&first.0, batch.len());
        let is_second = self.is_done(&second.0, batch.len());
        if is_first && is_second {
            count(&self.shared.counts.same, 1);
            self.note_stored(&parts, first.1.or(second.1));
        }
        2 * batch.len()
    }

    /// Puts different contents under the same new names at both servers at once: one of them must be taken, and the
    /// other refused.
    async fn put_different(&mut self) -> usize {
        let size = 1 + self.below(3);
        let parts = self.fresh(size);
        let seed = self.shared.model.seed();
        let [ours, theirs] = [0, 1].map(|version| {
            let events = parts.iter().map(|part| part.name.event(seed, version));
            events.collect::<Vec<Bytes>>()
        });
        let [one, other] = &mut self.callers;
        let (first, second) = tokio::join!(one.put(0, &ours, i64::MAX), other.put(1, &theirs, i64::MAX));
        let winner = match (&first.0, &second.0) {
            (Said::Done(_), Said::Exists) => Some((0, first.1)),
            (Said::Exists, Said::Done(_)) => Some((1, second.1)),
            (first, second) => {
                let text = format!("of two contents under {:?}, {first:?} and {second:?}", parts[0].name);
                self.shared.wrong.add(Kind::Answer, text);
                None
            }
        };
        let pending = first.1.pending.max(second.1.pending);
        // Past the winner's time, a try for the other content that was left may still be taken.
        match winner.filter(|(_, took)| pending < took.sent + RETENTION) {
            Some((version, took)) => {
                count(&self.shared.counts.different, 1);
                let parts: Vec<Part> = parts.iter().map(|part| Part { version, ..*part }).collect();
                self.note_stored(&parts, Took { pending, ..took });
            }
            None => {
                for part in &parts {
                    self.shared.model.settle(part.name, State::Unknown, pending);
                }
            }
        }
        2 * parts.len()
    }

    /// Deletes a few messages.
    async fn delete(&mut self) -> usize {
        let (size, at) = (1 + self.below(3), now());
        let model = &self.shared.model;
        // Others may come anew by a try that was left.
        let there = |record: &Record| record.is_there(at + SECOND) && record.is_settled(at);
        let chosen = model.pick(self.number, RECENT, size, &mut self.chance, there);
        if chosen.is_empty() {
            return 0;
        }
        let seed = model.seed();
        let ids: Vec<String> = chosen.iter().map(|(name, _)| name.id(seed)).collect();
        for (name, _) in &chosen {
            model.settle(*name, State::Unknown, 0);
        }
        let [caller, _] = &mut self.callers;
        let first = caller.server();
        let (said, took) = caller.delete(first, &ids).await;
        if self.is_done(&said, ids.len()) {
            count(&self.shared.counts.deleted, ids.len());
            for (name, _) in &chosen {
                self.shared.model.settle(*name, State::Gone, took.pending);
            }
        }
        ids.len()
    }

    /// Puts messages in one batch: it must be taken.
    async fn put(&mut self, parts: &[Part]) -> usize {
        if parts.is_empty() {
            return 0;
        }
        let batch = self.batch(parts);
        let [caller, _] = &mut self.callers;
        let first = caller.server();
        let (said, took) = caller.put(first, &batch, i64::MAX).await;
        if self.is_done(&said, batch.len()) {
            self.note_stored(parts, took);
        }
        batch.len()
    }

    fn note_stored(&self, parts: &[Part], took: Took) {
        for part in parts {
            self.shared.model.stored(part.name, part.version, part.before, took);
        }
        count(&self.shared.counts.acknowledged, parts.len());
    }

    /// Whether an answer is that all were taken. Any other is a mistake.
    fn is_done(&self, said: &Said, sent: usize) -> bool {
        let is_done = matches!(said, Said::Done(taken) if *taken as usize == sent);
        if !is_done {
            let text = format!("writer {}: a call with {sent} was answered with {said:?}", self.number);
            self.shared.wrong.add(Kind::Answer, text);
        }
        is_done
    }

    /// New names.
    fn fresh(&self, size: usize) -> Vec<Part> {
        let names = self.shared.model.fresh(self.number, size);
        let part = |(name, before)| Part {
            name,
            version: 0,
            before,
        };
        names.into_iter().map(part).collect()
    }

    /// Messages that are there, to be put again as they are.
    fn known(&mut self, size: usize) -> Vec<Part> {
        let (model, at) = (&self.shared.model, now());
        let known = model.pick(self.number, RECENT, size, &mut self.chance, |record| {
            record.is_there(at)
        });
        let begun = known
            .iter()
            .filter_map(|(name, record)| self.begin(*name, record.version()));
        begun.collect()
    }

    fn begin(&self, name: Name, version: u32) -> Option<Part> {
        let before = self.shared.model.begin(name, version)?;
        Some(Part { name, version, before })
    }

    fn events(&self, parts: &[Part]) -> Vec<Bytes> {
        let seed = self.shared.model.seed();
        parts.iter().map(|part| part.name.event(seed, part.version)).collect()
    }

    /// The events of a batch in any order, sometimes one of them twice.
    fn batch(&mut self, parts: &[Part]) -> Vec<Bytes> {
        let mut batch = self.events(parts);
        if self.chance.percent(20) {
            let at = self.below(batch.len());
            batch.extend(batch.get(at).cloned());
        }
        self.chance.shuffle(&mut batch);
        batch
    }

    /// Draws a number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.chance.below(bound as u64)).unwrap_or_default()
    }
}
