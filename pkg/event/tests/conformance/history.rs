//! The history of a stream: only acknowledged events are trimmed.

use super::{DEADLINE, NAMES, event, next, writer};
use async_nats::jetstream::consumer::{DeliverPolicy, pull::Config};
use async_nats::jetstream::stream::Stream;
use event::{Error, HistoryTrimmer, Lane, Reader, Writer};
use futures_util::TryStreamExt;
use testutil::{nats_url, poll};

/// Times after all events, and before them.
const LATE: i64 = 4_000_000_000_000_000;
const EARLY: i64 = 1_000_000_000_000_000;

/// A bus with readers of both lanes.
struct Bus {
    url: String,
    writer: Writer,
    live: Reader,
    bulk: Reader,
    trimmer: HistoryTrimmer,
    stream: Stream,
}

impl Bus {
    async fn start(name: &str, parameters: &str) -> Self {
        let plain = nats_url(name);
        let (server, name) = plain.rsplit_once('/').unwrap();
        let url = format!("{plain}{parameters}");
        let writer = writer(&url).await;
        let mut live = Reader::open(&url, &NAMES, Lane::Live).await.unwrap();
        let mut bulk = Reader::open(&url, &NAMES, Lane::Bulk).await.unwrap();
        let trimmer = live.trimmer().unwrap();
        let jetstream = async_nats::jetstream::new(async_nats::connect(server).await.unwrap());
        let stream = jetstream.get_stream(name.to_uppercase()).await.unwrap();
        // Each makes its consumer with its first pull.
        for (lane, reader) in [(Lane::Live, &mut live), (Lane::Bulk, &mut bulk)] {
            writer.publish(lane, event("first", b"x")).await.unwrap();
            next(reader).await.ack().await;
        }
        Self {
            url,
            writer,
            live,
            bulk,
            trimmer,
            stream,
        }
    }

    async fn publish(&self, lane: Lane, number: usize, size: usize) -> Result<(), Error> {
        let event = event(&format!("{}-{number}", lane.name()), &vec![0; size]);
        self.writer.publish(lane, event).await
    }

    /// Acknowledges the next events of a lane.
    async fn handle(&mut self, lane: Lane, count: usize) {
        let reader = match lane {
            Lane::Live => &mut self.live,
            Lane::Bulk => &mut self.bulk,
        };
        for _ in 0..count {
            next(reader).await.ack().await;
        }
    }

    /// Waits for a number of unacknowledged events: the client does not wait for acknowledgements to arrive.
    async fn unacknowledged(&self, count: u64) {
        poll(DEADLINE, async || {
            (self.trimmer.fill_level().await.ok()?.unacknowledged == Some(count)).then_some(())
        })
        .await;
    }

    /// The events left in each lane.
    async fn left(&self) -> Vec<String> {
        let mut stream = self.stream.clone();
        let messages = stream.info().await.unwrap().state.messages;
        let mut history = Reader::history(&self.url, &NAMES, None).await.unwrap();
        let mut left = Vec::new();
        for _ in 0..messages {
            left.push(next(&mut history).await.event.id.clone());
        }
        history.end().await;
        left
    }
}

fn ids(lane: Lane, numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.map(|number| format!("{}-{number}", lane.name())).collect()
}

#[tokio::test]
async fn only_what_was_acknowledged_is_trimmed() {
    let mut bus = Bus::start("trim", "").await;
    for number in 0..6 {
        bus.publish(Lane::Live, number, 10).await.unwrap();
        bus.publish(Lane::Bulk, number, 10).await.unwrap();
    }
    bus.handle(Lane::Live, 4).await;
    // Out of order: the first event is still in work.
    let _first = next(&mut bus.bulk).await;
    bus.handle(Lane::Bulk, 3).await;
    bus.unacknowledged(2 + 3).await;
    assert_eq!(bus.trimmer.trim_before(EARLY).await.unwrap(), 0, "all of it is young");
    // The two events that made the consumers, and four.
    assert_eq!(bus.trimmer.trim_before(LATE).await.unwrap(), 6);
    let mut left = bus.left().await;
    left.sort();
    assert_eq!(left, [ids(Lane::Bulk, 0..6), ids(Lane::Live, 4..6)].concat());
    // The rest comes, and is trimmed afterwards.
    bus.handle(Lane::Live, 2).await;
    bus.handle(Lane::Bulk, 2).await;
    bus.unacknowledged(1).await;
    assert_eq!(bus.trimmer.trim_before(LATE).await.unwrap(), 2);
    assert_eq!(bus.left().await.len(), 6);
}

