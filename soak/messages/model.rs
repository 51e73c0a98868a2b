//! The model of what was put: which messages must be answered at a moment, and which must not.
//!
//! The database notes when a message arrives. A client knows only an interval for that: from the moment before it sent
//! the put to the moment after it had the answer. So a message must be answered until the interval's beginning is a
//! retention ago, and must not be answered once its end is.

use super::clock::{RETENTION, Took, now};
use super::event::Name;
use super::wrong::Kind;
use crate::chance::Chance;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It was deleted, or its put was refused.
    Gone,
    /// A call for it is under way, or ended without telling what became of the message.
    Unknown,
    /// It was acknowledged. It is there until `sure`, and not there from `most` on.
    Kept { sure: i64, most: i64 },
}

/// What is known of a message, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// When its name was given out.
    first: i64,
    /// Of the content that was put last.
    version: u32,
    /// Grows with each change of the record, by which a reader sees that there was none.
    changes: u32,
    state: State,
    /// Until then, a try that its client has left may come into effect.
    pending: i64,
}

impl Record {
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// Until when it is there.
    pub(super) fn sure(&self) -> Option<i64> {
        match self.state {
            State::Kept { sure, .. } => Some(sure),
            _ => None,
        }
    }

    /// Whether it is there at this time, and no earlier call can change that.
    pub(super) fn is_there(&self, at: i64) -> bool {
        self.sure().is_some_and(|sure| at < sure)
    }

    /// Whether no call that its client has left may still come into effect.
    pub(super) fn is_settled(&self, at: i64) -> bool {
        self.pending < at
    }

    /// Whether it is not there from this time on, so that another content may have its name.
    pub(super) fn is_over(&self, at: i64) -> bool {
        let is_gone = match self.state {
            State::Gone => true,
            State::Unknown => false,
            State::Kept { most, .. } => most <= at,
        };
        is_gone && self.is_settled(at)
    }
}

/// What an answer showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// A message that had to be there was.
    Had,
    /// A message that must not be there was not.
    HadNot,
    /// The message may be there or not.
    Either,
}

/// The messages of all writers. Each writer alone writes the records of its messages.
#[derive(Debug)]
pub(super) struct Model {
    seed: u64,
    writers: Vec<Mutex<Vec<Record>>>,
}

