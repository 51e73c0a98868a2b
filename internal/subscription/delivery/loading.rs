//! Which deliveries are read next.

use super::now::Now;
use super::read::{Ask, Cursor, Loaded, Page, Start};
use super::state::State;
use reading::time::DAY;
use uuid::Uuid;

/// Most lanes that one statement reads.
const MOST_ASKS: usize = 1024;
/// Most deliveries that one statement reads.
const MOST_ROWS: usize = 8192;
/// Most bytes of bodies that one statement reads.
const MOST_BYTES: usize = 4 * 1024 * 1024;

impl State {
    /// Supposes that each lane has more.
    pub(super) fn look(&mut self) {
        self.hungry = true;
        for lane in self.feeds.values_mut().flat_map(|feed| feed.lanes.iter_mut().flatten()) {
            lane.more = true;
        }
    }

    /// What to read next, and since when it was made.
    pub(super) fn asks(&mut self, now: Now) -> Option<(Vec<Ask>, i64)> {
        let most = self.most();
        let limits = self.limits;
        for feed in self.feeds.values_mut() {
            let before = (feed.queue.len(), feed.queue.bytes());
            feed.make_room(&limits, most);
            self.loaded -= before.0 - feed.queue.len();
            self.bytes -= before.1 - feed.queue.bytes();
        }
        let rows = self.limits.loaded.saturating_sub(self.loaded);
        let bytes = self.limits.bytes.saturating_sub(self.bytes);
        if rows == 0 || bytes == 0 {
            return None;
        }
        // Once half of the memory is used, each feed keeps to its share of the other half. So full queues of
        // endpoints that fail leave room for the rest.
        let (feeds, most, is_scarce) = (self.feeds.len().max(1), self.most(), self.is_scarce());
        let bytes_each = self.limits.bytes / 2 / feeds;
        let has_room = |queued: usize| !is_scarce || queued == 0 || queued < bytes_each;
        let feeds = self.feeds.values().filter(|feed| has_room(feed.queue.bytes()));
        let mut asks: Vec<Ask> = feeds
            .filter_map(|feed| feed.ask(&self.limits, most))
            .take(MOST_ASKS)
            .collect();
        let count = asks.len();
        if count == 0 {
            return None;
        }
        let rows_each = (rows.min(MOST_ROWS) / count).max(1);
        let bytes_each = (bytes.min(MOST_BYTES) / count).max(1);
        for ask in &mut asks {
            ask.most = ask.most.min(i64::try_from(rows_each).unwrap_or(i64::MAX));
            ask.bytes = i64::try_from(bytes_each).unwrap_or(i64::MAX);
        }
        let since = asks.iter().filter_map(|ask| match ask.only {
            Some(_) => Some(0),
            None => Some(self.lane(ask)?.since),
        });
        let since = since.min().unwrap_or(0);
        // Where the clock was ahead for a while, what is made now is older than what was made then.
        Some((asks, since.min(now.wall.saturating_sub(DAY))))
    }

    fn is_scarce(&self) -> bool {
        self.loaded > self.limits.loaded / 2 || self.bytes > self.limits.bytes / 2
    }

    /// How many deliveries of a feed may be in memory.
    fn most(&self) -> usize {
        if self.is_scarce() {
            (self.limits.loaded / 2 / self.feeds.len().max(1)).max(1)
        } else {
            self.limits.loaded_each
        }
    }

    fn lane(&self, ask: &Ask) -> Option<&super::feed::Lane> {
        let lanes = self.feeds.get(&ask.subscription)?.lanes.as_ref()?;
        lanes.get(usize::try_from(ask.lane).ok()?)
    }

    /// Takes what was read at a time in microseconds since 1970.
    pub(super) fn took(&mut self, pages: Vec<Page>, asked: i64, now: Now) {
        self.hungry = true;
        for page in pages {
            let Page {
                ask,
                rows,
                more,
                examined,
            } = page;
            self.change(ask.subscription, ask.epoch, now, |feed| {
                feed.is_rests_turn = ask.only.is_some();
                let lane = usize::try_from(ask.lane).ok();
                if let Some(key) = &ask.only {
                    let last = rows.last().filter(|_| more).map(|row| row.place);
                    feed.parked.read(ask.lane, key, last);
                } else if let Some(lane) = feed.lanes.as_mut().zip(lane).and_then(|(lanes, at)| lanes.get_mut(at)) {
                    lane.more = more;
                    if let Some(row) = rows.last() {
                        lane.read = lane.read.max(row.place.1);
                        lane.since = lane.since.max(row.at - DAY);
                    }
                    if !more {
                        lane.read = lane.read.max(examined);
                        // What is committed from now on was begun a little earlier at most.
                        lane.since = lane.since.max(asked - DAY);
                    }
                    lane.last = lane.last.max(lane.read);
                }
                for row in rows {
                    feed.take(row, now.instant, now.wall);
                }
            });
        }
    }

    /// Takes where feeds begin. Those that were deleted meanwhile are no rows.
    pub(super) fn begun(&mut self, starts: &[Start], asked: &[(Uuid, u64)], now: Now) {
        self.hungry = true;
        for (id, epoch) in asked {
            let lanes = starts.iter().filter(|start| start.subscription == *id);
            self.change(*id, *epoch, now, |feed| lanes.for_each(|start| feed.begin(start)));
            if self.feeds.get(id).is_some_and(|feed| feed.epoch == *epoch) {
                self.unstarted.remove(id);
                self.fresh.insert(*id);
            }
        }
    }

    /// Takes redriven deliveries.
    pub(super) fn redriven(&mut self, rows: Vec<Loaded>, now: Now) {
        for row in rows {
            let (id, place) = (row.subscription, row.place);
            let Some(feed) = self.feeds.get(&id).filter(|feed| feed.is_sendable()) else {
                continue;
            };
            let base = row.open.as_ref().map_or(0, |open| open.base);
            let (epoch, has_read) = (feed.epoch, feed.has_read(place));
            self.change(id, epoch, now, |feed| {
                if feed.queue.get(place).is_some() {
                    feed.queue.redrive(place, base, now.instant);
                } else if has_read {
                    feed.take(row, now.instant, now.wall);
                }
            });
        }
    }

    /// Whether redriven deliveries may be loaded.
    pub(super) fn has_room_for_redrives(&self) -> bool {
        self.loaded < self.limits.loaded && self.bytes < self.limits.bytes
    }
}

impl Cursor {
    /// Before every redrive since a time in microseconds since 1970; none: since five minutes ago.
    pub(super) fn since(at: Option<i64>) -> Self {
        Self {
            at,
            subscription: Uuid::nil(),
            place: (i16::MIN, i64::MIN),
        }
    }
}
