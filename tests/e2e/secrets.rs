//! No secret in logs, errors or help, however it was passed and after every failure.

use crate::system::{LONG, client};
use testutil::{Authority, Nats, Postgres, Process, Program, nats, nats_url, poll, unique};

/// Used as every secret.
const SECRET: &str = "hunter2-and-more";

/// The expected behavior of a program before its output is checked.
enum Then<'a> {
    Ends(i32),
    Says(&'a str),
}

/// Fails where the output holds the secret, in clear or encoded as credentials.
fn check(process: &Process, what: &str) {
    let said = process.output().join("\n") + &process.stdout().join("\n");
    assert!(!said.is_empty(), "{what} said nothing");
    for secret in [SECRET, "hunter2", "aHVudGVyMi1hbmQtbW9yZT", "odToyb"] {
        let line = said.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{what} said a secret: {line:?}");
    }
}

async fn run(program: Program, then: Then<'_>, what: &str) {
    let mut process = program.env("RUST_LOG", "trace").spawn();
    match then {
        Then::Ends(code) => assert_eq!(process.wait(LONG).await, code, "{what}: {:#?}", process.output()),
        Then::Says(text) => {
            poll(LONG, async || process.output().join("\n").contains(text).then_some(())).await;
            process.kill9().await;
            // Reads its last output.
            process.wait(LONG).await;
        }
    }
    check(&process, what);
}

/// Database URLs that are invalid (`true`) or unreachable.
fn databases(server: &Postgres) -> Vec<(String, bool)> {
    let wrong = server.tcp_url().replace(":hunter2@", &format!(":{SECRET}@"));
    assert!(wrong.contains(SECRET));
    vec![
        (format!("mysql://u:{SECRET}@127.0.0.1/d"), true),
        (format!("postgres://u:{SECRET}@127.0.0.1:nowhere/d"), true),
        (format!("postgres://u:{SECRET}%zz@127.0.0.1/d?nonsense=1"), true),
        (format!("postgres://u:{SECRET}@127.0.0.1/d?sslmode=maybe"), true),
        (
            format!("postgres://u:{SECRET}@127.0.0.1/d?password={SECRET}&sslrootcert=/nowhere"),
            true,
        ),
        (format!("u:{SECRET}@postgres://127.0.0.1/d"), true),
        (format!("postgres://u:{SECRET}@127.0.0.1:1/d"), false),
        (format!("postgres://u:{SECRET}@nowhere.invalid/d"), false),
        (format!("postgres://u@127.0.0.1:1/d?password={SECRET}"), false),
        (wrong, false),
    ]
}

/// The same for event buses; the text is that of the failure.
fn buses(server: &Nats) -> Vec<(String, Option<&'static str>)> {
    let host = server.url().replace("nats://", "");
    vec![
        (format!("kafka://u:{SECRET}@127.0.0.1/readings"), None),
        (format!("u:{SECRET}@nats://127.0.0.1/readings"), None),
        (format!("nats://u:{SECRET}@127.0.0.1:nowhere/readings"), None),
        (format!("nats://u:{SECRET}/x@127.0.0.1/readings"), None),
        (format!("nats://{SECRET}@127.0.0.1/readings"), None),
        (format!("nats://u:{SECRET}%zz@127.0.0.1/readings"), None),
        (format!("nats://u:{SECRET}@127.0.0.1/readings?color={SECRET}"), None),
        (
            format!("nats://u:{SECRET}@127.0.0.1:1/readings"),
            Some("cannot be reached"),
        ),
        (
            format!("nats://u:{SECRET}@{host}/readings"),
            Some("refuses the credentials"),
        ),
        (format!("tls://u:{SECRET}@{host}/readings"), Some("by TLS")),
    ]
}

