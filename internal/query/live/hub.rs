//! What has changed, shared by all listeners: each thing once, in the order of its last change.

use super::event::Event;
use super::filter::Filter;
use super::position::Position;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::{Notify, watch};

/// Days, uploads and entries that are kept. A listener that is further behind goes on from the database.
pub(super) const NEWS: usize = 20_000;

/// Bytes that a listener gets at once, about.
const CHUNK: usize = 64 * 1024;

/// What has changed, and who listens.
#[derive(Debug)]
pub(super) struct Hub {
    state: RwLock<State>,
    /// The number of the last change.
    changed: watch::Sender<u64>,
    /// Notified when a client begins to listen.
    wanted: Notify,
}

#[derive(Debug, Default)]
struct State {
    listeners: usize,
    /// Counts how often everything was forgotten.
    generation: u64,
    /// Up to where the database was read; none until it was.
    position: Option<Position>,
    /// The number of the last change.
    last: u64,
    /// By the number of the change.
    events: BTreeMap<u64, Event>,
    /// The number of each thing's last change.
    places: HashMap<Arc<str>, u64>,
    /// The numbers of what is no latest value.
    news: BTreeSet<u64>,
    /// The number of the last event that was dropped for want of room.
    dropped: u64,
}

/// How far a listener is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    generation: u64,
    /// The last change when it began. Of those before, it gets latest values alone.
    began: u64,
    /// The last change that it got.
    sent: u64,
}

/// What a listener has not got yet, as much as goes at once.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    pub(super) events: Vec<Bytes>,
    /// Up to where the listener has everything; none while there is more.
    pub(super) position: Option<Position>,
}

/// A listener's place among those who listen, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Hub>);

impl Hub {
    pub(super) fn new() -> Self {
        Self {
            state: RwLock::default(),
            changed: watch::Sender::new(0),
            wanted: Notify::new(),
        }
    }

