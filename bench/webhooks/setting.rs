//! A notifier over a database, and its subscriptions.

use crate::system::{Database, connect};
use anyhow::ensure;
use serde_json::Value;
use std::time::{Duration, Instant};
use testutil::{Process, Program};
use tokio::time::sleep;
use tokio_postgres::Client;

/// The secret that [`TOKEN`] is signed with.
const JWT_SECRET: &str = "a secret of the benchmark that is long enough";

/// A publisher's token: {"author":"bench","topics":["bench"]}.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhdXRob3IiOiJiZW5jaCIsInRvcGljcyI6WyJiZW5jaCJdfQ.6PUflckiEmRdxIhx_ucn5d38LGf6vX1gnGi0mUAG9KE";

/// The topic of that token.
pub(super) const TOPIC: &str = "bench";

/// How long subscriptions may take to come into force, and what they watch to be judged.
const DEADLINE: Duration = Duration::from_secs(600);

/// Starts a notifier over this database.
pub(super) async fn notifier(database: &Database) -> Process {
    Program::new("notifier")
        .env("DATABASE_URL", &database.url)
        .env("SIGNING_KEY", "a signing key of the benchmark that is long enough")
        .env("JWT_SECRET", JWT_SECRET)
        .env("ALLOW_TARGET", "127.0.0.1")
        .start()
        .await
}

/// A new, migrated database, with today's and tomorrow's partition of deliveries.
pub(super) async fn prepare(database: &Database) -> anyhow::Result<Client> {
    drop(Program::new("api").env("DATABASE_URL", &database.url).start().await);
    let client = connect(&database.url).await?;
    partitions(&client).await?;
    Ok(client)
}

/// Today's and tomorrow's partition of what is queued.
pub(super) async fn partitions(client: &Client) -> anyhow::Result<()> {
    for parent in ["delivery", "attempt", "change"] {
        let make = "SELECT make_partition($1::text::regclass, $1 || '_' || to_char(day, 'YYYY_MM_DD'),
                to_char(day, 'YYYY-MM-DD 00:00:00+00'), to_char(day + interval '1 day', 'YYYY-MM-DD 00:00:00+00'))
            FROM generate_series(date_trunc('day', now(), 'UTC') AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC' + interval '1 day', '1 day') AS day";
        client.query(make, &[&parent]).await?;
    }
    Ok(())
}

/// Waits until every subscription is in force.
pub(super) async fn in_force(client: &Client) -> anyhow::Result<()> {
    until(
        client,
        "SELECT NOT EXISTS (SELECT FROM subscription WHERE in_force IS DISTINCT FROM rule)",
    )
    .await
}

/// Waits until all stored readings are judged.
pub(super) async fn judged(client: &Client) -> anyhow::Result<()> {
    let judged = "SELECT rest = '[]' AND NOT EXISTS (SELECT FROM change WHERE NOT pg_visible_in_snapshot(xid, seen))
        FROM evaluator WHERE seen IS NOT NULL";
    until(client, judged).await
}

async fn until(client: &Client, condition: &str) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let row = client.query_opt(condition, &[]).await?;
        if row.is_some_and(|row| row.get(0)) {
            return Ok(());
        }
        ensure!(start.elapsed() < DEADLINE, "this does not become true: {condition}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Queues deliveries of a subscription, whose data hold this number of each: `{"n":1}`.
pub(super) async fn queue(client: &Client, subscription: &str, count: usize) -> anyhow::Result<()> {
    let insert = "INSERT INTO delivery (subscription, seq, id, key, type, moment, data)
        SELECT subscription.id, before + number, gen_random_uuid(), NULL, 'odograph.reading.rise.v1', now(),
            jsonb_build_object('n', number, 'subscription', name, 'device', 'lada', 'state', true, 'since', now(),
                'values', jsonb_build_object('engine_temperature', 106.2), 'late', false)
        FROM subscription, generate_series(1, $2::bigint) AS number,
            LATERAL (SELECT coalesce(max(seq), 0) AS before FROM delivery WHERE delivery.subscription = subscription.id) AS last
        WHERE name LIKE $1";
    client.execute(insert, &[&subscription, &i64::try_from(count)?]).await?;
    Ok(())
}

/// Publishes a message with this number: `{"n":1}`. Returns when the answer came.
pub(super) async fn publish(http: &reqwest::Client, notifier: &str, number: u64) -> anyhow::Result<Instant> {
    let message = serde_json::json!({"topic": TOPIC, "body": {"n": number}});
    let request = http.post(format!("{notifier}/publish")).bearer_auth(TOKEN);
    let response = request.body(message.to_string()).send().await?;
    let at = Instant::now();
    let (status, text) = (response.status(), response.text().await?);
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    ensure!(status == 200 && answer["duplicate"] == false, "{status} {text}");
    Ok(at)
}