#[tokio::test]
async fn no_failure_says_a_secret() {
    let postgres = Postgres::start_with_tls(&Authority::new()).await;
    let nats = Nats::start(nats::Options {
        extra: "authorization { user: u, password: another }".to_owned(),
        ..nats::Options::default()
    })
    .await;
    let nowhere = "nats://127.0.0.1:1/readings";
    let folder = tempfile::tempdir().unwrap();
    for (url, unusable) in databases(&postgres) {
        let api = Program::new("api");
        let persistor = Program::new("persistor").env("EVENT_READER_URL", nowhere);
        let dumper = Program::new("dumper").args(["--blob-store-url", "file:///tmp/never"]);
        let up = Program::new("odograph")
            .args(["up", "--api-port", "0", "--data-dir"])
            .arg(folder.path());
        let rebuild = Program::new("odograph").arg("rebuild").env("EVENT_READER_URL", nowhere);
        let migrate = Program::new("odograph").arg("migrate");
        let messages = Program::new("messages").env("API_PORT", "0").env("API_KEY", SECRET);
        let journal = Program::new("journal").args(["--port", "0", "--demo-users"]);
        for (name, program) in [
            ("api", api),
            ("persistor", persistor),
            ("dumper", dumper),
            ("up", up),
            ("rebuild", rebuild),
            ("migrate", migrate),
            ("messages", messages),
            ("journal", journal),
        ] {
            let then = if unusable {
                Then::Ends(2)
            } else {
                Then::Says("the database")
            };
            run(program.env("DATABASE_URL", &url), then, &format!("{name} with {url}")).await;
        }
    }
    for (url, text) in buses(&nats) {
        let then = |text: Option<&'static str>| text.map_or(Then::Ends(2), Then::Says);
        let ingestor = Program::new("ingestor")
            .env("API_KEY", SECRET)
            .env("EVENT_WRITER_URL", &url);
        run(ingestor, then(text), &format!("ingestor with {url}")).await;
        if text.is_none() {
            let persistor = Program::new("persistor").env("EVENT_READER_URL", &url);
            let persistor = persistor.env("DATABASE_URL", postgres.tcp_url());
            run(persistor, then(text), &format!("persistor with {url}")).await;
        }
    }
    for url in [
        format!("s3://u:{SECRET}@bucket/x"),
        format!("u:{SECRET}@s3://bucket/x"),
        format!("s3://bucket/x?secret={SECRET}"),
        format!("ftp://u:{SECRET}@bucket/x"),
    ] {
        let dumper = Program::new("dumper").env("DATABASE_URL", "postgres://127.0.0.1:1/d");
        run(dumper.env("BLOB_STORE_URL", &url), Then::Ends(2), &url).await;
    }
    let replay = Program::new("odograph")
        .args(["replay", "/nowhere.ndjson"])
        .env("API_KEY", SECRET);
    run(replay, Then::Ends(1), "replay").await;
}

/// A key passed by flag works, with a warning; neither the key nor the uploaded data is logged.
#[tokio::test]
async fn a_secret_by_flag_brings_a_warning() {
    let line = format!(r#"{{"sensor":"speed","value":1,"timestamp":"2024-05-01T12:00:00Z","note":"{SECRET}"}}"#);
    let nats = Nats::start(nats::Options {
        extra: format!("authorization {{ user: u, password: \"{SECRET}\" }}"),
        ..nats::Options::default()
    })
    .await;
    let bus = nats.url().replace("nats://", &format!("nats://u:{SECRET}@")) + "/readings";
    let mut ingestor = Program::new("ingestor")
        .args(["--api-key", SECRET, "--event-writer-url", &bus])
        .env("RUST_LOG", "trace")
        .start()
        .await;
    let url = format!("{}/ingest", ingestor.url().await);
    for (key, status) in [(SECRET, 200), ("hunter2-no-more", 401)] {
        let upload = client().post(&url).body(format!("{line}\n"));
        let answer = upload.basic_auth(key, Some("")).send().await.unwrap();
        assert_eq!(answer.status(), status);
        let text = answer.text().await.unwrap();
        assert!(!text.contains(SECRET), "{text}");
    }
    let metrics = format!("http://{}/metrics", ingestor.address("admin").await);
    let metrics = client().get(metrics).send().await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains("ingestor_key_last_used_timestamp_seconds{key=\"flag-1\"}"),
        "{metrics}"
    );
    assert!(
        metrics.contains("ingestor_uploads_unauthenticated_total 1"),
        "{metrics}"
    );
    assert!(!metrics.contains("hunter2"), "{metrics}");
    let log = ingestor.output().join("\n");
    for flag in ["--api-key", "--event-writer-url"] {
        assert!(log.contains(&format!("{flag} on the command line")), "{log}");
    }
    ingestor.signal(testutil::Signal::SIGTERM);
    assert_eq!(ingestor.wait(LONG).await, 0);
    check(&ingestor, "an ingestor at work");

    let url = format!("postgres://u:{SECRET}@127.0.0.1:1/d");
    for (name, command) in [("persistor", None), ("api", None), ("odograph", Some("migrate"))] {
        let program = Program::new(name).args(command).args(["--database-url", &url]);
        run(program, Then::Says("--database-url on the command line"), name).await;
    }
}

