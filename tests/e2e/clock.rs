//! Programs with a wrong clock (libfaketime): a clock that is behind judges no readings, and one that is
//! ahead deletes nothing.

use crate::system::{self, KEY, LONG, client};
use serde_json::Value;
use std::path::Path;
use testutil::{Clock, Process, Program, Signal, nats_url, poll, unique};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// A reading of now, by a right clock.
fn reading() -> String {
    let now = jiff::Timestamp::now();
    format!("{{\"sensor\":\"speed\",\"value\":1,\"timestamp\":\"{now}\"}}\n")
}

/// Uploads; returns status, answer, and whether it has `Retry-After`.
async fn post(url: &str, body: &str) -> (u16, Value, bool) {
    let sent = client().post(url).bearer_auth(KEY).body(body.to_owned()).send();
    let answer = sent.await.unwrap();
    let again = answer.headers().contains_key("retry-after");
    let (status, answer) = system::answer(answer).await;
    (status, answer, again)
}

/// Checks that the program refuses uploads without a verdict, is unready because of its clock, and logs it.
async fn refuses(process: &mut Process, whose: &str) {
    let url = format!("{}/ingest", process.url().await);
    let warning = poll(LONG, async || {
        let lines = process.output();
        lines.into_iter().find(|line| line.contains("clock is wrong"))
    })
    .await;
    let ready = format!("http://{}/readyz", process.address("admin").await);
    poll(LONG, async || {
        let answer = client().get(&ready).send().await.unwrap();
        (answer.text().await.unwrap().trim() == "not ready: clock").then_some(())
    })
    .await;
    for body in [reading(), format!("{}nonsense\n", reading())] {
        let (status, answer, again) = post(&url, &body).await;
        assert_eq!((status, again), (503, true), "{answer}");
        assert!(
            answer["detail"]
                .as_str()
                .unwrap()
                .contains("This server's clock is wrong"),
            "{answer}"
        );
    }
    let warning: Value = serde_json::from_str(&warning).unwrap();
    let fields = warning.get("fields").unwrap_or(&warning);
    assert!(fields["clock"].as_str() < fields["past"].as_str(), "{warning}");
    assert_eq!(fields["whose"], whose, "{warning}");
}

/// Checks that it becomes ready on its own and takes uploads.
async fn accepts(process: &mut Process) {
    process.ready().await;
    let url = format!("{}/ingest", process.url().await);
    let (status, answer, _) = post(&url, &reading()).await;
    assert_eq!((status, answer["accepted"].as_u64()), (200, Some(1)), "{answer}");
}

/// `odograph up` over a folder, or over this database.
fn up(folder: &Path, clock: &Clock) -> Program {
    Program::new("odograph")
        .args(["up", "--api-port", "0", "--api-key", KEY, "--data-dir"])
        .arg(folder)
        .clock(clock)
}

/// The rows of a statement, in the database of an `up` over its folder.
async fn rows(process: &Process, statement: &str) -> Vec<String> {
    let psql = poll(LONG, async || {
        let greeting = process.stdout();
        let line = greeting.iter().find_map(|line| line.trim().strip_prefix("SQL"));
        line.map(|line| line.trim().to_owned())
    })
    .await;
    let asked = format!("{psql} -v ON_ERROR_STOP=1 -Atc \"{statement}\"");
    let output = tokio::process::Command::new("sh")
        .args(["-c", &asked])
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(Into::into)
        .collect()
}

async fn ends(mut process: Process) {
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(LONG).await, 0, "{:?}", process.output());
}

#[tokio::test]
async fn a_clock_behind_the_release_judges_nothing_until_it_is_set() {
    let folder = system::folder();
    let clock = Clock::new("-150d");
    let mut process = up(folder.path(), &clock).spawn();
    refuses(&mut process, "the release of this program").await;
    clock.set("+0");
    accepts(&mut process).await;
    assert_eq!(rows(&process, "SELECT count(*) FROM dead_letter").await, ["0"]);
    // A right clock's rejection says by how much, and by whose clock.
    let far = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(27 * 60 + 12);
    let line = format!("{{\"sensor\":\"speed\",\"value\":1,\"timestamp\":\"{far}\"}}");
    let url = format!("{}/ingest", process.url().await);
    let (status, answer, _) = post(&url, &line).await;
    let reason = answer["invalid"][0]["reason"].as_str().unwrap_or_default();
    assert!(
        status == 400 && reason.contains("too far in the future, 3 h 1") && reason.contains("by this server's clock"),
        "{answer}"
    );
    ends(process).await;
}

#[tokio::test]
async fn a_clock_behind_the_newest_receipt_judges_nothing() {
    let folder = system::folder();
    let clock = Clock::new("+0");
    let mut process = up(folder.path(), &clock).start().await;
    accepts(&mut process).await;
    ends(process).await;
    clock.set("-2d");
    let mut process = up(folder.path(), &clock).spawn();
    refuses(&mut process, "the newest receipt in the database").await;
    clock.set("-1h");
    accepts(&mut process).await;
    ends(process).await;
}

