//! What the sender knows during a term: feeds, tries, and rows that are still to be written.

use super::attempts::Row;
use super::feed::Feed;
use super::flights::{Flights, Stale};
use super::metrics::signed;
use super::notes::Note;
use super::now::Now;
use super::pace::Pace;
use super::save::Save;
use super::{Limits, Metrics};
use crate::subscription::Subscription;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tokio::time::Instant;
use uuid::Uuid;
use webhook::Allowed;

/// What the sender knows during a term. One task owns it, so a method never waits.
pub(super) struct State {
    pub(super) limits: Limits,
    pub(super) allowed: Allowed,
    pub(super) metrics: Metrics,
    pub(super) feeds: BTreeMap<Uuid, Feed>,
    epochs: u64,
    /// Feeds whose next request may begin, in their order.
    pub(super) line: VecDeque<Uuid>,
    /// Feeds whose next request has to wait for others of slow or failing endpoints.
    pub(super) heavy_line: VecDeque<Uuid>,
    timers: BTreeSet<(Instant, Uuid)>,
    pub(super) flights: Flights,
    /// Those of them that wait for their data.
    pub(super) stale: Vec<Stale>,
    /// Requests to slow and failing endpoints.
    pub(super) heavy: usize,
    /// Rows that are still to be written.
    pub(super) rows: Vec<Row>,
    pub(super) notes: VecDeque<Note>,
    /// Deliveries in memory, and the bytes of their bodies.
    pub(super) loaded: usize,
    pub(super) bytes: usize,
    /// There may be more to read, and room for it.
    pub(super) hungry: bool,
    /// Feeds of which it is not known where they begin.
    pub(super) unstarted: BTreeSet<Uuid>,
    /// Feeds whose earlier redrives are still to be read.
    pub(super) fresh: BTreeSet<Uuid>,
}

impl State {
    pub(super) fn new(limits: Limits, allowed: Allowed, metrics: Metrics) -> Self {
        Self {
            limits,
            allowed,
            metrics,
            feeds: BTreeMap::new(),
            epochs: 0,
            line: VecDeque::new(),
            heavy_line: VecDeque::new(),
            timers: BTreeSet::new(),
            flights: Flights::default(),
            stale: Vec::new(),
            heavy: 0,
            rows: Vec::new(),
            notes: VecDeque::new(),
            loaded: 0,
            bytes: 0,
            hungry: false,
            unstarted: BTreeSet::new(),
            fresh: BTreeSet::new(),
        }
    }

    /// Takes the rows of `subscription` as they are now.
    pub(super) fn sync(&mut self, subscriptions: &[Subscription], now: Now) {
        let enabled: BTreeMap<Uuid, &Subscription> = subscriptions
            .iter()
            .filter(|row| row.enabled)
            .map(|row| (row.id, row))
            .collect();
        let ended = self.feeds.iter().filter(|(id, feed)| {
            enabled.get(id).is_none_or(|row| {
                row.ordering != feed.subscription.ordering || (feed.stopped && feed.subscription != **row)
            })
        });
        let ended: Vec<Uuid> = ended.map(|(id, _)| *id).collect();
        for id in ended {
            self.forget(id);
        }
        for (id, row) in enabled {
            match self.feeds.get_mut(&id) {
                Some(feed) if feed.subscription != *row => {
                    feed.edit(row.clone(), &self.allowed, now.instant);
                    self.hungry = true;
                    self.touch(id, now);
                }
                Some(_) => {}
                None => {
                    self.epochs += 1;
                    self.feeds
                        .insert(id, Feed::new(row.clone(), self.epochs, &self.allowed));
                    self.unstarted.insert(id);
                }
            }
        }
    }

    /// Forgets a feed. What is on its way is still recorded.
    fn forget(&mut self, id: Uuid) {
        let Some(feed) = self.feeds.remove(&id) else {
            return;
        };
        self.heavy -= weight(&feed.pace);
        self.loaded -= feed.queue.len();
        self.bytes -= feed.queue.bytes();
        self.timers.retain(|(_, other)| *other != id);
        for line in [&mut self.line, &mut self.heavy_line] {
            line.retain(|other| *other != id);
        }
        self.unstarted.remove(&id);
        self.fresh.remove(&id);
    }

    /// Changes the queue of a feed, and keeps the sums.
    pub(super) fn change(&mut self, id: Uuid, epoch: u64, now: Now, change: impl FnOnce(&mut Feed)) {
        let Some(feed) = self.feeds.get_mut(&id).filter(|feed| feed.epoch == epoch) else {
            return;
        };
        self.loaded -= feed.queue.len();
        self.bytes -= feed.queue.bytes();
        self.heavy -= weight(&feed.pace);
        change(feed);
        self.loaded += feed.queue.len();
        self.bytes += feed.queue.bytes();
        self.heavy += weight(&feed.pace);
        self.touch(id, now);
    }

