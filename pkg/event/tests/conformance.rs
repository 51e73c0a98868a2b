//! One conformance suite for every backend, and tests of wrong streams on NATS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "conformance/away.rs"]
mod away;
#[path = "conformance/history.rs"]
mod history;

use event::{Error, Event, Lane, MIN_ROOM, Names, Reader, Writer};
use std::collections::BTreeSet;
use std::time::Duration;
use testutil::{nats_url, poll, unique};

const DEADLINE: Duration = Duration::from_secs(60);

const NAMES: Names = Names {
    program: "test",
    reader: "reader",
    stream: "Events of a test",
    spare: "Events of a test without a leader",
    consumer: "Handles events of a test",
};

fn event(id: &str, payload: &[u8]) -> Event {
    Event {
        id: id.into(),
        kind: "test.v1".into(),
        source: "/test".into(),
        payload: payload.to_vec().into(),
    }
}

/// A ready writer, with its task running.
async fn writer(url: &str) -> Writer {
    let writer = Writer::open(url, &NAMES).await.unwrap();
    let running = writer.clone();
    let (ready, mut wait) = tokio::sync::watch::channel(false);
    tokio::spawn(async move { running.run(|now| _ = ready.send_replace(now)).await });
    tokio::time::timeout(DEADLINE, wait.wait_for(|ready| *ready))
        .await
        .unwrap()
        .unwrap();
    writer
}