impl Model {
    pub(super) fn new(seed: u64, writers: u32) -> Self {
        Self {
            seed,
            writers: (0..writers).map(|_| Mutex::default()).collect(),
        }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of writers.
    pub(super) fn writers(&self) -> u32 {
        u32::try_from(self.writers.len()).unwrap_or(u32::MAX)
    }

    fn lock(&self, writer: u32) -> MutexGuard<'_, Vec<Record>> {
        let records = &self.writers[writer as usize];
        records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives out new names to a writer. They count as being put from here on.
    pub(super) fn fresh(&self, writer: u32, count: usize) -> Vec<(Name, Record)> {
        let record = Record {
            first: now(),
            version: 0,
            changes: 0,
            state: State::Unknown,
            pending: 0,
        };
        let mut records = self.lock(writer);
        let mut names = Vec::with_capacity(count);
        for _ in 0..count {
            let number = u32::try_from(records.len()).unwrap_or(u32::MAX);
            records.push(record);
            names.push((Name { writer, number }, record));
        }
        names
    }

    /// What is known of a message; none if its name was never given out.
    pub(super) fn record(&self, name: Name) -> Option<Record> {
        if name.writer >= self.writers() {
            return None;
        }
        self.lock(name.writer).get(name.number as usize).copied()
    }

    /// How many names a writer has, and how many of them were given out more than a retention ago.
    pub(super) fn extent(&self, writer: u32, at: i64) -> (usize, usize) {
        let records = self.lock(writer);
        let old = records.partition_point(|record| record.first + RETENTION <= at);
        (records.len(), old)
    }

    /// Draws up to `count` messages that are as wanted, from among the last ones of a writer.
    pub(super) fn pick(
        &self,
        writer: u32,
        among: usize,
        count: usize,
        chance: &mut Chance,
        wanted: impl Fn(&Record) -> bool,
    ) -> Vec<(Name, Record)> {
        let records = self.lock(writer);
        let first = records.len().saturating_sub(among);
        let span = (records.len() - first) as u64;
        let mut picked = BTreeMap::new();
        for _ in 0..count * 4 {
            if picked.len() == count || span == 0 {
                break;
            }
            let at = first + usize::try_from(chance.below(span)).unwrap_or_default();
            if let (Some(record), Ok(number)) = (records.get(at), u32::try_from(at))
                && wanted(record)
            {
                picked.insert(number, *record);
            }
        }
        let named = |(number, record)| (Name { writer, number }, record);
        picked.into_iter().map(named).collect()
    }

    /// How many messages are there for sure at this time.
    pub(super) fn live(&self, at: i64) -> i64 {
        let live = |writer| self.lock(writer).iter().filter(|record| record.is_there(at)).count();
        let live: usize = (0..self.writers()).map(live).sum();
        i64::try_from(live).unwrap_or(i64::MAX)
    }

    fn change(&self, name: Name, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.lock(name.writer).get_mut(name.number as usize) {
            record.changes += 1;
            change(record);
        }
    }

    /// Notes that a version of a message is about to be put. Returns what was known before.
    pub(super) fn begin(&self, name: Name, version: u32) -> Option<Record> {
        let before = self.record(name)?;
        self.change(name, |record| {
            record.state = match record.state {
                // The same again: it does not go before its time, but may come anew after it.
                State::Kept { sure, .. } if record.version == version => State::Kept { sure, most: i64::MAX },
                _ => State::Unknown,
            };
            record.version = version;
        });
        Some(before)
    }

    /// Notes that a put of this version was acknowledged. `before` is what [`Model::begin`] returned.
    pub(super) fn stored(&self, name: Name, version: u32, before: Record, took: Took) {
        let anew = (took.sent + RETENTION, took.answered + RETENTION);
        let (sure, most) = match before.state {
            State::Kept { sure, most } if before.version == version => {
                if took.answered < sure {
                    // It was there all the time, and gets no younger.
                    (sure, most)
                } else if took.sent < most {
                    // It was still there, or came anew.
                    (sure, most.max(anew.1))
                } else {
                    anew
                }
            }
            _ => anew,
        };
        // A try that is still under way when the message is past its time may put it anew.
        let most = if took.pending > sure {
            most.max(took.pending + RETENTION)
        } else {
            most
        };
        self.change(name, |record| {
            record.version = version;
            record.state = State::Kept { sure, most };
            record.pending = record.pending.max(took.pending);
        });
    }

    /// Notes another state. `pending` is that of the call.
    pub(super) fn settle(&self, name: Name, state: State, pending: i64) {
        self.change(name, |record| {
            record.state = state;
            record.pending = record.pending.max(pending);
        });
    }

    /// Compares an answer with the model. `before` is the record from before the question; `sent` and `answered` are the
    /// moments around the question.
    ///
    /// # Errors
    /// What is wrong with the answer.
    pub(super) fn judge(
        &self,
        name: Name,
        before: &Record,
        (sent, answered): (i64, i64),
        found: Option<&[u8]>,
    ) -> Result<Judged, (Kind, String)> {
        let Some(after) = self.record(name) else {
            return Ok(Judged::Either);
        };
        let is_still = before.changes == after.changes;
        let told = |what: &str| {
            let id = name.id(self.seed);
            format!("{id} {what}: asked at {sent}, answered at {answered}, {after:?}")
        };
        if let Some(event) = found {
            let versions = match after.state {
                State::Kept { .. } if is_still => after.version..=after.version,
                // Another version was put at the same time, or is being put.
                _ => 0..=after.version + 1,
            };
            let mut versions = versions.map(|version| name.event(self.seed, version));
            if !versions.any(|known| known[..] == *event) {
                return Err((Kind::Other, told("has another content")));
            }
        }
        if !is_still {
            return Ok(Judged::Either);
        }
        match (after.state, found) {
            (State::Kept { sure, .. }, None) if answered < sure => Err((Kind::Missing, told("is missing"))),
            (State::Kept { sure, .. }, Some(_)) if answered < sure => Ok(Judged::Had),
            (State::Kept { most, .. }, Some(_)) if sent >= most => Err((Kind::Late, told("is past its time"))),
            (State::Gone, Some(_)) => Err((Kind::Gone, told("was deleted, or refused"))),
            (State::Kept { most, .. }, None) if sent >= most => Ok(Judged::HadNot),
            (State::Gone, None) => Ok(Judged::HadNot),
            _ => Ok(Judged::Either),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Name = Name { writer: 0, number: 0 };

    fn took(sent: i64, answered: i64) -> Took {
        Took {
            sent,
            answered,
            pending: 0,
        }
    }

    /// A model with one message, which was put between 100 and 110.
    fn model() -> Model {
        let model = Model::new(1, 1);
        let (name, before) = model.fresh(0, 1).remove(0);
        assert_eq!(name, NAME);
        model.stored(NAME, 0, before, took(100, 110));
        model
    }

    /// Judges an answer with this version of the message, or without it.
    fn judge(model: &Model, span: (i64, i64), version: Option<u32>) -> Result<Judged, Kind> {
        let before = model.record(NAME).unwrap();
        let event = version.map(|version| NAME.event(1, version));
        let judged = model.judge(NAME, &before, span, event.as_deref());
        judged.map_err(|(kind, _)| kind)
    }

    #[test]
    fn a_message_is_there_until_its_time_and_not_after_it() {
        let model = model();
        for (span, version, expected) in [
            ((120, 130), Some(0), Ok(Judged::Had)),
            ((120, 130), None, Err(Kind::Missing)),
            ((120, 130), Some(1), Err(Kind::Other)),
            ((RETENTION, RETENTION + 99), None, Err(Kind::Missing)),
            // Around its end.
            ((RETENTION, RETENTION + 100), None, Ok(Judged::Either)),
            ((RETENTION + 109, RETENTION + 200), Some(0), Ok(Judged::Either)),
            ((RETENTION + 110, RETENTION + 200), Some(0), Err(Kind::Late)),
            ((RETENTION + 110, RETENTION + 200), None, Ok(Judged::HadNot)),
        ] {
            assert_eq!(judge(&model, span, version), expected, "{span:?} {version:?}");
        }
    }

    #[test]
    fn the_same_again_gets_no_younger_but_comes_anew_after_its_time() {
        let end = RETENTION + 100;
        for (again, expected) in [
            // Before its end, around it, and after it.
            ((200, 210), (end, end + 10)),
            ((end - 5, end + 5), (end, end + 5 + RETENTION)),
            ((end + 10, end + 20), (end + 10 + RETENTION, end + 20 + RETENTION)),
        ] {
            let model = model();
            let before = model.begin(NAME, 0).unwrap();
            // It does not go while it is put.
            assert_eq!(judge(&model, (150, 160), None), Err(Kind::Missing));
            assert_eq!(judge(&model, (end + 20, end + 30), Some(0)), Ok(Judged::Either));
            model.stored(NAME, 0, before, took(again.0, again.1));
            let (sure, most) = expected;
            assert_eq!(
                model.record(NAME).unwrap().state,
                State::Kept { sure, most },
                "{again:?}"
            );
        }
    }

    #[test]
    fn what_is_under_way_is_not_judged() {
        let model = model();
        let before = model.record(NAME).unwrap();
        model.settle(NAME, State::Unknown, 0);
        let judged = model.judge(NAME, &before, (120, 130), None);
        assert_eq!(judged, Ok(Judged::Either));
        assert_eq!(judge(&model, (120, 130), None), Ok(Judged::Either));
        model.settle(NAME, State::Gone, 0);
        assert_eq!(judge(&model, (120, 130), Some(0)), Err(Kind::Gone));
        assert_eq!(judge(&model, (120, 130), None), Ok(Judged::HadNot));
        // Another content under its name.
        let before = model.begin(NAME, 1).unwrap();
        model.stored(NAME, 1, before, took(300, 310));
        assert_eq!(judge(&model, (320, 330), Some(1)), Ok(Judged::Had));
        assert_eq!(judge(&model, (320, 330), Some(0)), Err(Kind::Other));
    }

    #[test]
    fn a_try_that_was_left_may_put_a_message_anew() {
        let model = Model::new(1, 1);
        let (_, before) = model.fresh(0, 1).remove(0);
        let pending = RETENTION + 500;
        model.stored(
            NAME,
            0,
            before,
            Took {
                pending,
                ..took(100, 110)
            },
        );
        assert_eq!(
            judge(&model, (RETENTION + 200, RETENTION + 300), Some(0)),
            Ok(Judged::Either)
        );
        assert!(!model.record(NAME).unwrap().is_settled(pending));
        assert!(!model.record(NAME).unwrap().is_over(pending + 1));
        assert!(model.record(NAME).unwrap().is_over(pending + RETENTION));
    }
}
