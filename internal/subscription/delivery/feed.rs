//! A subscription, as it is sent.

use super::Limits;
use super::pace::Pace;
use super::parked::{self, Parked};
use super::plan::Plan;
use super::queue::{Item, Place, Queue};
use super::read::{Ask, Loaded, Start};
use crate::subscription::{Ordering, Subscription};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use webhook::Allowed;

/// A subscription, as it is sent.
pub(super) struct Feed {
    pub(super) subscription: Subscription,
    /// None where nothing of it can be sent.
    pub(super) plan: Option<Arc<Plan>>,
    /// Which feed it is: what belongs to an earlier feed of the subscription changes nothing here.
    pub(super) epoch: u64,
    pub(super) queue: Queue,
    pub(super) parked: Parked,
    /// The last read was of a parked key, so the next one is of the rest.
    pub(super) is_rests_turn: bool,
    pub(super) pace: Pace,
    /// None until it is known where they begin.
    pub(super) lanes: Option<[Lane; 2]>,
    /// The endpoint is gone.
    pub(super) stopped: bool,
    /// It stands in line for its next request.
    pub(super) in_line: bool,
    /// The rate allows no request before.
    pub(super) not_before: Option<Instant>,
    /// When something of it is due.
    pub(super) timer: Option<Instant>,
    pub(super) failing: Failing,
}

/// A lane of a queue, as far as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    /// `progress.upto`, as it is stored.
    pub(super) saved: i64,
    /// Every delivery up to here was read.
    pub(super) read: i64,
    /// After it, nothing was tried before this term.
    tried: i64,
    /// There may be more.
    pub(super) more: bool,
    /// What is not read was made after this, in microseconds since 1970.
    pub(super) since: i64,
    /// The greatest seq that is known.
    pub(super) last: i64,
}

/// Since when nothing has succeeded, in microseconds since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failing {
    pub(super) since: Option<i64>,
    /// As it is stored.
    pub(super) saved: Option<i64>,
    /// The first failure since then that this process has seen.
    pub(super) seen: Option<Instant>,
    /// It was told to the topic of troubles.
    pub(super) told: bool,
}

impl Feed {
    pub(super) fn new(subscription: Subscription, epoch: u64, allowed: &Allowed) -> Self {
        let mut feed = Self {
            queue: Queue::new(subscription.ordering == Ordering::Key),
            parked: Parked::default(),
            is_rests_turn: false,
            pace: Pace::new(subscription.rate),
            subscription,
            plan: None,
            epoch,
            lanes: None,
            stopped: false,
            in_line: false,
            not_before: None,
            timer: None,
            failing: Failing::default(),
        };
        feed.plan(allowed);
        feed
    }

    /// Takes an edit that leaves its queue as it is. What failed before is tried at once if it is sent in another way.
    pub(super) fn edit(&mut self, subscription: Subscription, allowed: &Allowed, now: Instant) {
        let (old, new) = (&self.subscription, &subscription);
        if (&old.target_url, &old.method, &old.headers) != (&new.target_url, &new.method, &new.headers)
            || (old.format, &old.body) != (new.format, &new.body)
        {
            self.queue.hasten(now);
        }
        if old.target_url != new.target_url {
            // The next endpoint has not failed yet.
            self.failing.end();
        }
        if subscription.rate != self.subscription.rate {
            self.pace.limit(subscription.rate);
            self.not_before = None;
        }
        self.subscription = subscription;
        self.plan(allowed);
    }

    fn plan(&mut self, allowed: &Allowed) {
        self.plan = match Plan::of(&self.subscription, allowed) {
            Ok(plan) => Some(Arc::new(plan)),
            Err(problem) => {
                let subscription = &self.subscription.name;
                tracing::warn!(
                    subscription,
                    problem,
                    "a subscription cannot be sent; its deliveries wait"
                );
                None
            }
        };
    }

    pub(super) fn is_sendable(&self) -> bool {
        self.lanes.is_some() && self.plan.is_some() && !self.stopped
    }

    pub(super) fn begin(&mut self, start: &Start) {
        let lane = Lane {
            saved: start.upto,
            read: start.upto,
            tried: start.tried,
            more: true,
            since: 0,
            last: start.upto,
        };
        let lanes = self.lanes.get_or_insert([lane; 2]);
        if let Some(known) = usize::try_from(start.lane).ok().and_then(|at| lanes.get_mut(at)) {
            *known = lane;
        }
        (self.failing.since, self.failing.saved) = (start.failing, start.failing);
    }

