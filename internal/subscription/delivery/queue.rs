//! The loaded deliveries of one subscription, and which of them may be sent.

use crate::message::KIND;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// A message whose data was read longer ago is read again before it is sent: its author may have taken its text back.
const FRESH: Duration = Duration::from_secs(1);

/// Lane and seq. Live deliveries (lane 0) come before replays (lane 1).
pub(super) type Place = (i16, i64);

/// A delivery that has not ended.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: Uuid,
    pub(super) key: Option<Arc<str>>,
    pub(super) kind: Arc<str>,
    /// Microseconds since 1970.
    pub(super) moment: i64,
    /// JSON, as it is stored.
    pub(super) data: Arc<str>,
    /// When the data was read.
    pub(super) read: Instant,
    /// When the delivery was made, in microseconds since 1970.
    pub(super) at: i64,
    /// The number of the last try or redrive; 0 before the first.
    pub(super) tries: i32,
    /// The number of the last redrive: the schedule begins anew there.
    pub(super) base: i32,
    /// Not to be sent before.
    pub(super) due: Option<Instant>,
}

impl Item {
    /// Whether its data is to be read again before it is sent: that of a message, before a retry and after a wait.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        *self.kind == *KIND && (self.tries > 1 || now.saturating_duration_since(self.read) > FRESH)
    }
}

/// The loaded deliveries of one subscription.
///
/// With `ordered`, the deliveries of one key stand in a line, and only its first may be sent. It keeps its place while
/// it waits for its next try.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ordered: bool,
    items: BTreeMap<Place, Item>,
    ready: BTreeSet<Place>,
    waiting: BTreeSet<(Instant, Place)>,
    lines: HashMap<Arc<str>, Line>,
    bytes: usize,
    replays: usize,
}

#[derive(Debug, Default)]
struct Line {
    places: BTreeSet<Place>,
    /// Its first is being sent, or what became of it is being written.
    busy: bool,
}

impl Line {
    /// Whether its first waits for its next try.
    fn waits(&self, items: &BTreeMap<Place, Item>, waiting: &BTreeSet<(Instant, Place)>) -> bool {
        let first = self.places.first();
        let due = first.and_then(|first| Some((items.get(first)?.due?, *first)));
        due.is_some_and(|due| waiting.contains(&due))
    }
}

impl Queue {
    pub(super) fn new(ordered: bool) -> Self {
        Self {
            ordered,
            ..Self::default()
        }
    }

    /// How many are loaded.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// How many of them are replays.
    pub(super) fn replays(&self) -> usize {
        self.replays
    }

