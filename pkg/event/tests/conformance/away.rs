//! A lost server: acknowledgements to it do not block.

use super::{DEADLINE, NAMES, event, next, writer};
use event::{Delivery, Lane, Reader};
use testutil::{Nats, nats};

/// More than the client queues while it has no connection.
const MANY: usize = 1500;

/// Acknowledgements to a lost server are given up, and their events come again.
#[tokio::test]
async fn acknowledgements_wait_for_no_server() {
    let mut nats = Nats::start(nats::Options::default()).await;
    let url = format!("{}/events", nats.url());
    let writer = writer(&url).await;
    for chunk in 0..MANY / 100 {
        let publishing = (0..100).map(|number| {
            let event = event(&format!("{}", chunk * 100 + number), b"x");
            writer.publish(Lane::Live, event)
        });
        futures_util::future::try_join_all(publishing).await.unwrap();
    }
    let mut reader = Reader::open(&url, &NAMES, Lane::Live).await.unwrap();
    let mut held = Vec::new();
    while held.len() < MANY {
        held.push(next(&mut reader).await);
    }
    nats.kill9().await;
    let telling = async {
        Delivery::progress_all(&held).await;
        Delivery::ack_all(&mut held).await;
        let mut reader = Reader::open(&url, &NAMES, Lane::Live).await.unwrap();
        Delivery::release_all(reader.taken()).await;
        reader.end().await;
    };
    tokio::time::timeout(DEADLINE, telling)
        .await
        .expect("it waits for the server");
    drop(held);
    nats.restart().await;
    next(&mut reader).await.ack().await;
}
