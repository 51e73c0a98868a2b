//! Senders that end in the middle, and their successors.

use super::endpoint::{Endpoint, Say};
use super::fixture::{Fixture, LONG, term};
use std::collections::{BTreeMap, BTreeSet};
use testutil::poll;

#[tokio::test]
async fn a_killed_sender_loses_nothing() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|count, _| Say::Status(if count % 10 == 9 { 500 } else { 200 })).await;
    let hot = fixture
        .subscribe(
            "hot",
            &endpoint.url,
            &[("retries", "array_fill(interval '20 ms', ARRAY[20])")],
        )
        .await;
    fixture.deliver(hot, 0, (1, 600), "'key-' || n % 20").await;
    for number in 1..4 {
        let running = fixture.run(number).await;
        let enough = usize::try_from(number).unwrap() * 120;
        poll(LONG, || async { (endpoint.seen().len() >= enough).then_some(()) }).await;
        running.kill().await;
    }
    // What was recorded as delivered is not sent again.
    let rows = fixture
        .query("SELECT seq FROM attempt WHERE outcome = 'delivered'")
        .await;
    let ended: BTreeSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    let mut running = fixture.run(9).await;
    poll(LONG, || async {
        let ended = fixture
            .query("SELECT DISTINCT seq FROM attempt WHERE outcome = 'delivered'")
            .await;
        (ended.len() == 600).then_some(())
    })
    .await;
    running.stopped().await;
    let seen = endpoint.seen();
    // A request that a killed sender had begun may still come, so the tries of this one are asked.
    let rows = fixture.query("SELECT seq FROM attempt WHERE number = 9").await;
    assert!(!rows.is_empty() && rows.iter().all(|row| !ended.contains(&row.get(0))));
    let mut ids: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for seen in &seen {
        ids.entry(seen.seq()).or_default().insert(seen.id());
    }
    assert_eq!(ids.len(), 600);
    let rows = fixture.query("SELECT seq, id FROM delivery").await;
    let known: BTreeMap<i64, uuid::Uuid> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(
        ids.iter()
            .all(|(seq, ids)| ids.len() == 1 && ids.contains(&known[seq].to_string()))
    );
    let rows = fixture
        .query("SELECT upto FROM progress WHERE lane = 0 AND number = 9")
        .await;
    assert_eq!(rows[0].get::<_, i64>(0), 600);
}

#[tokio::test]
async fn without_a_term_nothing_is_sent_or_written() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|count, _| if count == 0 { Say::Hang } else { Say::Status(200) }).await;
    let hot = fixture.subscribe("hot", &endpoint.url, &[]).await;
    fixture.deliver(hot, 0, (1, 3), "'lada'").await;
    let running = fixture.run(1).await;
    poll(LONG, || async { (endpoint.at_once() == 1).then_some(()) }).await;
    running.term.send_replace(None);
    // The try on its way is dropped: its endpoint sees the connection end.
    poll(LONG, || async { (running.metrics.in_flight() == 0).then_some(()) }).await;
    endpoint.open();
    assert_eq!((endpoint.seen().len(), fixture.count("delivered").await), (1, 0));
    running.term.send_replace(term(7));
    fixture.until("delivered", 3).await;
    assert_eq!(endpoint.seqs(), [1, 1, 2, 3]);
    let rows = fixture.query("SELECT DISTINCT number FROM attempt").await;
    assert_eq!(rows[0].get::<_, i64>(0), 7);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_on_its_way() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|_, _| Say::Hang).await;
    let hot = fixture.subscribe("hot", &endpoint.url, &[]).await;
    fixture.deliver(hot, 0, (1, 3), "'lada'").await;
    let mut running = fixture.run(1).await;
    poll(LONG, || async { (endpoint.at_once() == 1).then_some(()) }).await;
    running.stop.cancel();
    endpoint.open();
    running.stopped().await;
    assert_eq!((fixture.count("delivered").await, endpoint.seen().len()), (1, 1));
    let rows = fixture.query("SELECT upto FROM progress").await;
    assert_eq!(rows[0].get::<_, i64>(0), 1);

    // Past the drain, it is dropped.
    let hanging = Endpoint::new(|_, _| Say::Hang).await;
    let cold = fixture.subscribe("cold", &hanging.url, &[]).await;
    fixture.deliver(cold, 0, (1, 1), "'lada'").await;
    let mut running = fixture.run(2).await;
    poll(LONG, || async { (hanging.at_once() == 1).then_some(()) }).await;
    running.drain.cancel();
    running.stopped().await;
    let rows = fixture
        .query(&format!("SELECT FROM attempt WHERE subscription = '{cold}'"))
        .await;
    assert!(rows.is_empty());
}