    /// The lane that is to be read next, with room for at most `most` deliveries; live ones first.
    pub(super) fn ask(&self, limits: &Limits, most: usize) -> Option<Ask> {
        let lanes = self.lanes.as_ref().filter(|_| self.is_sendable())?;
        let most = most.min(limits.loaded_each);
        let rest = lanes.iter().position(|lane| lane.more);
        if rest.is_none() || !self.is_rests_turn {
            let ask = (0..2)
                .zip(lanes)
                .find_map(|(lane, known)| self.ask_parked(lane, known, most));
            if ask.is_some() {
                return ask;
            }
        }
        let lane = rest?;
        let known = lanes.get(lane)?;
        // Replays leave room for live deliveries.
        let (most, held) = if lane == 0 {
            (most, self.queue.len())
        } else {
            (most.div_ceil(2), self.queue.replays())
        };
        let room = most
            .saturating_sub(held)
            .min(limits.loaded_each.saturating_sub(self.queue.len()));
        // A few at a time would ask too often.
        if room == 0 || room < most / 4 {
            return None;
        }
        let lane = i16::try_from(lane).ok()?;
        Some(Ask {
            subscription: self.subscription.id,
            epoch: self.epoch,
            lane,
            after: known.read,
            upto: i64::MAX,
            only: None,
            except: self.parked.keys(lane),
            most: i64::try_from(room).ok()?,
            bytes: 1,
            tried: known.tried,
        })
    }

    /// The deliveries of a parked key that are to be read next.
    fn ask_parked(&self, lane: i16, known: &Lane, most: usize) -> Option<Ask> {
        let room = most.saturating_sub(self.queue.len()).min(parked::READ);
        let (key, seq) = self.parked.needs(lane, &self.queue).filter(|_| room > 0)?;
        Some(Ask {
            subscription: self.subscription.id,
            epoch: self.epoch,
            lane,
            after: seq - 1,
            // Later ones are read with the rest, once the key is not parked any more.
            upto: known.read,
            only: Some(key),
            except: Vec::new(),
            most: i64::try_from(room).ok()?,
            bytes: 1,
            // Some may have been tried in this term.
            tried: i64::MAX,
        })
    }

    /// Drops deliveries of keys that have many, where the memory of `most` deliveries is nearly full.
    pub(super) fn make_room(&mut self, limits: &Limits, most: usize) {
        let most = most.min(limits.loaded_each);
        if self.queue.len() > most - most / 4 {
            self.parked.make_room(&mut self.queue);
        }
    }

    /// Takes a delivery. `wall` is `now` in microseconds since 1970.
    pub(super) fn take(&mut self, row: Loaded, now: Instant, wall: i64) {
        let Some(open) = row.open else {
            return;
        };
        let due = match open.due {
            None if open.tries == 0 => self.first_wait().and_then(|wait| row.at.checked_add(wait)),
            due => due,
        };
        let item = Item {
            id: open.id,
            key: open.key,
            kind: open.kind,
            moment: open.moment,
            data: open.data,
            read: now,
            at: row.at,
            tries: open.tries,
            base: open.base,
            due: due.and_then(|due| instant(due, now, wall)),
        };
        self.queue.insert(row.place, item, now);
    }

    fn first_wait(&self) -> Option<i64> {
        let wait = self.plan.as_ref()?.schedule.wait(0, None)?;
        i64::try_from(wait.as_micros()).ok().filter(|wait| *wait > 0)
    }

    /// Up to which seq every delivery of a lane has ended.
    pub(super) fn upto(&self, lane: i16) -> Option<(i64, i64)> {
        let known = self.lanes.as_ref()?.get(usize::try_from(lane).ok()?)?;
        let firsts = [self.queue.first(lane), self.parked.first(lane)];
        let before_first = firsts.into_iter().flatten().min().map_or(known.read, |first| first - 1);
        Some((before_first.min(known.read), known.saved))
    }

    /// Whether a seq of a lane was read.
    pub(super) fn has_read(&self, (lane, seq): Place) -> bool {
        let known = self.lanes.as_ref().zip(usize::try_from(lane).ok());
        known
            .and_then(|(lanes, at)| lanes.get(at))
            .is_some_and(|lane| seq <= lane.read)
    }
}

impl Failing {
    /// It fails no more.
    pub(super) fn end(&mut self) {
        let saved = self.saved;
        *self = Self {
            saved,
            ..Self::default()
        };
    }
}

/// An instant of the monotonic clock; none if it has passed.
fn instant(micros: i64, now: Instant, wall: i64) -> Option<Instant> {
    let wait = u64::try_from(micros.saturating_sub(wall))
        .ok()
        .filter(|wait| *wait > 0)?;
    now.checked_add(Duration::from_micros(wait))
}
