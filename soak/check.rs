//! The check after a run: the database holds every acknowledged reading, once, and no reading that no
//! client sent.

use crate::body::{Body, Fate, SENSORS, SHARED, origin, own_device};
use crate::dead::DeadLetters;
use crate::flood::Flood;
use crate::load::Load;
use crate::reference::{Reference, connect, dump, get, same};
use crate::system::System;
use anyhow::{Context, ensure};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

/// Days whose statistics and dumps are compared.
const DAYS: usize = 6;

/// Examples reported of each kind of mistake.
const EXAMPLES: usize = 5;

/// How long receipts may take to be complete once the bus is empty.
const RECEIPTS_DEADLINE: Duration = Duration::from_secs(30);

/// Counts of checked parts, and mistakes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checked {
    /// Rows, each traced back to a sent reading.
    pub(crate) rows: u64,
    /// Rows of abandoned bodies among them.
    pub(crate) of_abandoned: u64,
    pub(crate) bodies: u64,
    pub(crate) lost: u64,
    pub(crate) twice: u64,
    pub(crate) unsent: u64,
    /// Answers and dumps compared with the undisturbed run's.
    pub(crate) answers: u64,
    pub(crate) dumps: u64,
    pub(crate) dead_lines: u64,
    /// Receipts that add up.
    pub(crate) receipts: u64,
    /// Names of the flood that have a reading.
    pub(crate) flooded: Vec<String>,
    pub(crate) wrong: Vec<String>,
}

impl Checked {
    fn example(&mut self, count: u64, text: impl FnOnce() -> String) {
        if count <= EXAMPLES as u64 {
            self.wrong.push(text());
        }
    }
}

/// Stored readings, by client and body.
type Counts = Vec<Vec<u32>>;

/// Checks everything, after clients have stopped and the bus is empty.
pub(crate) async fn check(system: &System, load: &Load, seed: u64, http: &reqwest::Client) -> anyhow::Result<Checked> {
    let mut checked = Checked::default();
    let client = connect(&system.database_url).await?;
    let mut reference = Reference::start(http.clone()).await?;
    let bodies = load.bodies();
    let mut counts: Counts = bodies.iter().map(|bodies| vec![0; *bodies as usize]).collect();
    rows(&client, seed, &mut counts, &mut reference, &mut checked).await?;
    completeness(seed, &counts, &mut checked);
    dead_letters(seed, &client, &bodies, &mut checked).await?;

    reference.settle(i64::try_from(checked.rows)?).await?;
    let api = system.api.lock().await.address().context("the api does not run")?;
    compare(
        &client,
        &reference,
        &format!("http://{api}"),
        bodies.len(),
        http,
        &system.database_url,
        &mut checked,
    )
    .await?;
    receipts(load, http, &format!("http://{api}"), &mut checked).await?;
    Ok(checked)
}