async fn next(reader: &mut Reader) -> event::Delivery {
    let next = async {
        loop {
            match reader.next(MIN_ROOM).await {
                Ok(delivery) => return delivery,
                Err(Error::Unavailable(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(DEADLINE, next).await.expect("nothing came")
}

/// The conformance suite.
async fn suite(url: &str) {
    let writer = writer(url).await;
    let mut reader = Reader::open(url, &NAMES, Lane::Live).await.unwrap();

    // An event comes as it was published, and publishing succeeds once it is stored or handled.
    let sent = event("1", b"payload");
    let publishing = tokio::spawn({
        let (writer, sent) = (writer.clone(), sent.clone());
        async move { writer.publish(Lane::Live, sent).await }
    });
    let mut delivery = next(&mut reader).await;
    assert_eq!(delivery.event, sent);
    event::Delivery::progress_all(std::slice::from_ref(&delivery)).await;
    delivery.ack().await;
    publishing.await.unwrap().unwrap();

    // The largest payload fits, and an empty one.
    for payload in [vec![7; event::MAX_PAYLOAD], Vec::new()] {
        let publishing = tokio::spawn({
            let (writer, event) = (writer.clone(), event("large", &payload));
            async move { writer.publish(Lane::Live, event).await }
        });
        let mut delivery = next(&mut reader).await;
        assert_eq!(delivery.event.payload.len(), payload.len());
        delivery.ack().await;
        publishing.await.unwrap().unwrap();
    }

    // An unacknowledged event is not lost: it comes again, or its publisher gets an error and
    // publishes it again.
    let publishing = tokio::spawn({
        let writer = writer.clone();
        async move { while writer.publish(Lane::Live, event("again", b"x")).await.is_err() {} }
    });
    event::Delivery::release_all(vec![next(&mut reader).await]).await;
    let mut again = next(&mut reader).await;
    assert_eq!(again.event.id, "again");
    again.ack().await;
    publishing.await.unwrap();

    // Many publishers at once, two readers: each event comes to one of them.
    let publishing: Vec<_> = (0..200)
        .map(|number| {
            let writer = writer.clone();
            tokio::spawn(async move { writer.publish(Lane::Live, event(&format!("many-{number}"), b"x")).await })
        })
        .collect();
    let mut other = Reader::open(url, &NAMES, Lane::Live).await.unwrap();
    let mut seen = BTreeSet::new();
    for number in 0..200 {
        let mut delivery = if number % 2 == 0 {
            next(&mut reader).await
        } else {
            next_of(&mut reader, &mut other).await
        };
        assert!(
            seen.insert(delivery.event.id.clone()),
            "{:?} came twice",
            delivery.event
        );
        delivery.ack().await;
    }
    for published in publishing {
        published.await.unwrap().unwrap();
    }

    // Lanes do not wait for each other: events of one lane overtake those of the other.
    let lying: Vec<_> = (0..50)
        .map(|number| {
            let writer = writer.clone();
            tokio::spawn(async move { writer.publish(Lane::Bulk, event(&format!("bulk-{number}"), b"x")).await })
        })
        .collect();
    let publishing = tokio::spawn({
        let writer = writer.clone();
        async move { writer.publish(Lane::Live, event("quick", b"x")).await }
    });
    let mut delivery = next(&mut reader).await;
    assert_eq!(delivery.event.id, "quick");
    delivery.ack().await;
    publishing.await.unwrap().unwrap();
    let mut bulk = Reader::open(url, &NAMES, Lane::Bulk).await.unwrap();
    for _ in 0..lying.len() {
        let mut delivery = next(&mut bulk).await;
        assert!(delivery.event.id.starts_with("bulk-"), "{:?}", delivery.event);
        delivery.ack().await;
    }
    for published in lying {
        published.await.unwrap().unwrap();
    }
}

async fn next_of(one: &mut Reader, other: &mut Reader) -> event::Delivery {
    let both = async {
        loop {
            let next = tokio::select! {
                next = one.next(MIN_ROOM) => next,
                next = other.next(MIN_ROOM) => next,
            };
            match next {
                Ok(delivery) => return delivery,
                Err(Error::Unavailable(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(DEADLINE, both).await.expect("nothing came")
}

#[tokio::test]
async fn memory() {
    suite(&format!("memory://{}", unique("memory"))).await;
}

#[tokio::test]
async fn nats() {
    suite(&nats_url("suite")).await;
}

/// An event without an id gets its place as id, each time it is read; a redriven event has its mark.
#[tokio::test]
async fn nats_tells_copies_of_an_event_apart() {
    let url = nats_url("copies");
    let (server, name) = url.rsplit_once('/').unwrap();
    let writer = writer(&url).await;
    let client = async_nats::connect(server).await.unwrap();
    for _ in 0..2 {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Who", "a stranger");
        headers.insert("Nats-Expected-Stream", name.to_uppercase());
        client
            .publish_with_headers(format!("{name}.live"), headers, "junk".into())
            .await
            .unwrap();
    }
    client.flush().await.unwrap();
    let mut reader = Reader::open(&url, &NAMES, Lane::Live).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut delivery = next(&mut reader).await;
        assert_eq!(delivery.headers(), [("Who".to_owned(), "a stranger".to_owned())]);
        assert_eq!(delivery.mark(), "");
        ids.push(delivery.event.id.clone());
        delivery.ack().await;
    }
    assert_ne!(ids[0], ids[1]);
    let mut history = Reader::history(&url, &NAMES, None).await.unwrap();
    for id in &ids {
        assert_eq!(next(&mut history).await.event.id, *id);
    }
    let headers = [("Who".to_owned(), "a stranger".to_owned())];
    writer
        .publish_again(Lane::Live, event("1", b"x"), "17", &headers)
        .await
        .unwrap();
    let delivery = next(&mut reader).await;
    assert_eq!((delivery.event.id.as_str(), delivery.mark().as_str()), ("1", "17"));
    assert_eq!(delivery.headers(), headers);
}

/// Dead letters of earlier versions are read in order and deleted on request. No program makes their stream.
#[tokio::test]
async fn nats_dead_letters_of_earlier_versions() {
    const HOUR: i64 = 3_600_000_000;
    let url = nats_url("left");
    let (server, name) = url.rsplit_once('/').unwrap();
    let writer = writer(&url).await;
    let left = Reader::open(&url, &NAMES, Lane::Live)
        .await
        .unwrap()
        .dead_letters()
        .unwrap();
    let oldest = async |bytes| poll(DEADLINE, async || left.oldest(bytes).await.ok()).await;
    assert!(oldest(1000).await.is_none(), "it was made");
    left.delete_up_to(5).await.unwrap();

    let jetstream = async_nats::jetstream::new(async_nats::connect(server).await.unwrap());
    let mut stream = jetstream
        .create_stream(async_nats::jetstream::stream::Config {
            name: format!("{}_DEAD", name.to_uppercase()),
            subjects: vec![format!("{name}_dead.>")],
            ..Default::default()
        })
        .await
        .unwrap();
    assert_eq!(oldest(1000).await.unwrap().len(), 0);
    // A dead letter whose writer's clock was ahead of the server's.
    let latest = writer.latest_moment().await.unwrap().unwrap();
    for number in 0..5 {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("ce-id", number.to_string());
        headers.insert("ce-type", "test.v1");
        headers.insert("test-reason", "because of this");
        headers.insert("test-buried", (latest + 2 * HOUR * (number % 2)).to_string());
        if number == 0 {
            headers.insert("test-lane", "live");
            headers.insert("test-cut-from", "2000000");
            headers.insert("who", "a stranger");
        }
        let subject = format!("{name}_dead.{}", if number == 0 { "letters" } else { "lines" });
        let sent = jetstream.publish_with_headers(subject, headers, "x".into()).await;
        sent.unwrap().await.unwrap();
    }
    let found = oldest(1000).await.unwrap();
    assert_eq!(found.len(), 2, "as many as come to so many bytes");
    let (first, second) = (&found[0], &found[1]);
    assert_eq!(
        (first.number, first.lane, first.cut_from),
        (1, Some(Lane::Live), Some(2_000_000))
    );
    assert_eq!((&*first.event.id, &*first.event.kind), ("0", "test.v1"));
    assert_eq!(
        (&*first.reason, &first.event.payload[..]),
        ("because of this", &b"x"[..])
    );
    assert_eq!(first.headers, [("who".to_owned(), "a stranger".to_owned())]);
    assert!((latest - HOUR..latest + HOUR).contains(&first.since), "{first:?}");
    assert_eq!((second.lane, second.since), (None, latest + 2 * HOUR));
    // Two readers delete at once.
    left.delete_up_to(2).await.unwrap();
    left.delete_up_to(1).await.unwrap();
    let rest = oldest(1).await.unwrap();
    assert_eq!((rest.len(), &*rest[0].event.id), (1, "2"));
    left.delete_up_to(5).await.unwrap();
    assert_eq!(oldest(1).await.unwrap().len(), 0);
    assert_eq!(stream.info().await.unwrap().state.messages, 0);
}

/// A history reader gets the events of both lanes and takes none from lane readers.
#[tokio::test]
async fn nats_history_is_read_again() {
    let url = nats_url("history");
    let writer = writer(&url).await;
    let mut reader = Reader::open(&url, &NAMES, Lane::Live).await.unwrap();
    for number in 0..3 {
        writer
            .publish(Lane::Live, event(&format!("live-{number}"), b"x"))
            .await
            .unwrap();
        writer
            .publish(Lane::Bulk, event(&format!("bulk-{number}"), b"x"))
            .await
            .unwrap();
    }
    for _ in 0..2 {
        next(&mut reader).await.ack().await;
    }
    let mut history = Reader::history(&url, &NAMES, None).await.unwrap();
    let mut seen = BTreeSet::new();
    for left in (0..6).rev() {
        let mut delivery = next(&mut history).await;
        seen.insert(delivery.event.id.clone());
        delivery.ack().await;
        // The client does not wait for acknowledgements to arrive.
        let reached = async {
            while history.backlog().await.unwrap() != left {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, reached).await.unwrap();
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert_eq!(next(&mut reader).await.event.id, "live-2");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let later = i64::try_from(now.as_micros()).unwrap() + 1;
    writer.publish(Lane::Bulk, event("late", b"x")).await.unwrap();
    let mut history = Reader::history(&url, &NAMES, Some(later)).await.unwrap();
    assert_eq!(next(&mut history).await.event.id, "late");
    assert!(matches!(
        Reader::history("memory://x", &NAMES, None).await,
        Err(Error::Url(_))
    ));
}

/// A stream that would lose events is refused by name; other differences are accepted.
#[tokio::test]
async fn nats_streams_that_would_lose_events() {
    use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
    let right = |name: &str| Config {
        name: name.to_uppercase(),
        subjects: vec![format!("{name}.live"), format!("{name}.bulk")],
        discard: DiscardPolicy::New,
        max_bytes: 1 << 20,
        ..Config::default()
    };
    type Change = fn(&mut Config);
    let cases: [(&str, Option<&str>, Change); 6] = [
        ("fine", None, |_| ()),
        ("discard", Some("discard: old"), |config| {
            config.discard = DiscardPolicy::Old;
        }),
        ("age", Some("max_age"), |config| {
            config.max_age = Duration::from_secs(3600);
        }),
        ("storage", Some("memory storage"), |config| {
            config.storage = StorageType::Memory;
        }),
        ("per_subject", Some("max_msgs_per_subject"), |config| {
            config.max_messages_per_subject = 2;
        }),
        ("subjects", Some("subjects"), |config| {
            config.subjects = vec![format!("{}.>", config.name.to_lowercase())];
        }),
    ];
    for (case, word, change) in cases {
        let url = nats_url(case);
        let (server, name) = url.rsplit_once('/').unwrap();
        let jetstream = async_nats::jetstream::new(async_nats::connect(server).await.unwrap());
        let mut config = right(&name.to_lowercase());
        change(&mut config);
        jetstream.create_stream(config).await.unwrap();
        let writer = Writer::open(&url, &NAMES).await.unwrap();
        let (ready, mut wait) = tokio::sync::watch::channel(false);
        let running = writer.run(|now| _ = ready.send_replace(now));
        let ended = tokio::select! {
            ended = running => Some(ended),
            _ = wait.wait_for(|ready| *ready) => None,
        };
        match (word, ended) {
            (None, None) => {}
            (Some(word), Some(Err(Error::Refused(reason)))) => {
                assert!(
                    reason.contains(word) && reason.contains(&name.to_uppercase()),
                    "{case}: {reason}"
                );
            }
            (_, ended) => panic!("{case}: {ended:?}"),
        }
    }
}

/// A deleted stream and a deleted consumer are made again.
#[tokio::test]
async fn nats_streams_that_vanish_are_made_again() {
    let url = nats_url("vanish");
    let (server, name) = url.rsplit_once('/').unwrap();
    let writer = writer(&url).await;
    let mut reader = Reader::open(&url, &NAMES, Lane::Live).await.unwrap();
    writer.publish(Lane::Live, event("1", b"x")).await.unwrap();
    next(&mut reader).await.ack().await;
    let jetstream = async_nats::jetstream::new(async_nats::connect(server).await.unwrap());
    jetstream.delete_stream(name.to_uppercase()).await.unwrap();
    poll(DEADLINE, async || {
        writer.publish(Lane::Live, event("2", b"x")).await.ok()
    })
    .await;
    assert_eq!(next(&mut reader).await.event.id, "2");
}

/// A full stream refuses new events and keeps the stored ones.
#[tokio::test]
async fn nats_that_is_full_says_so() {
    let url = format!("{}?max_bytes=100000", nats_url("full"));
    let writer = writer(&url).await;
    let mut stored = 0;
    let refused = loop {
        match writer
            .publish(Lane::Live, event(&stored.to_string(), &[0; 10_000]))
            .await
        {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(refused, Error::Unavailable(_)) && (5..10).contains(&stored),
        "{stored}: {refused}"
    );
    let mut reader = Reader::open(&url, &NAMES, Lane::Live).await.unwrap();
    for number in 0..stored {
        let mut delivery = next(&mut reader).await;
        assert_eq!(delivery.event.id, number.to_string());
        delivery.ack().await;
    }
}

/// A consumer that would skip messages is refused; a right one is accepted.
#[tokio::test]
async fn nats_consumers_that_would_pass_over_messages() {
    use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull::Config};
    type Change = fn(&mut Config, &str);
    let cases: [(Option<&str>, Change); 5] = [
        (None, |_, _| ()),
        (Some("filter"), |config, name| {
            config.filter_subject = format!("{name}.other");
        }),
        (Some("first message"), |config, _| {
            config.deliver_policy = DeliverPolicy::New;
        }),
        (Some("max_deliver"), |config, _| config.max_deliver = 3),
        (Some("explicitly"), |config, _| config.ack_policy = AckPolicy::None),
    ];
    for (word, change) in cases {
        let url = nats_url("consumer");
        let (server, name) = url.rsplit_once('/').unwrap();
        let _writer = writer(&url).await;
        let jetstream = async_nats::jetstream::new(async_nats::connect(server).await.unwrap());
        let stream = jetstream.get_stream(name.to_uppercase()).await.unwrap();
        let mut config = Config {
            durable_name: Some("reader_live".into()),
            filter_subject: format!("{name}.live"),
            max_deliver: -1,
            ..Config::default()
        };
        change(&mut config, name);
        stream.create_consumer(config).await.unwrap();
        let mut reader = Reader::open(&url, &NAMES, Lane::Live).await.unwrap();
        let refused = tokio::time::timeout(DEADLINE, async {
            loop {
                match tokio::time::timeout(Duration::from_secs(1), reader.next(MIN_ROOM)).await {
                    Ok(Err(Error::Refused(reason))) => break Some(reason),
                    Ok(_) => tokio::task::yield_now().await,
                    // It waits for a message.
                    Err(_) => break None,
                }
            }
        });
        match (word, refused.await.unwrap()) {
            (None, None) => {}
            (Some(word), Some(reason)) => assert!(reason.contains(word), "{word}: {reason}"),
            (word, refused) => panic!("{word:?}: {refused:?}"),
        }
    }
}