    /// Puts a feed in line if a request of it may begin, and else sets its timer.
    pub(super) fn touch(&mut self, id: Uuid, now: Now) {
        let most = self.most_each();
        let Some(feed) = self.feeds.get_mut(&id) else {
            return;
        };
        if let Some(timer) = feed.timer.take() {
            self.timers.remove(&(timer, id));
        }
        if !feed.is_sendable() || feed.in_line {
            return;
        }
        let is_ready = feed.queue.has_ready(now.instant);
        let limited = feed.not_before.filter(|until| *until > now.instant);
        if is_ready && limited.is_none() {
            if feed.pace.has_room(most) {
                feed.in_line = true;
                self.line.push_back(id);
            }
            return;
        }
        feed.timer = if is_ready { limited } else { feed.queue.next_due() };
        self.timers.extend(feed.timer.map(|timer| (timer, id)));
    }

    /// The most requests of one subscription. While nearly all there can be are on their way, more than one are for none:
    /// endpoints that hang all of a sudden, with many requests each, must leave room for the first request of the others.
    /// A subscription that waits for this has a request on its way, and is looked at again once that ends.
    pub(super) fn most_each(&self) -> usize {
        let max = self.limits.max_in_flight;
        if self.flights.len() >= max - max / 8 {
            1
        } else {
            self.half()
        }
    }

    /// Half of all requests: what slow and failing endpoints share, and the most for one subscription.
    pub(super) fn half(&self) -> usize {
        (self.limits.max_in_flight / 2).max(1)
    }

    /// Does what is due by now.
    pub(super) fn ripen(&mut self, now: Now) {
        while let Some(flight) = self.flights.next_slow(now.instant) {
            self.change(flight.subscription, flight.epoch, now, |feed| feed.pace.slow_down());
        }
        while let Some((timer, id)) = self.timers.first().copied() {
            if timer > now.instant {
                break;
            }
            self.timers.pop_first();
            if let Some(feed) = self.feeds.get_mut(&id) {
                feed.timer = None;
            }
            self.touch(id, now);
        }
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(timer, _)| *timer);
        [timer, self.flights.slow_at()].into_iter().flatten().min()
    }

    /// What has changed since it was last stored.
    pub(super) fn unsaved(&self) -> Save {
        let mut save = Save::default();
        for (id, feed) in &self.feeds {
            for (lane, known) in (0..).zip(feed.lanes.iter().flatten()) {
                if let Some((upto, saved)) = feed.upto(lane).filter(|(upto, saved)| upto > saved) {
                    debug_assert!(saved == known.saved);
                    save.progress.push((*id, lane, upto));
                }
                if known.more {
                    save.unread.push((*id, lane));
                }
            }
            if feed.failing.since != feed.failing.saved {
                save.failing.push((*id, feed.failing.since));
            }
        }
        save
    }

    /// Takes note that it is stored. `last`: the greatest seq of lanes.
    pub(super) fn saved(&mut self, save: &Save, last: &[(Uuid, i16, i64)]) {
        let mut lane = |id: &Uuid, lane: i16, set: &dyn Fn(&mut super::feed::Lane)| {
            let lanes = self.feeds.get_mut(id).and_then(|feed| feed.lanes.as_mut());
            if let Some(known) = lanes
                .zip(usize::try_from(lane).ok())
                .and_then(|(lanes, at)| lanes.get_mut(at))
            {
                set(known);
            }
        };
        for (id, number, upto) in &save.progress {
            lane(id, *number, &|lane| lane.saved = lane.saved.max(*upto));
        }
        for (id, number, last) in last {
            lane(id, *number, &|lane| lane.last = *last);
        }
        for (id, since) in &save.failing {
            if let Some(feed) = self.feeds.get_mut(id) {
                feed.failing.saved = *since;
            }
        }
    }

    /// Updates the gauges.
    pub(super) fn measure(&self) {
        let pending = |feed: &Feed| -> i64 {
            let lanes = (0..).zip(feed.lanes.iter().flatten());
            if !feed.parked.is_empty() {
                // What is parked is not counted one by one.
                return lanes
                    .filter_map(|(lane, known)| Some(known.last - feed.upto(lane)?.0))
                    .sum();
            }
            let unread = lanes.filter(|(_, known)| known.more);
            unread.map(|(_, known)| (known.last - known.read).max(0)).sum::<i64>() + signed(feed.queue.len())
        };
        self.metrics.pending.set(self.feeds.values().map(pending).sum());
        #[cfg(test)]
        self.metrics
            .most_loaded
            .set(self.metrics.most_loaded.get().max(signed(self.loaded)));
    }
}
/// The requests of a feed that count as those of slow or failing endpoints.
fn weight(pace: &Pace) -> usize {
    if pace.is_heavy() { pace.in_flight() } else { 0 }
}