/// Traces every row back to a sent reading, and adds it to the undisturbed run.
async fn rows(
    client: &Client,
    seed: u64,
    counts: &mut Counts,
    reference: &mut Reference,
    checked: &mut Checked,
) -> anyhow::Result<()> {
    let series = client
        .query("SELECT id, device, sensor FROM series ORDER BY device, sensor", &[])
        .await?;
    for series in series {
        let (id, device, sensor): (i32, String, String) = (series.get(0), series.get(1), series.get(2));
        let query = "SELECT timestamp, value FROM reading WHERE series_id = $1 ORDER BY timestamp";
        let rows = client.query_raw(query, &[&id]).await?;
        futures_util::pin_mut!(rows);
        let mut before = None;
        while let Some(row) = rows.try_next().await? {
            let (timestamp, value): (Timestamp, f64) = (row.get(0), row.get(1));
            checked.rows += 1;
            if before == Some(timestamp) {
                checked.twice += 1;
                checked.example(checked.twice, || {
                    format!("twice: {device} {sensor} {timestamp} {value}")
                });
                continue;
            }
            before = Some(timestamp);
            let time = timestamp.as_microsecond();
            if Flood::is_of(&device, &sensor, time, value) {
                checked.flooded.push(sensor.clone());
                reference.add(&device, &sensor, value, time).await?;
                continue;
            }
            let origin = origin(seed, &device, &sensor, time, value);
            let count = origin.and_then(|origin| {
                let Body { client, number, .. } = origin.body;
                counts.get_mut(client as usize)?.get_mut(number as usize)
            });
            match count {
                Some(count) => *count += 1,
                None => {
                    checked.unsent += 1;
                    checked.example(checked.unsent, || {
                        format!("never sent: {device} {sensor} {timestamp} {value}")
                    });
                }
            }
            reference.add(&device, &sensor, value, time).await?;
        }
    }
    // The rows above came by the index, which has to hold all rows of the table.
    client
        .batch_execute("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off")
        .await?;
    let all: i64 = client.query_one("SELECT count(*) FROM reading", &[]).await?.get(0);
    client.batch_execute("RESET ALL").await?;
    if u64::try_from(all) != Ok(checked.rows) {
        checked
            .wrong
            .push(format!("the table holds {all} rows, its index {}", checked.rows));
    }
    Ok(())
}

/// Checks that every reading of every acknowledged body is stored.
fn completeness(seed: u64, counts: &Counts, checked: &mut Checked) {
    for (client, bodies) in (0..).zip(counts) {
        for (number, count) in (0..).zip(bodies) {
            let body = Body { seed, client, number };
            if body.fate() == Fate::Abandoned {
                checked.of_abandoned += u64::from(*count);
                continue;
            }
            checked.bodies += 1;
            let missing = body.readings().saturating_sub(*count);
            if missing > 0 {
                let first = checked.lost == 0;
                checked.lost += u64::from(missing);
                let shown = if first { 1 } else { checked.lost };
                checked.example(shown, || {
                    format!("lost: {missing} of the {} readings of {body:?}", body.readings())
                });
            }
        }
    }
}

/// Checks that every rejected line of every acknowledged body is a dead letter, and there are no others.
async fn dead_letters(seed: u64, client: &Client, bodies: &[u32], checked: &mut Checked) -> anyhow::Result<()> {
    let dead = DeadLetters::read(client).await?;
    checked
        .wrong
        .extend(dead.strangers.iter().map(|text| format!("a dead letter: {text}")));
    for ((client, number), lines) in &dead.lines {
        let body = Body {
            seed,
            client: *client,
            number: *number,
        };
        let sent = bodies.get(*client as usize).is_some_and(|bodies| number < bodies);
        if !sent || u64::from(*lines) >= 1 << body.invalid() {
            checked
                .wrong
                .push(format!("dead letters of lines that nobody sent: {body:?}, {lines:b}"));
        }
    }
    if !dead.complete {
        checked
            .wrong
            .push("dead letters had to make room: fewer than were sent can be looked at".to_owned());
        return Ok(());
    }
    for (client, bodies) in (0..).zip(bodies) {
        for number in 0..*bodies {
            let body = Body { seed, client, number };
            if body.fate() == Fate::Abandoned || body.invalid() == 0 {
                continue;
            }
            let lines = dead.lines.get(&(client, number)).copied().unwrap_or_default();
            checked.dead_lines += u64::from(body.invalid());
            if u64::from(lines) != (1 << body.invalid()) - 1 {
                checked
                    .wrong
                    .push(format!("rejected lines of {body:?} are no dead letters: {lines:b}"));
            }
        }
    }
    Ok(())
}

