//! Ten thousand hostile requests to a running ingestor and a running API.
//!
//! A printed seed makes the requests: `HOSTILE_SEED=NUMBER` makes the same ones again. No answer may be a
//! server error, all acknowledged readings must be stored and no others, and the programs must afterwards
//! work as before.

mod exchange;
mod ingest;
mod protocol;
mod questions;

use crate::random::Random;
use crate::system::{KEY, LONG, System, connect};
use exchange::{Answer, End, Exchange, Outcome};
use futures_util::StreamExt;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use testutil::{Process, Signal, poll};

const MIB: u64 = 1 << 20;

/// Requests to each program.
const TO_INGESTOR: usize = 6_500;
const TO_API: usize = 3_500;

/// Exchanges at once with one program: well below the limit of one key.
const AT_ONCE: usize = 24;

/// Open files that a program may have gained afterwards, since its pool of connections to the database may
/// have grown. Each kind of exchange comes hundreds of times, so a leak exceeds this by far.
const SLACK: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hostile_requests() {
    let seed = seed();
    let mut system = System::start_with(1, &["--upload-idle-timeout", "2s"]).await;
    let (ingestor, api) = (system.ingestor.address("main").await, system.api.address("main").await);
    usual(&system, 0).await;
    let files = (open_files(&system.ingestor), open_files(&system.api));

    let mut random = Random::new(seed);
    let mut sent = 1;
    let uploads = many(TO_INGESTOR, || ingest::exchange(&mut random, &mut sent));
    let asked = many(TO_API, || questions::exchange(&mut random));
    let (uploads, asked) = tokio::join!(run(ingestor, uploads), run(api, asked));

    let mut tally: BTreeMap<(&str, u16), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut stored = BTreeSet::new();
    for (exchange, outcome) in uploads.iter().chain(&asked) {
        for answer in &outcome.answers {
            *tally.entry((exchange.kind, answer.status)).or_default() += 1;
            wrong.extend(mistake(answer).map(|mistake| format!("{mistake}: {exchange:?}")));
        }
        if outcome.hung {
            wrong.push(format!("the connection was never closed: {exchange:?}"));
        }
        let answers = outcome.answers.len();
        if exchange.end == End::Read && answers != exchange.requests {
            wrong.push(format!("{answers} answers: {exchange:?}"));
        }
        match acknowledged(exchange, outcome) {
            Ok(readings) => stored.extend(readings),
            Err(mistake) => wrong.push(format!("{mistake}: {exchange:?}")),
        }
    }
    say(&format!("seed {seed}: answers by kind and status: {tally:?}"));
    assert!(
        wrong.is_empty(),
        "seed {seed}: {} mistakes, the first ones:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );
    // Some requests were let in.
    for status in [200, 400] {
        let of_status = |kinds: &[(Exchange, Outcome)]| {
            let answers = kinds.iter().flat_map(|(_, outcome)| &outcome.answers);
            answers.filter(|answer| answer.status == status).count()
        };
        assert!(
            of_status(&uploads) > 1000 && of_status(&asked) > 200,
            "seed {seed}: {tally:?}"
        );
    }

    the_same_as_before(&mut system, files, seed).await;
    rows_are(&system, &stored, sent, seed).await;
    orderly_end(&mut system.ingestor, seed).await;
    orderly_end(&mut system.api, seed).await;
}

/// The seed in `HOSTILE_SEED`, or one from the clock.
fn seed() -> u64 {
    let seed = match std::env::var("HOSTILE_SEED") {
        Ok(text) => text.parse().expect("HOSTILE_SEED is a whole number"),
        Err(_) => u64::from(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs()),
    };
    say(&format!("HOSTILE_SEED={seed} makes these requests again"));
    seed
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Exchanges with this number of requests; an exchange may hold several.
fn many(requests: usize, mut exchange: impl FnMut() -> Exchange) -> Vec<Exchange> {
    let (mut made, mut exchanges) = (0, Vec::new());
    while made < requests {
        let next = exchange();
        made += next.requests;
        exchanges.push(next);
    }
    exchanges
}

async fn run(address: SocketAddr, exchanges: Vec<Exchange>) -> Vec<(Exchange, Outcome)> {
    let running = exchanges.into_iter().map(async |exchange| {
        let outcome = exchange.run(address).await;
        (exchange, outcome)
    });
    futures_util::stream::iter(running)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// The mistake in an answer, if any; independent of its request.
fn mistake(answer: &Answer) -> Option<String> {
    let Answer { status, kind, body } = answer;
    if *status >= 500 && !matches!(*status, 501 | 503) {
        return Some(format!("answered with {status} {}", String::from_utf8_lossy(body)));
    }
    // The HTTP library's own refusals have no body; all others say what to do.
    if *status >= 400 && !body.is_empty() {
        let explained = kind == "application/problem+json" && serde_json::from_slice::<Value>(body).is_ok();
        return (!explained).then(|| format!("{status} is no problem document: {}", String::from_utf8_lossy(body)));
    }
    None
}

/// The acknowledged readings: those of each rightly framed request that was judged to its end.
fn acknowledged(exchange: &Exchange, outcome: &Outcome) -> Result<Vec<u64>, String> {
    let mut stored = Vec::new();
    for (readings, answer) in exchange.readings.iter().zip(&outcome.answers) {
        if !matches!(answer.status, 200 | 400) {
            continue;
        }
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let accepted = told["accepted"].as_u64();
        if accepted != Some(readings.len() as u64) {
            return Err(format!("{} good lines, {accepted:?} accepted", readings.len()));
        }
        stored.extend(readings);
    }
    Ok(stored)
}

/// Both programs answer a usual request as usual.
async fn usual(system: &System, reading: u64) {
    let (status, answer) = system.post(ingest::line(reading)).await;
    assert_eq!((status, answer["accepted"].as_u64()), (200, Some(1)), "{answer}");
    let questions = (0..16).map(|_| system.get("trends?sensor=s1&from=2024-01-01T00:00:00Z&to=2024-01-02T00:00:00Z"));
    for (status, answer) in futures_util::future::join_all(questions).await {
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!(system.get("statistics/latest").await.0, 200);
}

/// Checks that both answer, hold no more files than before, and never took much memory.
async fn the_same_as_before(system: &mut System, files: (usize, usize), seed: u64) {
    usual(system, 0).await;
    // As many uploads at once as one key may have: no slot was leaked.
    let many = futures_util::future::join_all((0..128).map(|_| system.post(ingest::line(0)))).await;
    for (status, answer) in many {
        assert_eq!(status, 200, "seed {seed}: {answer}");
    }
    // A new client closes the kept connections of the old one.
    system.http = crate::system::client();
    for (process, before) in [(&system.ingestor, files.0), (&system.api, files.1)] {
        poll(LONG, async || (open_files(process) <= before + SLACK).then_some(())).await;
        let peak = process.peak_memory() / MIB;
        assert!(peak < 64, "seed {seed}: {peak} MiB");
    }
}

fn open_files(process: &Process) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", process.pid()))
        .unwrap()
        .count()
}

/// Checks that the database holds all acknowledged readings, and only sent ones.
async fn rows_are(system: &System, stored: &BTreeSet<u64>, sent: u64, seed: u64) {
    let sent: BTreeMap<String, u64> = (0..sent).map(|reading| (ingest::stored_as(reading), reading)).collect();
    let client = connect(&system.database.url()).await;
    let all_there = async || {
        let rows = client.query(
            "SELECT concat_ws(' ', device, sensor, extract(epoch FROM timestamp)::bigint, value) FROM readings",
            &[],
        );
        let there = rows.await.unwrap().into_iter().map(|row| {
            let row: String = row.get(0);
            *sent
                .get(&row)
                .unwrap_or_else(|| panic!("seed {seed}: nobody sent {row}"))
        });
        stored.is_subset(&there.collect()).then_some(())
    };
    poll(LONG, all_there).await;
    assert!(
        stored.len() > 5000,
        "seed {seed}: only {} readings were acknowledged",
        stored.len()
    );
}

/// Checks that a program ends when asked to, with no task left over, and without a panic or logged error.
async fn orderly_end(process: &mut Process, seed: u64) {
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(LONG).await, 0, "seed {seed}");
    let output = process.output();
    assert!(!output.is_empty());
    for line in output {
        let bad = line.contains("panicked") || line.contains(r#""level":"ERROR""#) || line.contains(KEY);
        assert!(!bad, "seed {seed}: {line}");
    }
}
