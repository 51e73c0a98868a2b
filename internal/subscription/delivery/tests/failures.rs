//! Endpoints that fail, for a while or for good.

use super::endpoint::{Endpoint, Say};
use super::fixture::{Fixture, LONG};
use crate::delivery::{Limits, TROUBLES};
use std::time::Duration;
use testutil::poll;

#[tokio::test]
async fn an_endpoint_may_ask_for_time() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|count, _| match count {
        0 => Say::After(503, "999999"),
        1 => Say::After(429, "1"),
        _ => Say::Status(200),
    })
    .await;
    // The next try would be at once.
    let retries = ("retries", "array_fill(interval '1 ms', ARRAY[3])");
    let hot = fixture.subscribe("hot", &endpoint.url, &[retries]).await;
    fixture.deliver(hot, 0, (1, 2), "'key-' || n").await;
    let _running = fixture.run(1).await;
    fixture.until("delivered", 1).await;
    let rows = fixture
        .query(
            "SELECT seq, try, status, error, (extract(epoch FROM due - at))::int4, ms >= 0
             FROM attempt WHERE outcome = 'retry' ORDER BY seq",
        )
        .await;
    let found = |at: usize| -> (i64, i32, i32, &str, i32, bool) {
        let row = &rows[at];
        (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5))
    };
    assert_eq!(found(0), (1, 1, 503, "the endpoint answered 503", 86_400, true));
    assert_eq!(found(1), (2, 1, 429, "the endpoint answered 429", 1, true));
    assert_eq!(endpoint.seqs(), [1, 2, 2]);
}

/// The journal changes rows of `delivery` once an author takes a text back.
#[tokio::test]
async fn a_retry_of_a_message_sends_what_its_row_says_by_then() {
    let fixture = Fixture::new().await;
    let (wrong, right) = (
        Endpoint::new(|_, _| Say::Status(404)).await,
        Endpoint::new(|_, _| Say::Status(200)).await,
    );
    let retries = ("retries", "ARRAY['0 s', '5 h']::interval[]");
    let topic = ("topic", "'odograph.journal'");
    let bot = fixture.subscribe("bot", &wrong.url, &[topic, retries]).await;
    fixture.deliver(bot, 0, (1, 2), "'key-' || n").await;
    fixture.query("UPDATE delivery SET type = 'odograph.message.v1'").await;
    let mut running = fixture.run(1).await;
    fixture.until("retry", 2).await;
    fixture
        .query("UPDATE delivery SET data = jsonb_build_object('event', 'deleted', 'seq', seq)")
        .await;
    // What retention has dropped is not sent.
    fixture.query("DELETE FROM delivery WHERE seq = 2").await;
    let update = format!("UPDATE subscription SET target_url = '{}'", right.url);
    fixture.query(&update).await;
    running.sync(&fixture).await;
    fixture.until("delivered", 1).await;
    running.stopped().await;
    assert_eq!(right.seqs(), [1]);
    assert_eq!(
        right.seen()[0].json()["data"],
        serde_json::json!({"event": "deleted", "seq": 1})
    );
}

#[tokio::test]
async fn the_last_try_is_followed_by_the_end() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|_, seen| Say::Status(if seen.seq() == 1 { 500 } else { 200 })).await;
    let retries = ("retries", "ARRAY['0 s', '10 ms', '10 ms']::interval[]");
    let hot = fixture.subscribe("hot", &endpoint.url, &[retries]).await;
    fixture.deliver(hot, 0, (1, 2), "'lada'").await;
    let running = fixture.run(1).await;
    fixture.until("dead", 1).await;
    fixture.until("delivered", 1).await;
    let rows = fixture
        .query("SELECT try, outcome, body, due IS NULL FROM attempt WHERE seq = 1 ORDER BY try")
        .await;
    let found: Vec<(i32, &str, &str, bool)> = rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    let word = "a word";
    assert_eq!(
        found,
        [
            (1, "retry", word, false),
            (2, "retry", word, false),
            (3, "dead", word, true)
        ]
    );
    assert_eq!(endpoint.seqs(), [1, 1, 1, 2]);

    // A redrive begins the schedule anew, also after a restart.
    let redrive = format!(
        "INSERT INTO attempt (subscription, seq, number, try, ms, outcome) VALUES ('{hot}', 1, 1, 4, 0, 'redrive')"
    );
    fixture.query(&redrive).await;
    fixture.until("dead", 2).await;
    assert_eq!(endpoint.seen().len(), 7);
    running.kill().await;
    fixture.query(&redrive.replace(", 4,", ", 8,")).await;
    let _running = fixture.run(2).await;
    fixture.until("dead", 3).await;
    assert_eq!(endpoint.seen().len(), 10);
    let rows = fixture
        .query("SELECT try FROM attempt WHERE seq = 1 ORDER BY try")
        .await;
    let tries: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(tries, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
}

#[tokio::test]
async fn a_redrive_makes_a_retry_due() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|count, _| Say::Status(if count == 0 { 500 } else { 200 })).await;
    let hot = fixture
        .subscribe("hot", &endpoint.url, &[("retries", "ARRAY['0 s', '5 h']::interval[]")])
        .await;
    fixture.deliver(hot, 0, (1, 1), "'lada'").await;
    let _running = fixture.run(1).await;
    fixture.until("retry", 1).await;
    fixture
        .query(&format!(
            "INSERT INTO attempt (subscription, seq, number, try, ms, outcome) VALUES ('{hot}', 1, 1, 1, 0, 'redrive')"
        ))
        .await;
    fixture.until("delivered", 1).await;
}