/// Compares the answers of both systems.
async fn compare(
    client: &Client,
    reference: &Reference,
    api: &str,
    clients: usize,
    http: &reqwest::Client,
    database: &str,
    checked: &mut Checked,
) -> anyhow::Result<()> {
    let latest =
        "SELECT concat_ws(' ', device, sensor, latest_timestamp, latest_value) FROM series ORDER BY device, sensor";
    let other = connect(&reference.database).await?;
    let texts = async |client: &Client, query: &str| -> anyhow::Result<Vec<String>> {
        let rows = client.query(query, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    };
    let (ours, theirs) = (texts(client, latest).await?, texts(&other, latest).await?);
    for (one, other) in ours.iter().zip(&theirs).filter(|(one, other)| one != other) {
        checked.wrong.push(format!("the latest is {one}, undisturbed {other}"));
    }
    // A series without readings is no difference.
    let days = "SELECT DISTINCT day::text FROM day ORDER BY 1";
    let (days, theirs) = (texts(client, days).await?, texts(&other, days).await?);
    if days != theirs {
        checked
            .wrong
            .push(format!("the days are {days:?}, undisturbed {theirs:?}"));
    }
    let step = days.len().div_ceil(DAYS).max(1);
    let days: Vec<&String> = days.iter().step_by(step).collect();

    let mut paths = vec!["statistics/latest".to_owned(), "location/latest".to_owned()];
    for device in (0..clients)
        .map(|client| own_device(u32::try_from(client).unwrap_or(0)))
        .chain([SHARED.to_owned()])
    {
        paths.push(format!("statistics/latest?device={device}"));
        paths.push(format!("location/latest?device={device}"));
    }
    for day in &days {
        for sensor in SENSORS {
            paths.push(format!("statistics/sensor/{sensor}/date/{day}"));
        }
        paths.push(format!("statistics/sensor/{}/date/{day}?device={SHARED}", SENSORS[0]));
    }
    for path in paths {
        let ours = get(http, &format!("{api}/api/{path}")).await?;
        let theirs = get(http, &format!("{}/api/{path}", reference.api)).await?;
        checked.answers += 1;
        // An error's text holds the id of its request.
        let equal = ours.0 == theirs.0 && (ours.0 != 200 || same(&ours.1, &theirs.1));
        if !equal {
            checked
                .wrong
                .push(format!("{path} answers {ours:?}, undisturbed {theirs:?}"));
        }
    }
    for day in days {
        let (ours, theirs) = (dump(database, day).await?, dump(&reference.database, day).await?);
        checked.dumps += 1;
        if ours != theirs {
            let differing = ours.lines().zip(theirs.lines()).find(|(one, other)| one != other);
            checked.wrong.push(format!("the dump of {day} differs: {differing:?}"));
        }
    }
    Ok(())
}

/// Checks that the receipts of the last uploads report all readings as stored, and add up.
async fn receipts(load: &Load, http: &reqwest::Client, api: &str, checked: &mut Checked) -> anyhow::Result<()> {
    let receipts = load.receipts();
    ensure!(!receipts.is_empty(), "nothing was acknowledged");
    let mut right = 0;
    let end = Instant::now() + RECEIPTS_DEADLINE;
    for receipt in receipts {
        let url = format!("{api}/api/ingests/{}", receipt.id);
        loop {
            let response = http.get(&url).send().await.context("ask for a receipt")?;
            ensure!(
                response.status() == 200,
                "asked for {url}, the API answers {}",
                response.status()
            );
            let said: serde_json::Value = response.json().await.context("read a receipt")?;
            let count = |name: &str| said[name].as_u64().unwrap_or(u64::MAX);
            let parts = ["persisted", "duplicates", "conflicts", "failed"].map(count);
            let sum = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(*part));
            let is_right = said["status"] == "persisted"
                && count("accepted") == receipt.accepted
                && count("rejected") == receipt.rejected
                && sum == receipt.accepted
                && parts[2..] == [0, 0];
            if is_right {
                right += 1;
                break;
            }
            if said["status"] == "pending" && Instant::now() < end {
                sleep(Duration::from_millis(200)).await;
                continue;
            }
            checked.wrong.push(format!("the receipt of {receipt:?} says {said}"));
            break;
        }
    }
    checked.receipts = right;
    Ok(())
}
