//! Subscriptions over the load: an endpoint that fails at random, a publisher of messages, and the check that every
//! expected event reached the endpoint, under one id and with one content.

mod check;
mod publish;
mod rules;
mod runs;
mod sink;

pub(crate) use check::Checked;
pub(crate) use publish::SECRET;
pub(crate) use sink::Served;

use anyhow::{Context, ensure};
use publish::Publisher;
use reqwest::StatusCode;
use rules::{MESSAGES, RULES, messages};
use serde_json::Value;
use sink::Sink;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;

/// The notifiers' keys.
pub(crate) const MANAGEMENT_KEY: &str = "soak-management-key";
pub(crate) const SIGNING_KEY: &str = "a signing key of the soak that is long enough";

/// How long a subscription may take to come into force.
const IN_FORCE: Duration = Duration::from_secs(30);

/// Subscriptions, their endpoint, and a publisher.
pub(crate) struct Watching {
    sink: Sink,
    publisher: Arc<Publisher>,
    publishing: JoinHandle<()>,
}

/// The events of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    pub(crate) served: Served,
    pub(crate) checked: Checked,
    /// Messages that were published.
    pub(crate) messages: u64,
    /// From the call until no event waited.
    pub(crate) settled: Duration,
}

impl Watching {
    /// Subscribes, and waits until all subscriptions are in force; then begins to publish.
    pub(crate) async fn start(seed: u64, notifiers: &[String], http: &reqwest::Client) -> anyhow::Result<Self> {
        let sink = Sink::start(seed).await?;
        let manage = format!(
            "{}/api/subscriptions",
            notifiers.first().context("there is no notifier")?
        );
        let mut definitions: Vec<Value> = RULES.iter().map(|rule| rule.definition(&sink.url(rule.name))).collect();
        definitions.push(messages(&sink.url(MESSAGES)));
        for definition in &definitions {
            subscribe(http, &manage, definition)
                .await
                .with_context(|| format!("subscribe {definition}"))?;
        }
        let publisher = Arc::new(Publisher::default());
        let urls: Vec<String> = notifiers.iter().map(|url| format!("{url}/publish")).collect();
        let publishes = publisher.clone();
        let publishing = tokio::spawn(async move { publishes.run(seed, &urls).await });
        Ok(Self {
            sink,
            publisher,
            publishing,
        })
    }

    /// Stops publishing, waits until no event waits, and checks all of them. `client` is a connection to the database.
    pub(crate) async fn finish(mut self, client: &Client, patience: Duration) -> anyhow::Result<Events> {
        let begin = Instant::now();
        self.publisher.stop();
        timeout(patience, &mut self.publishing)
            .await
            .context("a message is not taken")?
            .context("the publisher failed")?;
        let mut late = None;
        loop {
            let waiting = waiting(client, self.sink.count()).await?;
            if waiting.is_none() {
                break;
            }
            if begin.elapsed() > patience {
                late = waiting;
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
        let settled = begin.elapsed();
        let messages = self.publisher.taken();
        let mut checked = check::check(client, self.sink.taken(), messages).await?;
        if let Some(waiting) = late {
            let taken: Vec<String> = self.sink.taken().into_keys().collect();
            checked.wrong.extend(unsent(client, &taken).await?);
            checked.wrong.extend(queued_twice(client).await?);
            checked
                .wrong
                .push(format!("{patience:?} after the load, events still wait: {waiting}"));
        }
        checked.wrong.extend(self.sink.wrong());
        checked.wrong.extend(self.publisher.wrong());
        Ok(Events {
            served: self.sink.served(),
            checked,
            messages,
            settled,
        })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.publishing.abort();
    }
}

/// Creates a subscription, and waits until it is in force.
async fn subscribe(http: &reqwest::Client, manage: &str, definition: &Value) -> anyhow::Result<()> {
    let name = definition["name"].as_str().unwrap_or_default();
    let end = Instant::now() + IN_FORCE;
    loop {
        let request = http
            .post(manage)
            .bearer_auth(MANAGEMENT_KEY)
            .body(definition.to_string());
        let response = request.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        // Until the database answers.
        if status != StatusCode::SERVICE_UNAVAILABLE {
            ensure!(
                status == StatusCode::CREATED || status == StatusCode::ACCEPTED,
                "{status} {text}"
            );
            break;
        }
        ensure!(Instant::now() < end, "{status} {text}");
        sleep(Duration::from_millis(50)).await;
    }
    loop {
        let request = http.get(format!("{manage}/{name}")).bearer_auth(MANAGEMENT_KEY);
        let text = request.send().await?.text().await?;
        let shown: Value = serde_json::from_str(&text).unwrap_or_default();
        if shown["state"] == "active" {
            return Ok(());
        }
        ensure!(Instant::now() < end, "it is not in force: {text}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// What still waits, by the notifiers' tables; none when every event was noticed, and the endpoint took as many.
async fn waiting(client: &Client, taken: usize) -> anyhow::Result<Option<String>> {
    let select = "SELECT
        (SELECT count(*) FROM change WHERE NOT pg_visible_in_snapshot(xid, seen)),
        (SELECT count(*) FROM published WHERE NOT pg_visible_in_snapshot(xid, seen)),
        jsonb_array_length(rest)::bigint,
        (SELECT count(*) FROM delivery)
        FROM evaluator WHERE seen IS NOT NULL";
    let Some(row) = client.query_opt(select, &[]).await.context("look at what waits")? else {
        return Ok(Some("nothing was evaluated".to_owned()));
    };
    let [changes, messages, rest, deliveries] = [0, 1, 2, 3].map(|column| row.get::<_, i64>(column));
    if (changes, messages, rest) == (0, 0, 0) && usize::try_from(deliveries).ok() == Some(taken) {
        return Ok(None);
    }
    Ok(Some(format!(
        "{changes} changes and {messages} messages not looked at, {rest} spans left, {taken} of {deliveries} events taken"
    )))
}

/// The first deliveries that the endpoint did not take, and what was tried.
async fn unsent(client: &Client, taken: &[String]) -> anyhow::Result<Vec<String>> {
    let select = "SELECT format('not sent: %s, lane %s, seq %s of %s, made %s; progress up to %s, tries: %s', name, lane, seq,
            (SELECT max(seq) FROM delivery AS all_ WHERE all_.subscription = d.subscription), at,
            (SELECT format('%s by %s', upto, number) FROM progress AS p WHERE p.subscription = d.subscription AND p.lane = d.lane),
            (SELECT string_agg(format('%s %s %s by %s due %s', a.at, try, outcome, number, due), ', ' ORDER BY try, number)
                FROM attempt AS a WHERE a.subscription = d.subscription AND a.lane = d.lane AND a.seq = d.seq))
        FROM delivery AS d JOIN subscription AS s ON s.id = d.subscription
        WHERE NOT d.id::text = ANY($1) ORDER BY at, name, seq LIMIT 12";
    let rows = client
        .query(select, &[&taken])
        .await
        .context("look at what was not sent")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The first events that are queued twice under one id.
async fn queued_twice(client: &Client) -> anyhow::Result<Vec<String>> {
    let select = "SELECT format('queued twice: %s of %s as %s, seqs and times: %s', id, name, type, string_agg(format('%s %s', seq, at), ', ' ORDER BY seq))
        FROM (SELECT d.*, s.name FROM delivery AS d JOIN subscription AS s ON s.id = d.subscription) AS all_
        GROUP BY id, name, type HAVING count(*) > 1 LIMIT 12";
    let rows = client
        .query(select, &[])
        .await
        .context("look at what was queued twice")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