#[tokio::test]
async fn help_shows_no_variable_that_is_secret() {
    let secrets = [
        "API_KEY",
        "DATABASE_URL",
        "EVENT_WRITER_URL",
        "EVENT_READER_URL",
        "EVENT_URL",
        "BLOB_STORE_URL",
    ];
    let programs = [
        ("ingestor", None),
        ("persistor", None),
        ("api", None),
        ("dumper", None),
        ("odograph", Some("up")),
        ("odograph", Some("rebuild")),
        ("odograph", Some("migrate")),
        ("odograph", Some("replay")),
        ("odograph", Some("simulate")),
    ];
    for (name, command) in programs {
        let mut program = Program::new(name).args(command).arg("--help");
        for variable in secrets {
            program = program.env(variable, format!("x://u:{SECRET}@h/d"));
        }
        let mut process = program.spawn();
        assert_eq!(process.wait(LONG).await, 0);
        check(&process, name);
    }
}

/// A running ingestor follows changes of its key file.
#[tokio::test]
async fn keys_are_rotated_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let new = async || {
        let mut made = Program::new("odograph")
            .args(["key", "new", "--device", "lada"])
            .spawn();
        assert_eq!(made.wait(LONG).await, 0);
        let lines: Vec<String> = made.stdout().iter().map(|line| line.trim().to_owned()).collect();
        let key = lines.iter().find(|line| line.starts_with("odo_")).unwrap().clone();
        let line = lines.iter().find(|line| line.contains(" lada ")).unwrap().clone();
        let id = line.split(' ').next().unwrap().to_owned();
        (key, line, id)
    };
    let ((old, old_line, old_id), (key, line, id)) = (new().await, new().await);
    std::fs::write(&file, format!("{old_line}\n")).unwrap();
    let bus = nats_url(&unique("readings"));
    let ingestor = Program::new("ingestor").env("EVENT_WRITER_URL", bus);
    let mut ingestor = ingestor.arg("--api-keys-file").arg(&file).start().await;
    let url = format!("{}/ingest", ingestor.url().await);
    let admin = ingestor.address("admin").await;
    let http = client();
    let status = async |key: &str| {
        let upload = http.post(&url).bearer_auth(key).body("");
        upload.send().await.unwrap().status().as_u16()
    };
    let metrics = async || {
        let text = http.get(format!("http://{admin}/metrics")).send().await.unwrap();
        text.text().await.unwrap()
    };
    assert_eq!((status(&old).await, status(&key).await), (200, 401));
    std::fs::write(&file, format!("{old_line}\n{line}\n")).unwrap();
    poll(LONG, async || (status(&key).await == 200).then_some(())).await;
    assert_eq!(status(&old).await, 200);
    let page = metrics().await;
    assert!(page.contains(&old_id) && page.contains(&id), "{page}");
    // A truncated line: the keys do not change, and the log says so.
    std::fs::write(&file, &line[..line.len() - 1]).unwrap();
    poll(LONG, async || {
        ingestor
            .output()
            .join("\n")
            .contains("the keys stay as they were")
            .then_some(())
    })
    .await;
    assert_eq!((status(&old).await, status(&key).await), (200, 200));
    std::fs::write(&file, format!("{line}\n")).unwrap();
    poll(LONG, async || (status(&old).await == 401).then_some(())).await;
    assert_eq!(status(&key).await, 200);
    let page = metrics().await;
    assert!(!page.contains(&old_id) && page.contains(&id), "{page}");
    check_keys(&ingestor, &[&old, &key]);
}

fn check_keys(process: &Process, keys: &[&str]) {
    let log = process.output().join("\n");
    for key in keys {
        assert!(!log.contains(key), "{log}");
    }
}

/// A comma separates keys; the log has their number, and the help explains it.
#[tokio::test]
async fn keys_are_counted_at_the_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("\u{feff}id * {}\r\n", "0".repeat(64))).unwrap();
    let mut ingestor = Program::new("ingestor")
        .env("API_KEY", "with,comma,123456789")
        .env("EVENT_WRITER_URL", nats_url(&unique("readings")))
        .args(["--api-keys-file", file.path().to_str().unwrap()])
        .start()
        .await;
    let address = ingestor.address("main").await;
    let log = ingestor.output().join("\n");
    assert!(log.contains(r#""from_flags":3,"from_file":1"#), "{log}");
    assert!(!log.contains("123456789"), "{log}");
    for (key, status) in [("with,comma,123456789", 401), ("comma", 200)] {
        let upload = client().post(format!("http://{address}/ingest")).bearer_auth(key);
        assert_eq!(upload.send().await.unwrap().status().as_u16(), status, "{key}");
    }
    for (program, arguments) in [("ingestor", &["--help"][..]), ("odograph", &["up", "--help"])] {
        let mut help = Program::new(program).args(arguments.iter().copied()).spawn();
        assert_eq!(help.wait(LONG).await, 0);
        let help = help.stdout().join(" ");
        assert!(help.contains("Commas separate keys"), "{help}");
    }
}