#[tokio::test]
async fn an_ingestor_behind_its_event_bus_judges_nothing_unless_its_clock_is_trusted() {
    let bus = nats_url(&unique("readings"));
    let clock = Clock::new("-2d");
    let mut process = system::ingestor(&bus).clock(&clock).spawn();
    refuses(&mut process, "the event bus").await;
    // The clock turns wrong while the program runs, too.
    clock.set("+0");
    accepts(&mut process).await;
    clock.set("-2d");
    let url = format!("{}/ingest", process.url().await);
    assert_eq!(post(&url, &reading()).await.0, 503);
    ends(process).await;
    let mut trusting = system::ingestor(&bus)
        .clock(&clock)
        .env("TRUST_CLOCK", "true")
        .start()
        .await;
    let url = format!("{}/ingest", trusting.url().await);
    let (status, answer, _) = post(&url, &reading()).await;
    assert_eq!((status, answer["rejected"].as_u64()), (400, Some(1)), "{answer}");
    ends(trusting).await;
}

/// A part of an upload was judged by a wrong clock. That the clock is right at the end makes no verdict of it.
#[tokio::test]
async fn a_clock_that_is_set_back_and_forth_during_an_upload_judges_nothing() {
    let clock = Clock::new("+0");
    let mut process = system::ingestor(&nats_url(&unique("readings")))
        .clock(&clock)
        .start()
        .await;
    accepts(&mut process).await;
    let mut stream = system::half_an_upload(process.address("main").await, KEY).await;
    clock.set("-2d");
    // Once the old reading is stored, the one before it has been judged.
    let old = "{\"sensor\":\"speed\",\"value\":1,\"timestamp\":\"2024-05-01T12:00:00Z\"}\n";
    let lines = reading() + old;
    stream.write_all(lines.as_bytes()).await.unwrap();
    let metrics = format!("http://{}/metrics", process.address("admin").await);
    poll(LONG, async || {
        let told = client().get(&metrics).send().await.unwrap().text().await.unwrap();
        told.lines()
            .any(|line| line == "ingestor_readings_accepted_total 2")
            .then_some(())
    })
    .await;
    clock.set("+0");
    let rest = "\n".repeat(system::HALF - lines.len());
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(LONG, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 503");
    ends(process).await;
}

/// A clock that is ahead deletes no dead letters, days of receipts or months.
#[tokio::test]
async fn a_clock_that_is_ahead_deletes_nothing_before_a_day_has_passed() {
    let folder = system::folder();
    let clock = Clock::new("+0");
    let start = async |offset: &str| {
        clock.set(offset);
        let trusting = up(folder.path(), &clock).args(["--retention", "90d", "--trust-clock"]);
        trusting.start().await
    };
    // Counts dead letters, days of receipts except today's, and months.
    let all = "SELECT (SELECT count(*) FROM dead_letter), (SELECT count(*) FROM receipt WHERE persisted = 7),
         (SELECT count(*) FROM reading)";
    let mut process = start("+0").await;
    let url = format!("{}/ingest", process.url().await);
    let hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let moments = (0..7).map(|second| {
        let moment = hour_ago + jiff::SignedDuration::from_secs(second);
        format!("{{\"sensor\":\"speed\",\"value\":1,\"timestamp\":\"{moment}\"}}\n")
    });
    let (status, answer, _) = post(&url, &moments.collect::<String>()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(post(&url, "nonsense").await.0, 400);
    assert_eq!(rows(&process, all).await, ["1|1|7"]);
    let looked = "SELECT count(*) FROM clock_look WHERE abs(extract(epoch FROM at - now())) < 1800";
    let look = async |process: &mut Process, offset: &str| {
        // The first upload of a day starts the check of receipts; the other checks run on their own.
        let url = format!("{}/ingest", process.url().await);
        assert_eq!(post(&url, "").await.0, 200);
        let process = &*process;
        poll(LONG, async || (rows(process, looked).await != ["0"]).then_some(())).await;
        if offset != "+0" {
            poll(LONG, async || {
                let lines = process.output();
                let judged = |line: &String| line.contains("stays for now") || line.contains("dropped a month");
                lines.iter().any(judged).then_some(())
            })
            .await;
        }
    };
    look(&mut process, "+0").await;
    ends(process).await;
    for offset in ["+400d", "+0", "+401d"] {
        let mut process = start(offset).await;
        look(&mut process, offset).await;
        assert_eq!(rows(&process, all).await, ["1|1|7"], "{offset}");
        ends(process).await;
    }
    let mut process = start("+402d").await;
    look(&mut process, "+402d").await;
    let process = &process;
    poll(LONG, async || (rows(process, all).await == ["0|0|0"]).then_some(())).await;
}