    /// Begins to listen.
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        self.write().listeners += 1;
        self.wanted.notify_one();
        Place(self.clone())
    }

    /// Waits until a client listens.
    pub(super) async fn wanted(&self) {
        while self.read().listeners == 0 {
            self.wanted.notified().await;
        }
    }

    /// Forgets everything where no client listens. Returns whether that is so.
    pub(super) fn release(&self) -> bool {
        let mut state = self.write();
        let is_alone = state.listeners == 0;
        if is_alone {
            state.forget();
        }
        is_alone
    }

    /// Tells of changes.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Where a new listener begins; none until the database was read.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        let state = self.read();
        state.position.as_ref().map(|_| Cursor {
            generation: state.generation,
            began: state.last,
            sent: 0,
        })
    }

    /// Up to where the database was read.
    pub(super) fn position(&self) -> Option<Position> {
        self.read().position.clone()
    }

    /// Takes all latest values, and the news since the position before; without these, listeners have to go on from
    /// the database.
    pub(super) fn begin(&self, position: Position, latest: Vec<Event>, news: Option<Vec<Event>>) {
        let mut state = self.write();
        match news {
            Some(news) if state.position.is_some() => state.put_all(news),
            _ => state.forget(),
        }
        state.put_all(latest);
        state.position = Some(position);
        self.changed.send_replace(state.last);
    }

    /// Takes what has changed up to a position.
    pub(super) fn add(&self, position: Position, events: Vec<Event>) {
        let mut state = self.write();
        let before = state.last;
        state.put_all(events);
        state.position = Some(position);
        if state.last != before {
            self.changed.send_replace(state.last);
        }
    }

    /// What a listener has not got yet. None: it is too far behind, or everything was forgotten.
    pub(super) fn unsent(&self, cursor: &mut Cursor, filter: &Filter) -> Option<Unsent> {
        let state = self.read();
        if cursor.generation != state.generation || state.dropped > cursor.sent.max(cursor.began) {
            return None;
        }
        let (mut unsent, mut bytes) = (Unsent::default(), 0);
        for (number, event) in state.events.range(cursor.sent + 1..) {
            let is_due = !event.is_news || *number > cursor.began;
            if is_due && filter.fits(event) {
                if bytes > 0 && bytes + event.text.len() > CHUNK {
                    return Some(unsent);
                }
                bytes += event.text.len();
                unsent.events.push(event.text.clone());
            }
            cursor.sent = *number;
        }
        cursor.sent = state.last;
        unsent.position.clone_from(&state.position);
        Some(unsent)
    }

    /// Up to where a listener has everything that happened; none if there is something that it has not got.
    pub(super) fn position_of(&self, cursor: &Cursor) -> Option<Position> {
        let state = self.read();
        let has_all = cursor.generation == state.generation && cursor.sent == state.last;
        state.position.clone().filter(|_| has_all)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self) {
        *self = Self {
            listeners: self.listeners,
            generation: self.generation + 1,
            ..Self::default()
        };
    }

    fn put_all(&mut self, events: Vec<Event>) {
        for event in events {
            self.put(event);
        }
    }

    fn put(&mut self, event: Event) {
        if let Some(place) = self.places.get(&event.key) {
            if self.events.get(place).is_some_and(|before| before.text == event.text) {
                return;
            }
            self.events.remove(place);
            self.news.remove(place);
        }
        self.last += 1;
        self.places.insert(event.key.clone(), self.last);
        if event.is_news {
            self.news.insert(self.last);
        }
        self.events.insert(self.last, event);
        while self.news.len() > NEWS {
            let Some(oldest) = self.news.pop_first() else { break };
            if let Some(event) = self.events.remove(&oldest) {
                self.places.remove(&event.key);
            }
            self.dropped = oldest;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.write().listeners -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Day, Latest};
    use super::*;
    use crate::words::{Device, Time};

    fn latest(device: &str, value: f64) -> Event {
        Latest::new(device, "speed", value, Time("2024-05-01T12:00:00Z".parse().unwrap())).event()
    }

    fn day(version: i64) -> Event {
        Day {
            device: "lada",
            day: "2024-05-01",
            version,
        }
        .event()
    }

    fn at(xmax: u64) -> Position {
        Position::parse(&format!("1-1-2-{xmax}:{xmax}:")).unwrap()
    }

    fn texts(unsent: &Unsent) -> Vec<String> {
        let text = |event: &Bytes| String::from_utf8(event.to_vec()).unwrap();
        unsent.events.iter().map(text).collect()
    }

    #[test]
    fn a_slow_listener_gets_the_last_of_each_thing() {
        let hub = Arc::new(Hub::new());
        let _place = hub.enter();
        assert!(hub.cursor().is_none());
        hub.begin(at(1), vec![latest("lada", 0.0), latest("niva", 0.0)], None);
        hub.add(at(2), vec![day(1)]);
        let mut cursor = hub.cursor().unwrap();
        // The day changed before; its state is no news.
        let all = hub.unsent(&mut cursor, &Filter::default()).unwrap();
        assert_eq!((all.events.len(), all.position), (2, Some(at(2))));
        for version in 2..100 {
            hub.add(
                at(u64::try_from(version).unwrap() + 1),
                vec![
                    latest("lada", 1.0 / f64::from(i32::try_from(version).unwrap())),
                    day(version),
                ],
            );
        }
        assert_eq!(hub.position_of(&cursor), None);
        let unsent = hub.unsent(&mut cursor, &Filter::default()).unwrap();
        let told = texts(&unsent);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].contains("\"version\":99"), "{told:?}");
        assert_eq!(unsent.position, Some(at(100)));
        // The same again is no change.
        let before = hub.watch();
        hub.add(at(101), vec![latest("niva", 0.0)]);
        assert!(!before.has_changed().unwrap());
        assert_eq!(hub.position_of(&cursor), Some(at(101)));
    }

    #[test]
    fn filters_hold_back_other_devices() {
        let hub = Arc::new(Hub::new());
        hub.begin(at(1), vec![latest("lada", 0.0), latest("niva", 0.0)], None);
        let mut cursor = hub.cursor().unwrap();
        let filter = Filter {
            devices: vec![Device::try_from("niva".to_owned()).unwrap()],
            sensors: Vec::new(),
        };
        let told = texts(&hub.unsent(&mut cursor, &filter).unwrap());
        assert!(told.len() == 1 && told[0].contains("niva"), "{told:?}");
    }

    #[test]
    fn a_listener_that_is_too_far_behind_has_to_go_on_from_the_database() {
        let hub = Arc::new(Hub::new());
        hub.begin(at(1), vec![latest("lada", 0.0)], None);
        let (mut slow, filter) = (hub.cursor().unwrap(), Filter::default());
        let days = |from: usize, to: usize| {
            (from..to)
                .map(|number| {
                    let device = format!("car{number}");
                    Day {
                        device: &device,
                        day: "2024-05-01",
                        version: 1,
                    }
                    .event()
                })
                .collect::<Vec<_>>()
        };
        hub.add(at(2), days(0, NEWS));
        let mut quick = hub.cursor().unwrap();
        hub.add(at(3), days(NEWS, NEWS + 1));
        assert!(hub.unsent(&mut slow, &filter).is_none());
        // Latest values stay.
        let told = texts(&hub.unsent(&mut quick, &filter).unwrap());
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(hub.release() && hub.unsent(&mut quick, &filter).is_none() && hub.cursor().is_none());
    }

    #[test]
    fn much_is_sent_in_pieces_and_only_the_last_has_a_position() {
        let hub = Arc::new(Hub::new());
        let many = (0..2000).map(|number| latest(&format!("car{number}"), 0.0)).collect();
        hub.begin(at(1), many, None);
        let mut cursor = hub.cursor().unwrap();
        let (mut pieces, mut events) = (0, 0);
        loop {
            let unsent = hub.unsent(&mut cursor, &Filter::default()).unwrap();
            let bytes: usize = unsent.events.iter().map(Bytes::len).sum();
            assert!(bytes <= CHUNK, "{bytes}");
            (pieces, events) = (pieces + 1, events + unsent.events.len());
            if unsent.position.is_some() {
                break;
            }
        }
        assert!(pieces > 1 && events == 2000, "{pieces} {events}");
    }
}
