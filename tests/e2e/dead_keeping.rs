//! Dead letters in the database: bounded, purged, and taken over from earlier versions.

use crate::dead::{dead, list};
use crate::history::stream;
use crate::system::{LONG, System, connect};
use async_nats::jetstream;
use serde_json::Value;
use std::fmt::Write;
use testutil::{Program, nats_url, poll, unique};

const GOOD: &str = r#"{"sensor":"speed","value":1,"timestamp":"2024-05-01T12:00:00Z"}"#;

async fn number(system: &System, what: &str) -> i64 {
    let sql = connect(&system.database.url()).await;
    let count = format!("SELECT count(*) FROM {what}");
    sql.query_one(&count, &[]).await.unwrap().get(0)
}

async fn wait_for(system: &System, what: &str, expected: i64) {
    poll(LONG, async || (number(system, what).await == expected).then_some(())).await;
}

async fn publish_junk(system: &System) {
    let (server, name) = system.bus.rsplit_once('/').unwrap();
    let context = jetstream::new(async_nats::connect(server).await.unwrap());
    let stored = context.publish(format!("{name}.live"), "junk".into()).await.unwrap();
    stored.await.unwrap();
}

/// The oldest rejected lines are evicted where there are too many, but no message.
#[tokio::test]
async fn a_flood_of_lines_pushes_out_the_oldest_lines_alone() {
    const MOST: i64 = 2 << 20;
    let mut system = System::over(testutil::database().await, nats_url(&unique("readings")), 0, &[]).await;
    let persistor = system.persistor().args(["--dead-letter-bytes", "2MiB"]).start().await;
    system.persistors.push(persistor);
    publish_junk(&system).await;
    wait_for(&system, "dead_letter", 1).await;
    for upload in 0..6 {
        let mut bad = String::new();
        for line in 0..1000 {
            writeln!(bad, "{upload} {line} {}", "x".repeat(900)).unwrap();
        }
        assert_eq!(system.post(bad).await.0, 400);
    }
    // Good readings are stored all the same.
    assert_eq!(system.post(GOOD).await.0, 200);
    system.wait_for_rows(1).await;
    let url = system.database.url_as("odograph_writer");
    let place = ("DATABASE_URL", &*url);
    let last = |rows: &[Value]| {
        let reading = rows.last().and_then(|row| row["reading"].as_str());
        reading.is_some_and(|reading| reading.starts_with("5 999 "))
    };
    let rows = poll(LONG, async || {
        let rows = list(place, &["--limit", "100000"]).await;
        // Eviction happens after the last ones are stored.
        let oldest = rows.get(1).and_then(|row| row["reading"].as_str());
        (last(&rows) && oldest.is_some_and(|oldest| oldest > "3")).then_some(rows)
    })
    .await;
    assert_eq!(rows[0]["kind"], "message");
    let sql = connect(&system.database.url()).await;
    let sum = "SELECT sum(octet_length(payload))::int8 FROM dead_letter";
    let bytes = poll(LONG, async || {
        let bytes: i64 = sql.query_one(sum, &[]).await.ok()?.get(0);
        (bytes < MOST * 9 / 8).then_some(bytes)
    });
    assert!(bytes.await > MOST / 2);
    let admin = system.persistors[0].address("admin").await;
    let metrics = poll(LONG, async || {
        let evicted = number(&system, "dead_letter_gone WHERE evicted").await;
        let metrics = system.http.get(format!("http://{admin}/metrics")).send().await.ok()?;
        let metrics = metrics.text().await.ok()?;
        let told = metrics.contains(&format!("persistor_dead_letters_evicted_total {evicted}\n"));
        (evicted > 10 && told).then_some(metrics)
    })
    .await;
    for line in [
        format!("persistor_dead_letter_max_bytes {MOST}"),
        "persistor_dead_letters_total 1".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    let said = system.persistors[0].output();
    assert!(
        said.iter().any(|line| line.contains("evicted the oldest dead letters")),
        "{said:#?}"
    );
}

/// A rebuild does not bring back purged or redriven dead letters, but those lost with the database.
#[tokio::test]
async fn what_was_dropped_is_not_rebuilt() {
    let mut system = System::over(
        testutil::database().await,
        nats_url(&unique("readings")),
        0,
        &["--max-future", "1h"],
    )
    .await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2);
    let soon = GOOD.replace("2024-05-01T12:00:00Z", &soon.to_string());
    // The answer comes once they are on the bus, before a persistor reads them.
    assert_eq!(system.post("to be purged").await.0, 400);
    assert_eq!(system.post(format!("left as it is\n{soon}")).await.0, 400);
    assert_eq!(system.post(format!("{soon}\n")).await.0, 400);
    publish_junk(&system).await;
    let persistor = system.persistor().start().await;
    system.persistors.push(persistor);
    wait_for(&system, "dead_letter", 4).await;

    let url = system.database.url_as("odograph_writer");
    let place = ("DATABASE_URL", &*url);
    let rows = list(place, &[]).await;
    let id = |what: &str| {
        let row = rows.iter().find(|row| row.to_string().contains(what)).unwrap();
        row["id"].to_string()
    };
    for id in [id("to be purged"), id("message")] {
        assert_eq!(dead(place, &["purge", &id, "--yes"]).await.0, 0);
    }
    let redrive = [
        "redrive",
        "--all",
        "--max-future",
        "24h",
        "--event-reader-url",
        &system.bus,
    ];
    assert_eq!(dead(place, &redrive).await.0, 1, "one is left");
    system.wait_for_rows(1).await;
    let left = async |database: &str| {
        let rows = list(("DATABASE_URL", database), &[]).await;
        let shown = |row: &Value| row["reading"].as_str().or(row["kind"].as_str()).unwrap().to_owned();
        let mut rows: Vec<String> = rows.iter().map(shown).collect();
        rows.sort();
        rows
    };
    assert_eq!(left(&url).await, ["left as it is"]);
    let rebuild = async |database: String| {
        let rebuild = Program::new("odograph").arg("rebuild");
        let mut process = rebuild
            .env("EVENT_READER_URL", &system.bus)
            .env("DATABASE_URL", database)
            .args(["--migrate", "false"])
            .spawn();
        assert_eq!(process.wait(LONG).await, 0, "{:#?}", process.output());
        process.stdout().join("\n")
    };
    let said = rebuild(url.clone()).await;
    assert!(
        said.contains("1 messages cannot be stored, 0 dead letters of rejected lines added"),
        "{said}"
    );
    assert_eq!(left(&url).await, ["left as it is"]);

    let empty = testutil::database().await;
    testutil::give_roles(&empty.url()).await;
    let said = rebuild(empty.url()).await;
    assert!(
        said.contains("1 messages cannot be stored, 3 dead letters of rejected lines added"),
        "{said}"
    );
    let mut all = ["left as it is", "message", "to be purged", &soon, &soon].map(str::to_owned);
    all.sort();
    assert_eq!(left(&empty.url()).await, all);
    // The stream is compared as before: rejected lines are no readings, and there is no difference.
    let mut verify = Program::new("odograph")
        .args(["verify", &system.bus, &empty.url()])
        .spawn();
    assert_eq!(verify.wait(LONG).await, 0, "{:#?}", verify.output());
}