    /// Bytes of their bodies.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&self, place: Place) -> Option<&Item> {
        self.items.get(&place)
    }

    /// The first of a lane, loaded and not ended.
    pub(super) fn first(&self, lane: i16) -> Option<i64> {
        let mut items = self.items.range((lane, i64::MIN)..=(lane, i64::MAX));
        items.next().map(|(place, _)| place.1)
    }

    /// Takes a delivery, unless it is here.
    pub(super) fn insert(&mut self, place: Place, item: Item, now: Instant) {
        if self.items.contains_key(&place) {
            return;
        }
        self.bytes += item.data.len();
        self.replays += usize::from(place.0 != 0);
        let key = item.key.clone().filter(|_| self.ordered);
        self.items.insert(place, item);
        let Some(key) = key else {
            return self.offer(place, now);
        };
        let line = self.lines.entry(key.clone()).or_default();
        let first = line.places.first().copied();
        line.places.insert(place);
        if line.busy || first.is_some_and(|first| first < place) {
            return;
        }
        if let Some(first) = first {
            self.withdraw(first);
        }
        self.offer(place, now);
    }

    /// The next one that may be sent. It counts as sent from here.
    pub(super) fn next(&mut self, now: Instant) -> Option<Place> {
        self.ripen(now);
        let place = self.ready.pop_first()?;
        if let Some(line) = self.line(place) {
            line.busy = true;
        }
        Some(place)
    }

    /// Whether one may be sent.
    pub(super) fn has_ready(&mut self, now: Instant) -> bool {
        self.ripen(now);
        !self.ready.is_empty()
    }

    /// When the next one may be sent; none if one may already, or none waits.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let first = self.waiting.first().map(|(due, _)| *due);
        first.filter(|_| self.ready.is_empty())
    }

    /// Counts a try.
    pub(super) fn tried(&mut self, place: Place) {
        if let Some(item) = self.items.get_mut(&place) {
            item.tries += 1;
        }
    }

    /// Takes the data of one that was read again.
    pub(super) fn refresh(&mut self, place: Place, data: Arc<str>, now: Instant) {
        if let Some(item) = self.items.get_mut(&place) {
            self.bytes = self.bytes - item.data.len() + data.len();
            (item.data, item.read) = (data, now);
        }
    }

    /// Lets the next of the key be sent: this one has its end. It stays loaded until [`Queue::remove`].
    pub(super) fn release(&mut self, place: Place, now: Instant) {
        let ordered = self.ordered;
        let Some(key) = self
            .items
            .get(&place)
            .and_then(|item| item.key.clone())
            .filter(|_| ordered)
        else {
            return;
        };
        let Some(line) = self.lines.get_mut(&key) else {
            return;
        };
        if !line.places.remove(&place) {
            return;
        }
        line.busy = false;
        match line.places.first().copied() {
            Some(next) => self.offer(next, now),
            None => drop(self.lines.remove(&key)),
        }
    }

    /// Forgets one whose end is written.
    pub(super) fn remove(&mut self, place: Place, now: Instant) {
        self.withdraw(place);
        self.release(place, now);
        if let Some(item) = self.items.remove(&place) {
            self.bytes -= item.data.len();
            self.replays -= usize::from(place.0 != 0);
        }
    }

    /// Lets one that was sent wait for its next try.
    pub(super) fn wait(&mut self, place: Place, due: Instant, now: Instant) {
        let Some(item) = self.items.get_mut(&place) else {
            return;
        };
        item.due = Some(due);
        let Some(line) = self.line(place) else {
            return self.offer(place, now);
        };
        line.busy = false;
        if let Some(first) = line.places.first().copied() {
            self.offer(first, now);
        }
    }

    /// Makes one due that waits, and begins its schedule anew: `base` is the number of the redrive. One that is
    /// being sent goes on.
    pub(super) fn redrive(&mut self, place: Place, base: i32, now: Instant) {
        let is_sent = self.is_sent(place);
        let Some(item) = self.items.get_mut(&place) else {
            return;
        };
        if is_sent || base < item.tries || base == item.base {
            return;
        }
        (item.tries, item.base) = (base, base);
        self.withdraw(place);
        if let Some(item) = self.items.get_mut(&place) {
            item.due = None;
        }
        let is_first = self.line(place).is_none_or(|line| line.places.first() == Some(&place));
        if is_first {
            self.offer(place, now);
        }
    }

    /// Makes all due that wait for a retry; their schedules go on.
    pub(super) fn hasten(&mut self, now: Instant) {
        for (_, place) in std::mem::take(&mut self.waiting) {
            if let Some(item) = self.items.get_mut(&place) {
                item.due = None;
            }
            self.offer(place, now);
        }
    }

    /// Drops the later deliveries of keys that have more than `kept` of them, and all but the first of keys that wait
    /// for a retry. Returns the first dropped one of each key and lane, for `most` of them.
    pub(super) fn shorten(&mut self, kept: usize, most: usize) -> Vec<(Arc<str>, Place)> {
        let mut dropped = Vec::new();
        for (key, line) in &mut self.lines {
            let waits = line.waits(&self.items, &self.waiting);
            let rest: Vec<Place> = line.places.iter().skip(if waits { 1 } else { kept }).copied().collect();
            let mut lane = None;
            // Room for both lanes of a key.
            if dropped.len() + 2 > most {
                break;
            }
            for place in rest {
                line.places.remove(&place);
                if let Some(item) = self.items.remove(&place) {
                    self.bytes -= item.data.len();
                    self.replays -= usize::from(place.0 != 0);
                }
                if lane != Some(place.0) {
                    lane = Some(place.0);
                    dropped.push((key.clone(), place));
                }
            }
        }
        dropped
    }

    /// Whether a key has fewer deliveries than this, and goes on.
    pub(super) fn needs_more(&self, key: &Arc<str>, fewer: usize) -> bool {
        let Some(line) = self.lines.get(key) else {
            return true;
        };
        !line.waits(&self.items, &self.waiting) && line.places.len() < fewer
    }

    fn is_sent(&self, place: Place) -> bool {
        let Some(item) = self.items.get(&place) else {
            return false;
        };
        let line = item
            .key
            .as_ref()
            .filter(|_| self.ordered)
            .and_then(|key| self.lines.get(key));
        match line {
            Some(line) => line.places.first() == Some(&place) && line.busy || !line.places.contains(&place),
            None => {
                let waits = item.due.is_some_and(|due| self.waiting.contains(&(due, place)));
                !waits && !self.ready.contains(&place)
            }
        }
    }

    fn ripen(&mut self, now: Instant) {
        while let Some((due, place)) = self.waiting.first().copied() {
            if due > now {
                break;
            }
            self.waiting.pop_first();
            self.ready.insert(place);
        }
    }

    fn offer(&mut self, place: Place, now: Instant) {
        match self.items.get(&place).and_then(|item| item.due) {
            Some(due) if due > now => drop(self.waiting.insert((due, place))),
            _ => drop(self.ready.insert(place)),
        }
    }

    fn withdraw(&mut self, place: Place) {
        self.ready.remove(&place);
        if let Some(due) = self.items.get(&place).and_then(|item| item.due) {
            self.waiting.remove(&(due, place));
        }
    }

    fn line(&mut self, place: Place) -> Option<&mut Line> {
        let key = self.items.get(&place)?.key.as_ref().filter(|_| self.ordered)?;
        self.lines.get_mut(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: Option<&str>) -> Item {
        Item {
            id: Uuid::nil(),
            key: key.map(Arc::from),
            kind: "k".into(),
            moment: 0,
            data: "{}".into(),
            read: Instant::now(),
            at: 0,
            tries: 0,
            base: 0,
            due: None,
        }
    }

    fn queue(ordered: bool, keys: &[Option<&str>], now: Instant) -> Queue {
        let mut queue = Queue::new(ordered);
        for (seq, key) in (1..).zip(keys) {
            queue.insert((0, seq), item(*key), now);
        }
        queue
    }

    #[test]
    fn one_of_each_key_is_sent_at_a_time() {
        let now = Instant::now();
        let mut queue = queue(true, &[Some("a"), Some("a"), Some("b"), None, None], now);
        let first: Vec<i64> = std::iter::from_fn(|| queue.next(now)).map(|place| place.1).collect();
        assert_eq!(first, [1, 3, 4, 5]);
        queue.release((0, 1), now);
        assert_eq!(queue.next(now), Some((0, 2)));
        queue.remove((0, 1), now);
        assert_eq!((queue.len(), queue.first(0), queue.next(now)), (4, Some(2), None));
    }

    #[test]
    fn the_rest_of_a_key_that_waits_makes_room() {
        let now = Instant::now();
        let mut keys = vec![Some("a"); 20];
        keys.extend([Some("b"); 20]);
        let mut queue = queue(true, &keys, now);
        assert_eq!((queue.next(now), queue.next(now)), (Some((0, 1)), Some((0, 21))));
        queue.wait((0, 1), now + Duration::from_secs(5), now);
        let mut dropped = queue.shorten(16, 100);
        dropped.sort();
        assert_eq!(dropped, [("a".into(), (0, 2)), ("b".into(), (0, 37))]);
        assert_eq!((queue.len(), queue.bytes()), (17, 34));
        let (a, b) = ("a".into(), "b".into());
        assert!(!queue.needs_more(&a, 8) && !queue.needs_more(&b, 8));
        queue.remove((0, 1), now);
        assert!(queue.needs_more(&a, 8));
    }

    #[test]
    fn messages_are_read_again_after_a_wait_and_before_a_retry() {
        let now = Instant::now();
        let mut queue = queue(false, &[None], now);
        let mut item = item(None);
        (item.kind, item.read) = (KIND.into(), now);
        queue.insert((0, 2), item, now);
        let is_stale = |queue: &Queue, seq, at| queue.get((0, seq)).is_some_and(|item| item.is_stale(at));
        queue.tried((0, 2));
        assert!(!is_stale(&queue, 2, now + FRESH) && is_stale(&queue, 2, now + FRESH * 2));
        queue.refresh((0, 2), "[1,2]".into(), now + FRESH * 2);
        assert_eq!(queue.bytes(), 7);
        assert!(!is_stale(&queue, 2, now + FRESH * 3));
        queue.tried((0, 2));
        assert!(is_stale(&queue, 2, now));
        // Events of readings never change.
        assert!(!is_stale(&queue, 1, now + FRESH * 9));
    }

    #[test]
    fn without_order_nothing_waits() {
        let now = Instant::now();
        let mut queue = queue(false, &[Some("a"), Some("a")], now);
        assert_eq!((queue.next(now), queue.next(now)), (Some((0, 1)), Some((0, 2))));
    }

    #[test]
    fn a_retry_holds_back_its_key_only() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let mut queue = queue(true, &[Some("a"), Some("a"), Some("b")], now);
        assert_eq!(queue.next(now), Some((0, 1)));
        queue.wait((0, 1), later, now);
        assert_eq!((queue.next(now), queue.next(now)), (Some((0, 3)), None));
        assert_eq!(queue.next_due(), Some(later));
        assert_eq!((queue.next(later), queue.next(later)), (Some((0, 1)), None));
        queue.remove((0, 1), later);
        assert_eq!(queue.next(later), Some((0, 2)));
    }

    #[test]
    fn live_deliveries_come_before_replays() {
        let now = Instant::now();
        let mut queue = Queue::new(true);
        for (place, key) in [((1, 1), "a"), ((1, 2), "b"), ((0, 9), "a"), ((0, 10), "a")] {
            queue.insert(place, item(Some(key)), now);
        }
        assert_eq!(queue.replays(), 2);
        // A replay that waits holds back nothing live.
        assert_eq!((queue.next(now), queue.next(now)), (Some((0, 9)), Some((1, 2))));
        queue.wait((1, 2), now + Duration::from_secs(9), now);
        queue.insert((0, 11), item(Some("b")), now);
        assert_eq!(queue.next(now), Some((0, 11)));
        queue.remove((0, 9), now);
        queue.remove((0, 10), now);
        assert_eq!((queue.next(now), queue.next(now)), (Some((1, 1)), None));
    }

    #[test]
    fn a_redrive_is_due_at_once() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        for ordered in [true, false] {
            let mut queue = queue(ordered, &[Some("a")], now);
            assert_eq!(queue.next(now), Some((0, 1)));
            queue.tried((0, 1));
            queue.redrive((0, 1), 2, now);
            assert_eq!(queue.next(now), None, "it is being sent");
            queue.wait((0, 1), later, now);
            queue.redrive((0, 1), 2, now);
            assert_eq!(queue.next(now), Some((0, 1)));
            queue.tried((0, 1));
            queue.wait((0, 1), later, now);
            queue.redrive((0, 1), 2, now);
            assert_eq!(queue.next(now), None, "it was followed before");
        }
    }
}