/// The next try of what failed would be hours later.
#[tokio::test]
async fn a_corrected_target_gets_at_once_what_failed() {
    let fixture = Fixture::new().await;
    let (wrong, right) = (
        Endpoint::new(|_, _| Say::Status(404)).await,
        Endpoint::new(|_, _| Say::Status(200)).await,
    );
    let retries = ("retries", "ARRAY['0 s', '5 h']::interval[]");
    let hot = fixture.subscribe("hot", &wrong.url, &[retries]).await;
    fixture.deliver(hot, 0, (1, 1), "'lada'").await;
    fixture.deliver(hot, 0, (2, 2), "'niva'").await;
    let running = fixture.run(1).await;
    fixture.until("retry", 2).await;
    let update = format!("UPDATE subscription SET target_url = '{}'", right.url);
    fixture.query(&update).await;
    running.sync(&fixture).await;
    fixture.until("delivered", 2).await;
}

#[tokio::test]
async fn new_deliveries_and_edits_are_followed() {
    let fixture = Fixture::new().await;
    let (one, other) = (
        Endpoint::new(|_, _| Say::Status(200)).await,
        Endpoint::new(|_, _| Say::Status(200)).await,
    );
    let hot = fixture.subscribe("hot", &one.url, &[]).await;
    let running = fixture.run(1).await;
    fixture.deliver(hot, 0, (1, 2), "'lada'").await;
    running.wake();
    fixture.until("delivered", 2).await;
    fixture
        .query(&format!("UPDATE subscription SET target_url = '{}'", other.url))
        .await;
    running.sync(&fixture).await;
    fixture.deliver(hot, 0, (3, 4), "'lada'").await;
    running.wake();
    fixture.until("delivered", 4).await;
    // Paused: what comes waits, and what is dropped meanwhile is not sent.
    fixture.query("UPDATE subscription SET enabled = false").await;
    running.sync(&fixture).await;
    fixture.deliver(hot, 0, (5, 7), "'lada'").await;
    running.wake();
    fixture
        .query(&format!(
            "INSERT INTO attempt (subscription, seq, number, try, ms, outcome) VALUES ('{hot}', 6, 1, 1, 0, 'dropped')"
        ))
        .await;
    fixture.query("UPDATE subscription SET enabled = true").await;
    running.sync(&fixture).await;
    fixture.until("delivered", 6).await;
    assert_eq!((one.seqs(), other.seqs()), (vec![1, 2], vec![3, 4, 5, 7]));
}

/// Deliveries that were made while the clock was ahead hide none that is made once it is right.
#[tokio::test]
async fn a_clock_that_was_ahead_hides_nothing() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|_, _| Say::Status(200)).await;
    let hot = fixture.subscribe("hot", &endpoint.url, &[]).await;
    let ahead = jiff::Timestamp::now().as_microsecond() + 3 * reading::time::DAY;
    let client = fixture.pool.get().await.unwrap();
    store::make_day(&client, "delivery", ahead).await.unwrap();
    drop(client);
    fixture.deliver(hot, 0, (1, 1), "'lada'").await;
    let move_ahead = format!("UPDATE delivery SET at = to_timestamp({ahead} / 1000000.0)");
    fixture.query(&move_ahead).await;
    let mut running = fixture.run(1).await;
    fixture.until("delivered", 1).await;
    fixture.deliver(hot, 0, (2, 2), "'lada'").await;
    running.wake();
    fixture.until("delivered", 2).await;
    running.stopped().await;
}