/// If the table of dead letters cannot be written, dead letters wait, however many, but no reading does.
#[tokio::test]
async fn readings_do_not_wait_for_dead_letters() {
    let system = System::start(1).await;
    let mut sql = connect(&system.database.url()).await;
    let locked = sql.transaction().await.unwrap();
    locked
        .batch_execute("LOCK TABLE dead_letter IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    // More than a persistor holds in memory.
    let flood = format!("{}\n", "x".repeat(4000)).repeat(1000);
    for _ in 0..4 {
        assert_eq!(system.post(flood.clone()).await.0, 400);
    }
    for second in 0..40 {
        // On the live lane; the next body, larger than a segment, on the bulk lane.
        let good = GOOD.replace("12:00:00", &format!("12:00:{second:02}"));
        assert_eq!(system.post(format!("nonsense\n{good}")).await.0, 400);
    }
    let mut large = "nonsense\n".to_owned();
    for second in 0..20_000 {
        let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
        writeln!(large, "{}", GOOD.replace("01T12:00:00", &format!("02T{time}"))).unwrap();
    }
    assert_eq!(system.post(large).await.0, 400);
    system.wait_for_rows(20_040).await;
    locked.rollback().await.unwrap();
    // The bus redelivers the unacknowledged messages.
    let lines = "dead_letter, LATERAL regexp_matches(encode(payload, 'escape'), '\"ordinal\"', 'g')";
    wait_for(&system, lines, 4041).await;
}

/// The stream of dead letters as version 0.1 made it.
struct Left {
    context: jetstream::Context,
    name: String,
}

impl Left {
    async fn make(bus: &str) -> Self {
        let (server, name) = bus.rsplit_once('/').unwrap();
        let context = jetstream::new(async_nats::connect(server).await.unwrap());
        let config = jetstream::stream::Config {
            name: format!("{}_DEAD", name.to_uppercase()),
            subjects: vec![format!("{name}_dead.>")],
            discard: jetstream::stream::DiscardPolicy::Old,
            max_bytes: 16 << 20,
            ..Default::default()
        };
        context.create_stream(config).await.unwrap();
        Self {
            context,
            name: name.to_owned(),
        }
    }

    async fn add(&self, id: &str, kind: &str, headers: &[(&str, &str)], payload: Vec<u8>) {
        let mut all = async_nats::HeaderMap::new();
        for (name, value) in [
            ("ce-specversion", "1.0"),
            ("ce-id", id),
            ("ce-type", kind),
            ("ce-source", "/test"),
        ] {
            all.insert(name, value);
        }
        for (name, value) in headers {
            all.insert(*name, *value);
        }
        let subject = format!("{}_dead.{}", self.name, if kind == LINES { "lines" } else { "letters" });
        let sent = self.context.publish_with_headers(subject, all, payload.into()).await;
        sent.unwrap().await.unwrap();
    }

    async fn messages(&self) -> u64 {
        let stream = self
            .context
            .get_stream(format!("{}_DEAD", self.name.to_uppercase()))
            .await;
        stream.unwrap().cached_info().state.messages
    }

    async fn wait_until_empty(&self) {
        poll(LONG, async || (self.messages().await == 0).then_some(())).await;
    }
}

const LINES: &str = "odograph.rejected.v1";

/// A rejected line as version 0.1 wrote it.
fn line(upload: uuid::Uuid, number: usize) -> Vec<u8> {
    format!(
        "{{\"upload\":\"{upload}\",\"line\":{number},\"device\":\"lada\",\"reason\":\"not JSON\",\"reading\":\"nonsense {number}\"}}\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn dead_letters_that_the_last_release_left_on_the_bus() {
    let mut system = System::over(testutil::database().await, nats_url(&unique("readings")), 0, &[]).await;
    let left = Left::make(&system.bus).await;
    assert_eq!(system.post(GOOD).await.0, 200);
    let sent = stream(&system.bus).await.get_raw_message(1).await.unwrap();
    let (id, upload) = (uuid::Uuid::new_v4().to_string(), uuid::Uuid::now_v7());
    let since = "2024-05-01T12:00:00Z".parse::<jiff::Timestamp>().unwrap();
    let ahead = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).as_microsecond();
    left.add(
        "lines",
        LINES,
        &[("odograph-buried", &since.as_microsecond().to_string())],
        line(upload, 7),
    )
    .await;
    left.add(
        &id,
        "odograph.readings.v1",
        &[
            ("odograph-lane", "live"),
            ("odograph-reason", "unlucky"),
            ("odograph-buried", &ahead.to_string()),
        ],
        sent.payload.to_vec(),
    )
    .await;
    let cut = [
        ("odograph-lane", "bulk"),
        ("odograph-cut-from", "2000000"),
        ("who", "a stranger"),
    ];
    left.add("", "", &cut, vec![b'x'; 1_000_000]).await;
    // Its rest after some of its lines were redriven.
    left.add("lines", LINES, &[], line(upload, 8)).await;
    for _ in 0..2 {
        let persistor = system.persistor().start().await;
        system.persistors.push(persistor);
    }
    left.wait_until_empty().await;
    let url = system.database.url_as("odograph_writer");
    let place = ("DATABASE_URL", &*url);
    let rows = list(place, &[]).await;
    assert_eq!(rows.len(), 3, "{rows:?}");
    let of = |what: &str| {
        rows.iter()
            .find(|row| row.to_string().contains(what))
            .unwrap_or_else(|| panic!("{rows:?}"))
    };
    assert_eq!(of("nonsense")["line"], 8);
    let message = of("unlucky");
    assert_eq!(
        (&message["event"], &message["lane"], &message["readings"]),
        (&id.clone().into(), &"live".into(), &1.into())
    );
    let time: jiff::Timestamp = message["time"].as_str().unwrap().parse().unwrap();
    assert!(time.as_microsecond().abs_diff(ahead) < 1_000_000, "{message}");
    let junk = of("a stranger");
    assert_eq!(
        (&junk["cutFrom"], &junk["bytes"]),
        (&2_000_000.into(), &1_000_000.into())
    );

    // An ingestor of that release goes on, and a purged dead letter may appear there once more.
    assert_eq!(dead(place, &["purge", &message["id"].to_string(), "--yes"]).await.0, 0);
    left.add(
        &id,
        "odograph.readings.v1",
        &[("odograph-lane", "live")],
        sent.payload.to_vec(),
    )
    .await;
    left.add("more lines", LINES, &[], line(upload, 9)).await;
    wait_for(&system, "dead_letter", 4).await;
    left.wait_until_empty().await;
    assert_eq!(
        dead(place, &["redrive", "--all", "--event-writer-url", &system.bus])
            .await
            .0,
        1
    );
    wait_for(&system, "dead_letter", 3).await;
}

/// The persistor is killed repeatedly between storing dead letters and deleting them from the stream.
#[tokio::test]
async fn a_persistor_killed_while_it_takes_over_dead_letters() {
    const LETTERS: usize = 3000;
    let mut system = System::over(testutil::database().await, nats_url(&unique("readings")), 0, &[]).await;
    let left = Left::make(&system.bus).await;
    let upload = uuid::Uuid::now_v7();
    for number in 0..LETTERS {
        left.add(&format!("letter {number:04}"), LINES, &[], line(upload, number))
            .await;
    }
    for round in 1..=4 {
        let persistor = system.persistor().start().await;
        system.persistors.push(persistor);
        let some = i64::try_from(LETTERS / 6 * round).unwrap();
        poll(LONG, async || {
            (number(&system, "dead_letter").await >= some).then_some(())
        })
        .await;
        system.persistors[0].kill9().await;
        system.persistors.clear();
    }
    let persistor = system.persistor().start().await;
    system.persistors.push(persistor);
    left.wait_until_empty().await;
    assert_eq!(number(&system, "dead_letter").await, LETTERS as i64);
    let url = system.database.url();
    let rows = list(("DATABASE_URL", &url), &["--limit", "100000"]).await;
    let numbers: Vec<_> = rows.iter().filter_map(|row| row["line"].as_u64()).collect();
    assert!(numbers.is_sorted() && numbers.len() == LETTERS, "they are out of order");
}