/// Events of a history stay until its reader has read them, acknowledged or not.
#[tokio::test]
async fn what_is_read_again_stays() {
    let mut bus = Bus::start("read_again", "").await;
    for number in 0..6 {
        bus.publish(Lane::Live, number, 10).await.unwrap();
        bus.publish(Lane::Bulk, number, 10).await.unwrap();
    }
    bus.handle(Lane::Live, 6).await;
    bus.handle(Lane::Bulk, 6).await;
    bus.unacknowledged(0).await;
    let mut history = Reader::history(&bus.url, &NAMES, None).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..5 {
        let mut delivery = next(&mut history).await;
        seen.push(delivery.event.id.clone());
        delivery.ack().await;
    }
    // The client does not wait for acknowledgements to arrive.
    let reached = async {
        while history.backlog().await.unwrap() != 9 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, reached).await.unwrap();
    assert_eq!(bus.trimmer.trim_before(LATE).await.unwrap(), 5, "what was read");
    assert_eq!(bus.trimmer.trim_before(LATE).await.unwrap(), 0);
    for _ in 0..9 {
        let mut delivery = next(&mut history).await;
        seen.push(delivery.event.id.clone());
        delivery.ack().await;
    }
    let mut all = [ids(Lane::Live, 0..6), ids(Lane::Bulk, 0..6)].concat();
    all.extend(["first".to_owned(), "first".to_owned()]);
    all.sort();
    seen.sort();
    assert_eq!(seen, all);
    // From here on no history reader holds events back.
    history.end().await;
    bus.publish(Lane::Live, 6, 10).await.unwrap();
    bus.handle(Lane::Live, 1).await;
    bus.unacknowledged(0).await;
    assert_eq!(bus.trimmer.trim_before(LATE).await.unwrap(), 10);
}

/// Once the bus has forgotten a history reader, it trims its events; reading on would skip them, and is
/// refused.
#[tokio::test]
async fn a_reader_that_was_forgotten_is_told() {
    let mut bus = Bus::start("forgotten", "").await;
    let mut history = Reader::history(&bus.url, &NAMES, None).await.unwrap();
    next(&mut history).await.ack().await;
    next(&mut history).await;
    let names: Vec<String> = bus.stream.consumer_names().try_collect().await.unwrap();
    for name in names.iter().filter(|name| name.starts_with("history_")) {
        bus.stream.delete_consumer(name).await.unwrap();
    }
    bus.publish(Lane::Live, 0, 10).await.unwrap();
    bus.handle(Lane::Live, 1).await;
    let told = async {
        loop {
            match history.next(event::MIN_ROOM).await {
                Err(Error::Refused(reason)) => return reason,
                Err(Error::Unavailable(_)) => tokio::task::yield_now().await,
                other => panic!("{:?}", other.map(|delivery| delivery.event)),
            }
        }
    };
    let told = tokio::time::timeout(DEADLINE, told).await.unwrap();
    assert!(told.contains("start again"), "{told}");
}

/// Events published while a history is read are not part of it: else the reading would never end.
#[tokio::test]
async fn a_history_ends_with_what_was_there_when_it_began() {
    let bus = Bus::start("goes_on", "").await;
    for number in 0..5 {
        bus.publish(Lane::Live, number, 10).await.unwrap();
    }
    let mut history = Reader::history(&bus.url, &NAMES, None).await.unwrap();
    let mut first = next(&mut history).await;
    let publishing = {
        let writer = bus.writer.clone();
        tokio::spawn(async move {
            loop {
                writer.publish(Lane::Bulk, event("late", b"x")).await.unwrap();
            }
        })
    };
    first.ack().await;
    let reading = async {
        let mut seen = Vec::new();
        loop {
            tokio::select! {
                biased;
                next = next(&mut history) => {
                    let mut delivery = next;
                    delivery.ack().await;
                    seen.push(delivery.event.id.clone());
                }
                () = tokio::time::sleep(std::time::Duration::from_millis(10)) => {
                    if history.backlog().await.unwrap() == 0 {
                        return seen;
                    }
                }
            }
        }
    };
    let seen = tokio::time::timeout(DEADLINE, reading)
        .await
        .expect("it goes on and on");
    assert!(!publishing.is_finished());
    publishing.abort();
    let expected = [vec!["first".to_owned()], ids(Lane::Live, 0..5)].concat();
    assert_eq!(seen, expected);
    history.end().await;
}

