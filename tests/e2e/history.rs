//! The history on the bus: kept while there is room, and trimmed for new events.

use crate::system::{LONG, System, retry_after};
use std::fmt::Write;
use testutil::{nats_url, poll};

/// Readings of one body.
const BODY: usize = 10_000;

/// A body with readings of its own.
fn body(number: usize) -> String {
    let mut lines = String::new();
    for at in number * BODY..(number + 1) * BODY {
        writeln!(
            lines,
            r#"{{"sensor":"speed","value":{at},"timestamp":"2024-05-{:02}T{:02}:{:02}:{:02}Z"}}"#,
            at / 86400 + 1,
            at / 3600 % 24,
            at / 60 % 60,
            at % 60
        )
        .unwrap();
    }
    lines
}

/// The stream behind a URL.
pub(crate) async fn stream(bus: &str) -> async_nats::jetstream::stream::Stream {
    let (server, name) = bus.rsplit_once('/').unwrap();
    let name = name.split('?').next().unwrap();
    let jetstream = async_nats::jetstream::new(async_nats::connect(server).await.unwrap());
    jetstream.get_stream(name.to_uppercase()).await.unwrap()
}

/// With the persistor down a small stream fills: 503, and all accepted readings stay. With it back, many
/// times the stream's limit goes through.
#[tokio::test]
async fn a_full_stream_loses_nothing_and_makes_room() {
    let bus = format!("{}?max_bytes=1048576", nats_url("full_history"));
    let mut system = System::over(testutil::database().await, bus, 0, &[]).await;
    let mut sent = 0;
    let accepted = loop {
        let response = system.upload(body(sent)).send().await.unwrap();
        if response.status() == 200 {
            sent += 1;
            continue;
        }
        assert_eq!(response.status(), 503);
        assert!(retry_after(&response) >= 1);
        let answer: serde_json::Value = response.json().await.unwrap();
        break answer["accepted"].as_u64().unwrap();
    };
    assert!((3..8).contains(&sent), "{sent} bodies fit");
    let persistor = system.persistor().start().await;
    system.persistors.push(persistor);
    let stored = sent * BODY + usize::try_from(accepted).unwrap();
    system.wait_for_rows(i64::try_from(stored).unwrap()).await;

    for number in sent..sent + 15 {
        poll(LONG, async || (system.post(body(number)).await.0 == 200).then_some(())).await;
    }
    system.wait_for_rows(i64::try_from((sent + 15) * BODY).unwrap()).await;
    let admin = system.persistors[0].address("admin").await;
    let metrics = system.http.get(format!("http://{admin}/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(
        !metrics.contains("persistor_history_trimmed_early_messages_total 0"),
        "{metrics}"
    );
    assert!(metrics.contains("persistor_stream_max_bytes 1048576"), "{metrics}");
    // Events younger than --history stay as long as there is room.
    assert!(
        metrics.contains("persistor_history_trimmed_messages_total 0"),
        "{metrics}"
    );
    assert!(stream(&system.bus).await.cached_info().state.bytes > 300_000);
}

#[tokio::test]
async fn history_past_its_time_goes() {
    let bus = nats_url("aged");
    let mut system = System::over(testutil::database().await, bus, 0, &[]).await;
    for number in 0..3 {
        assert_eq!(system.post(body(number)).await.0, 200);
    }
    let persistor = system.persistor().args(["--history", "10ms"]).start().await;
    system.persistors.push(persistor);
    system.wait_for_rows(3 * BODY as i64).await;
    poll(LONG, async || {
        let messages = stream(&system.bus).await.cached_info().state.messages;
        (messages == 0).then_some(())
    })
    .await;
    assert_eq!(system.post(body(3)).await.0, 200);
    system.wait_for_rows(4 * BODY as i64).await;
}

/// A consumer that is deleted while persistors work is made anew, and misses no message.
#[tokio::test]
async fn a_consumer_that_is_dropped() {
    let system = System::start(2).await;
    let stream = stream(&system.bus).await;
    for number in 0..8 {
        assert_eq!(system.post(body(number)).await.0, 200);
        assert_eq!(
            system
                .post(body(100 + number).lines().next().unwrap().to_owned())
                .await
                .0,
            200
        );
        // A missing consumer was not made again since the last deletion.
        for consumer in ["persistor_live", "persistor_bulk"] {
            let _deleted = stream.delete_consumer(consumer).await;
        }
    }
    system.wait_for_rows(8 * BODY as i64 + 8).await;
    for consumer in ["persistor_live", "persistor_bulk"] {
        poll(LONG, async || {
            let info = stream.consumer_info(consumer).await.ok()?;
            (info.num_pending == 0 && info.num_ack_pending == 0).then_some(())
        })
        .await;
    }
}