#[tokio::test]
async fn an_endpoint_that_is_gone_disables() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|_, _| Say::Status(410)).await;
    let hot = fixture.subscribe("hot", &endpoint.url, &[]).await;
    fixture.deliver(hot, 0, (1, 5), "'lada'").await;
    let _running = fixture.run(1).await;
    let problem = disabled(&fixture).await;
    assert!(problem.starts_with("the endpoint answered 410"), "{problem}");
    fixture.until("gone", 1).await;
    assert_eq!(endpoint.seen().len(), 1);
    assert_eq!(told(&fixture, 1).await, ["disabled"]);
}

/// The target is corrected while a request to the one before is on its way.
#[tokio::test]
async fn a_former_endpoint_that_is_gone_disables_nothing() {
    let fixture = Fixture::new().await;
    let (former, next) = (
        Endpoint::new(|_, _| Say::Late(410)).await,
        Endpoint::new(|_, _| Say::Status(200)).await,
    );
    let retries = ("retries", "array_fill(interval '10 ms', ARRAY[3])");
    let hot = fixture.subscribe("hot", &former.url, &[retries]).await;
    fixture.deliver(hot, 0, (1, 2), "'lada'").await;
    let running = fixture.run(1).await;
    poll(LONG, || async { (former.at_once() == 1).then_some(()) }).await;
    let update = format!("UPDATE subscription SET target_url = '{}'", next.url);
    fixture.query(&update).await;
    // The sender learns of the edit together with another subscription, whose delivery shows that.
    let other = fixture.subscribe("other", &next.url, &[]).await;
    fixture.deliver(other, 0, (1, 1), "'niva'").await;
    running.sync(&fixture).await;
    poll(LONG, || async { (next.seen().len() == 1).then_some(()) }).await;
    former.open();
    fixture.until("delivered", 3).await;
    assert_eq!((fixture.count("retry").await, fixture.count("gone").await), (1, 0));
    assert!(
        fixture
            .query("SELECT FROM subscription WHERE NOT enabled")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn failures_for_days_are_told_and_disable() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|_, _| Say::Status(500)).await;
    let retries = ("retries", "array_fill(interval '10 ms', ARRAY[3])");
    let hot = fixture
        .subscribe("hot", &endpoint.url, &[retries, ("failing", "now() - interval '25 h'")])
        .await;
    fixture.deliver(hot, 0, (1, 1), "'lada'").await;
    let running = fixture.run(1).await;
    fixture.until("dead", 1).await;
    assert_eq!(told(&fixture, 1).await, ["failing"]);
    running.kill().await;
    fixture
        .query("UPDATE subscription SET failing = now() - interval '121 h'")
        .await;
    fixture.deliver(hot, 0, (2, 2), "'lada'").await;
    // The notifier was off for days, perhaps.
    let running = fixture.run(2).await;
    fixture.until("dead", 2).await;
    assert_eq!(told(&fixture, 2).await, ["failing", "failing"]);
    running.kill().await;
    assert_eq!(endpoint.seen().len(), 6, "failures after a start prove nothing");
    fixture.deliver(hot, 0, (3, 9), "'lada'").await;
    let limits = Limits {
        proven: Duration::ZERO,
        ..Limits::default()
    };
    let _running = fixture.run_with(3, limits).await;
    let problem = disabled(&fixture).await;
    assert!(problem.starts_with("nothing was delivered for five days"), "{problem}");
    assert_eq!(told(&fixture, 3).await, ["failing", "failing", "disabled"]);
    assert_eq!(endpoint.seen().len(), 7, "the rest waits");
}

#[tokio::test]
async fn since_when_it_fails_is_stored() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|count, _| Say::Status(if count == 0 { 500 } else { 200 })).await;
    let retries = ("retries", "ARRAY['0 s', '5 h']::interval[]");
    let hot = fixture.subscribe("hot", &endpoint.url, &[retries]).await;
    fixture.deliver(hot, 0, (1, 1), "'lada'").await;
    let failing = |is: bool| {
        let statement = format!("SELECT FROM subscription WHERE (failing IS NOT NULL) = {is}");
        let fixture = &fixture;
        poll(LONG, move || {
            let statement = statement.clone();
            async move { (fixture.query(&statement).await.len() == 1).then_some(()) }
        })
    };
    let running = fixture.run(1).await;
    fixture.until("retry", 1).await;
    failing(true).await;
    fixture.deliver(hot, 0, (2, 2), "'niva'").await;
    running.wake();
    fixture.until("delivered", 1).await;
    failing(false).await;
}

async fn disabled(fixture: &Fixture) -> String {
    let rows = poll(LONG, || async {
        let rows = fixture
            .query("SELECT problem FROM subscription WHERE NOT enabled")
            .await;
        (!rows.is_empty()).then_some(rows)
    })
    .await;
    rows[0].get(0)
}

/// What the topic of troubles tells, once it has told so much.
async fn told(fixture: &Fixture, count: usize) -> Vec<String> {
    let statement = format!("SELECT data->'body'->>'state' FROM published WHERE topic = '{TROUBLES}' ORDER BY at");
    let rows = poll(LONG, || async {
        let rows = fixture.query(&statement).await;
        (rows.len() >= count).then_some(rows)
    })
    .await;
    rows.iter().map(|row| row.get(0)).collect()
}