/// The floor of an idle lane stands still, and delays no trimming.
#[tokio::test]
async fn an_idle_lane_holds_nothing_up() {
    let mut bus = Bus::start("idle", "").await;
    for number in 0..20 {
        bus.publish(Lane::Bulk, number, 10).await.unwrap();
    }
    bus.handle(Lane::Bulk, 20).await;
    bus.unacknowledged(0).await;
    assert_eq!(bus.trimmer.trim_before(LATE).await.unwrap(), 22);
    // Later events of that lane do not count as acknowledged.
    bus.publish(Lane::Live, 0, 10).await.unwrap();
    bus.publish(Lane::Bulk, 20, 10).await.unwrap();
    bus.handle(Lane::Bulk, 1).await;
    bus.unacknowledged(1).await;
    assert_eq!(bus.trimmer.trim_before(LATE).await.unwrap(), 1);
    assert_eq!(next(&mut bus.live).await.event.id, "live-0");
}

/// Without a consumer, no event counts as acknowledged; a new one begins with all events.
#[tokio::test]
async fn a_consumer_that_was_dropped_is_not_one_that_has_acknowledged_everything() {
    let mut bus = Bus::start("dropped", "").await;
    for number in 0..5 {
        bus.publish(Lane::Live, number, 10).await.unwrap();
    }
    bus.handle(Lane::Live, 5).await;
    bus.unacknowledged(0).await;
    bus.stream.delete_consumer("reader_live").await.unwrap();
    assert_eq!(bus.trimmer.fill_level().await.unwrap().unacknowledged, None);
    assert_eq!(bus.trimmer.trim_before(LATE).await.unwrap(), 0);

    // A consumer that begins with new events is refused.
    let name = bus.stream.cached_info().config.subjects[0].clone();
    let wrong = Config {
        durable_name: Some("reader_live".into()),
        filter_subject: name,
        deliver_policy: DeliverPolicy::New,
        ..Config::default()
    };
    bus.stream.create_consumer(wrong).await.unwrap();
    assert!(matches!(bus.trimmer.trim_before(LATE).await, Err(Error::Refused(_))));
    bus.stream.delete_consumer("reader_live").await.unwrap();

    // The reader makes the consumer anew, and gets all events again.
    let again = next(&mut bus.live).await;
    assert_eq!(again.event.id, "first");
    assert_eq!(bus.trimmer.trim_before(LATE).await.unwrap(), 1, "the other lane's");
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(next(&mut bus.live).await.event.id.clone());
    }
    assert_eq!(seen, ids(Lane::Live, 0..5));
}

#[tokio::test]
async fn the_oldest_history_makes_room() {
    let mut bus = Bus::start("room", "?max_bytes=1000000").await;
    let mut published = 0;
    while !bus.trimmer.fill_level().await.unwrap().nearly_full {
        assert_eq!(bus.trimmer.make_room().await.unwrap(), 0, "it is not nearly_full yet");
        bus.publish(Lane::Live, published, 10_000).await.unwrap();
        bus.publish(Lane::Bulk, published, 1_000).await.unwrap();
        published += 1;
    }
    let before = bus.trimmer.fill_level().await.unwrap();
    assert!((800_000..900_000).contains(&before.bytes), "{before:?}");
    assert_eq!(before.max_bytes, Some(1_000_000));
    // Only the first event of each lane is acknowledged, so no other can be trimmed.
    assert_eq!(bus.trimmer.make_room().await.unwrap(), 2, "the first of both lanes");
    while bus.publish(Lane::Live, published, 10_000).await.is_ok() {
        published += 1;
    }
    assert_eq!(bus.trimmer.make_room().await.unwrap(), 0);
    bus.handle(Lane::Live, published / 2).await;
    let left = u64::try_from(published - published / 2).unwrap();
    poll(DEADLINE, async || {
        // The newer half of the acknowledged events stays for a rebuild.
        let trimmed = bus.trimmer.make_room().await.unwrap();
        (trimmed > 0).then_some(())
    })
    .await;
    let after = bus.trimmer.fill_level().await.unwrap();
    assert!(!after.nearly_full && after.bytes > 300_000, "{after:?}");
    assert!(bus.publish(Lane::Live, published, 10_000).await.is_ok());
    // All unacknowledged events come.
    for number in (published / 2)..=published {
        assert_eq!(next(&mut bus.live).await.event.id, format!("live-{number}"));
    }
    assert!(after.unacknowledged.unwrap() >= left);
}
