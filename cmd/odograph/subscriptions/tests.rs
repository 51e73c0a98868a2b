//! The commands against the notifier's own routes, on a socket and a real database.

use super::api::Api;
use super::{Args, Command, listen, perform};
use clap::Parser;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use serde_json::json;
use service::Service;
use std::io::Write;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

const KEY: &str = "the management key of tests";

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// A notifier that only manages. Rules are in force at once.
struct Notifier {
    url: String,
    pool: postgres::Pool,
    keys: Arc<webhook::Keys>,
    _stop: DropGuard,
    _database: testutil::Database,
}

impl Notifier {
    async fn start() -> Self {
        service::install_tls();
        let database = testutil::database().await;
        let pool = postgres::open(&database.url(), 4, Duration::from_secs(25)).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        let at_once = "CREATE FUNCTION at_once() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN NEW.in_force := NEW.rule; RETURN NEW; END$$;
            CREATE TRIGGER zz_at_once BEFORE INSERT OR UPDATE ON subscription
                FOR EACH ROW EXECUTE FUNCTION at_once();";
        pool.get().await.unwrap().batch_execute(at_once).await.unwrap();
        let keys = Arc::new(webhook::Keys::new("a signing key of 32 bytes or more".to_owned().into(), None).unwrap());
        let manager = subscription::manage::Manager::new(pool.clone(), &Service::new("test", Duration::from_secs(25)))
            .key(&KEY.to_owned().into())
            .signing(keys.clone())
            .allowed(webhook::Allowed::parse(["127.0.0.1"]).unwrap());
        let (url, stop) = serve(web::finish(subscription::manage::routes(manager))).await;
        Self {
            url,
            pool,
            keys,
            _stop: stop,
            _database: database,
        }
    }

    fn api(&self) -> Api {
        Api::new(&self.url, Some(KEY.to_owned().into())).unwrap()
    }

    /// What a command prints, or its error.
    async fn say(&self, line: &[&str]) -> Result<String, String> {
        let start = ["odograph", "--url", &self.url];
        let all = start.iter().chain(line).copied();
        let Line { args } = Line::try_parse_from(all).map_err(|error| error.to_string())?;
        let told = perform(&self.api(), args.command, args.json).await;
        told.map_err(|error| format!("{error:#}"))
    }
}

/// Serves routes on a free port until the guard is dropped.
async fn serve(routes: axum::Router) -> (String, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(web::serve(listener, routes, web::Front::default(), stop.clone()));
    (url, stop.drop_guard())
}

#[tokio::test]
async fn subscriptions_are_created_edited_listed_and_deleted() {
    let notifier = Notifier::start().await;
    let none = notifier.say(&["list"]).await.unwrap();
    assert!(none.starts_with("There are no subscriptions."), "{none}");
    let create = [
        "create",
        "hot",
        "--device",
        "lada",
        "--filter",
        "engine_temperature > 105",
        "--for",
        "30s",
        "--to",
        "http://127.0.0.1:5003/",
        "--header",
        "Authorization: Bearer hunter2",
    ];
    assert_eq!(notifier.say(&create).await.unwrap(), "hot: active\n");
    let taken = notifier.say(&create).await.unwrap_err();
    assert!(taken.contains("taken"), "{taken}");
    assert_eq!(
        notifier.say(&["list"]).await.unwrap(),
        "NAME  STATE   PENDING  LAST ANSWER\nhot   active  0        none yet\n"
    );
    assert_eq!(
        notifier.say(&["edit", "hot", "--for", "1m"]).await.unwrap(),
        "hot: active\n"
    );
    let shown = notifier.say(&["show", "hot"]).await.unwrap();
    assert!(
        shown.contains(r#""for": "1m""#) && shown.contains(r#""Authorization": null"#),
        "{shown}"
    );
    let client = notifier.pool.get().await.unwrap();
    let row = client
        .query_one("SELECT headers->>'Authorization' FROM subscription", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "Bearer hunter2");
    let replaced = [&create[..], &["--replace"]].concat();
    assert_eq!(notifier.say(&replaced).await.unwrap(), "hot: active\n");
    assert_eq!(notifier.say(&["pause", "hot"]).await.unwrap(), "hot: paused\n");
    assert_eq!(
        notifier.say(&["resume", "hot", "--drop"]).await.unwrap(),
        "hot: active\n"
    );
    assert_eq!(
        notifier.say(&["attempts", "hot"]).await.unwrap(),
        "Nothing was tried yet.\n"
    );
    assert_eq!(
        notifier.say(&["dead", "hot"]).await.unwrap(),
        "No delivery was given up.\n"
    );
    assert_eq!(
        notifier.say(&["redrive", "hot", "--all"]).await.unwrap(),
        "0 deliveries are sent once more\n"
    );
    let nothing = notifier.say(&["redrive", "hot"]).await.unwrap_err();
    assert!(nothing.contains("--all"), "{nothing}");
    let replay = notifier.say(&["replay", "hot", "--from", "30d"]).await.unwrap();
    assert!(replay.starts_with("The replay is queued"), "{replay}");
    let json = notifier.say(&["list", "--json"]).await.unwrap();
    assert!(json.starts_with(r#"{"subscriptions":[{"#), "{json}");
    let test = notifier.say(&["test", "hot", "--from", "30d"]).await.unwrap_err();
    assert!(test.contains("cannot test"), "{test}");
    assert_eq!(notifier.say(&["delete", "hot"]).await.unwrap(), "deleted hot\n");
    let gone = notifier.say(&["show", "hot"]).await.unwrap_err();
    assert_eq!(gone, "There is no subscription with this name.");
}

#[tokio::test]
async fn a_bad_filter_is_pointed_at() {
    let notifier = Notifier::start().await;
    let bad = [
        "create",
        "hot",
        "--filter",
        "speed > 1 && outside(\"home\")",
        "--to",
        "http://127.0.0.1:5003/",
    ];
    let told = notifier.say(&bad).await.unwrap_err();
    let (sentence, place) = told.split_once("\n\n").unwrap();
    assert!(sentence.starts_with("--filter: line 1, column 14: "), "{told}");
    assert_eq!(place, "  speed > 1 && outside(\"home\")\n               ^");
}

#[tokio::test]
async fn what_is_wrong_is_said_of_a_flag() {
    let notifier = Notifier::start().await;
    let target = ["--to", "http://127.0.0.1:5003/"];
    let create = ["create", "hot", "--filter", "speed > 1"];
    let line = |more: &[&'static str]| [&create[..], &target[..], more].concat();
    for (line, expected) in [
        (create.to_vec(), "--to: it is missing"),
        (line(&["--max-age", "x"]), "--max-age: "),
        (line(&["--header", "a b: c"]), "--header: "),
        (
            line(&["--body", "device"]),
            "--body: it is for the format text; add --format text",
        ),
        (line(&["--retries", "0s,x"]), "--retries: "),
        (
            vec![
                "create",
                "a b",
                "--filter",
                "speed > 1",
                "--to",
                "http://127.0.0.1:5003/",
            ],
            "NAME: write",
        ),
    ] {
        let told = notifier.say(&line).await.unwrap_err();
        assert!(told.starts_with(expected), "{line:?}: {told}");
    }
    notifier.say(&line(&[])).await.unwrap();
    for (line, expected) in [
        (vec!["attempts", "hot", "--limit", "0"], "--limit: "),
        (vec!["redrive", "hot", "x"], "ID: "),
        (vec!["rotate", "hot", "--overlap", "x"], "--overlap: "),
        (vec!["edit", "hot", "--to", "ftp://127.0.0.1"], "--to: "),
        (
            vec!["test", "hot", "--from", "1h", "--to-time", "2h"],
            "--to-time: it is not after",
        ),
        (
            vec!["replay", "hot", "--from", "1h", "--to-time", "2h"],
            "--to-time: it is not after",
        ),
    ] {
        let told = notifier.say(&line).await.unwrap_err();
        assert!(told.starts_with(expected), "{line:?}: {told}");
    }
    // A file has the notifier's names.
    let file = tempfile::NamedTempFile::new().unwrap();
    let plan = json!({"subscriptions": [{"name": "fast", "filter": "speed > 1"}]});
    std::fs::write(file.path(), plan.to_string()).unwrap();
    let told = notifier
        .say(&["apply", file.path().to_str().unwrap()])
        .await
        .unwrap_err();
    assert!(
        told.starts_with("subscription fast: targetUrl: it is missing"),
        "{told}"
    );
}

#[tokio::test]
async fn a_webhook_that_never_answers_is_seen_first() {
    let notifier = Notifier::start().await;
    let create = [
        "create",
        "hot",
        "--filter",
        "speed > 1",
        "--to",
        "http://127.0.0.1:5003/",
    ];
    notifier.say(&create).await.unwrap();
    let client = notifier.pool.get().await.unwrap();
    let failed = "
        SET timezone = 'UTC';
        SELECT make_partition(parent::regclass, parent || to_char(day, '_YYYY_MM_DD'), day::text, (day + 1)::text)
            FROM unnest(ARRAY['attempt', 'delivery']) AS parent, (SELECT current_date - ago AS day FROM generate_series(0, 1) AS ago) AS days;
        INSERT INTO delivery (subscription, seq, id, key, type, moment, data)
            SELECT id, 1, '00000000-0000-8000-8000-000000000001', 'lada', 'odograph.reading.rise.v1', now(), '{}'
            FROM subscription;
        INSERT INTO attempt (subscription, seq, number, try, at, ms, error, outcome)
            SELECT id, 1, 0, 1, now() - interval '2 min 30 s', 15000, 'no answer in time', 'dead' FROM subscription;
        UPDATE subscription SET gaps = 3;";
    client.batch_execute(failed).await.unwrap();
    assert_eq!(
        notifier.say(&["list"]).await.unwrap(),
        "NAME  STATE    PENDING  LAST ANSWER                PROBLEM\n\
         hot   failing  0        no answer in time, 2m ago  3 events were not queued; replay them\n"
    );
    let dead = notifier.say(&["dead", "hot"]).await.unwrap();
    assert!(dead.starts_with("TIME") && dead.contains("lada"), "{dead}");
    let id = "00000000-0000-8000-8000-000000000001";
    assert_eq!(
        notifier.say(&["redrive", "hot", id]).await.unwrap(),
        "1 delivery is sent once more\n"
    );
    let unknown = notifier.say(&["redrive", "hot", id]).await.unwrap();
    assert!(unknown.contains("no delivery that was given up"), "{unknown}");
}

#[tokio::test]
async fn a_file_is_applied() {
    let notifier = Notifier::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.json");
    let path = file.to_str().unwrap();
    let target = "http://127.0.0.1:5003/";
    let square = json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]});
    let plan = json!({"areas": {"home": square}, "subscriptions": [
        {"name": "home", "filter": "inside(\"home\")", "fire": "both", "targetUrl": target},
        {"name": "hot", "filter": "speed > 1", "targetUrl": target, "headers": {"X": "y"}}]});
    std::fs::write(&file, plan.to_string()).unwrap();
    let first = notifier.say(&["apply", path]).await.unwrap();
    assert_eq!(first, "created    area home\ncreated    home\ncreated    hot\n");
    let ids = || async {
        let client = notifier.pool.get().await.unwrap();
        let rows = client
            .query("SELECT id::text FROM subscription ORDER BY name", &[])
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    };
    let before = ids().await;
    let second = notifier.say(&["apply", path]).await.unwrap();
    assert_eq!(second, "unchanged  area home\nunchanged  home\nreplaced   hot\n");
    assert_eq!(ids().await, before);
    // As an editor of maps writes it: the same borders are no change, others are.
    for (east, what) in [(json!(1), "unchanged"), (json!(1.5), "replaced ")] {
        let square = json!({"type": "Polygon", "coordinates": [[[0, 0], [east, 0], [east, 1], [0, 0]]]});
        let feature = json!({"type": "Feature", "properties": {"name": "Home"}, "geometry": square});
        let plan = json!({"areas": {"home": feature}, "subscriptions": []});
        std::fs::write(&file, plan.to_string()).unwrap();
        let told = notifier.say(&["apply", path]).await.unwrap();
        assert_eq!(told, format!("{what}  area home\n"));
    }
    let less = json!({"areas": {}, "subscriptions": [{"name": "hot", "filter": "speed > 2", "targetUrl": target}]});
    std::fs::write(&file, less.to_string()).unwrap();
    assert_eq!(notifier.say(&["apply", path]).await.unwrap(), "replaced   hot\n");
    let pruned = notifier.say(&["apply", path, "--prune"]).await.unwrap();
    assert_eq!(pruned, "unchanged  hot\ndeleted    home\ndeleted    area home\n");
    assert_eq!(ids().await, before[1..]);
    std::fs::write(&file, r#"{"subscriptions": []}"#).unwrap();
    let nothing = notifier.say(&["apply", path]).await.unwrap();
    assert_eq!(nothing, "The file names nothing, so nothing is done.\n");
    let missing = notifier.say(&["apply", "/nonexistent"]).await.unwrap_err();
    assert!(missing.starts_with("read /nonexistent"), "{missing}");
}

#[tokio::test]
async fn areas_are_set_listed_and_deleted() {
    let notifier = Notifier::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("home.geojson");
    std::fs::write(&file, r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}"#).unwrap();
    for _ in 0..2 {
        let set = notifier
            .say(&["areas", "set", "home", file.to_str().unwrap()])
            .await
            .unwrap();
        assert_eq!(set, "home is set\n");
    }
    assert_eq!(
        notifier.say(&["areas", "list"]).await.unwrap(),
        "NAME  POINTS\nhome  4\n"
    );
    assert_eq!(
        notifier.say(&["areas", "delete", "home"]).await.unwrap(),
        "deleted home\n"
    );
    assert!(
        notifier
            .say(&["areas", "list"])
            .await
            .unwrap()
            .starts_with("There are no areas.")
    );
}

/// What a receiver wrote.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn deliveries_are_verified_and_printed() {
    let notifier = Notifier::start().await;
    notifier
        .say(&[
            "create",
            "hot",
            "--filter",
            "speed > 1",
            "--to",
            "http://127.0.0.1:5003/",
        ])
        .await
        .unwrap();
    let client = notifier.pool.get().await.unwrap();
    let id: uuid::Uuid = client
        .query_one("SELECT id FROM subscription", &[])
        .await
        .unwrap()
        .get(0);
    let secrets = notifier.keys.secrets(id.into_bytes(), 1);
    let shown = notifier.say(&["secret", "hot"]).await.unwrap();
    assert_eq!(shown, format!("{}\n", secrets[0].text().expose_secret()));
    let secret = listen::secret_of(&notifier.api(), "hot").await.unwrap();
    let written = Written::default();
    let receiver = listen::Receiver {
        secret: Some(secret),
        zone: TimeZone::UTC,
        out: Mutex::new(written.clone()),
        awaited: Some(AtomicU64::new(1)),
        done: CancellationToken::new(),
    };
    let done = receiver.done.clone();
    let (url, _stop) = serve(listen::routes(receiver)).await;
    let event = json!({"type": "odograph.reading.rise.v1", "timestamp": "2026-11-26T12:00:00Z", "data": {
        "subscription": "hot", "device": "lada", "state": true, "values": {"speed": 12.5}, "late": true}});
    let send = |body: String, signed: String, age: i64| {
        let sent = (jiff::Timestamp::now().as_second() - age).unsigned_abs();
        let signature = webhook::Signature::new(&secrets, "id-1", sent, signed.as_bytes()).unwrap();
        let request = reqwest::Client::new()
            .post(format!("{url}/any"))
            .header("webhook-id", "id-1")
            .header("webhook-timestamp", sent.to_string())
            .header("webhook-signature", signature.value().to_str().unwrap())
            .body(body);
        async { request.send().await.unwrap().status().as_u16() }
    };
    assert!(!done.is_cancelled());
    assert_eq!(send(event.to_string(), event.to_string(), 0).await, 200);
    assert!(done.is_cancelled());
    assert_eq!(send("lada is hot".to_owned(), "lada is hot".to_owned(), 0).await, 200);
    assert_eq!(send("lada is cold".to_owned(), "lada is hot".to_owned(), 0).await, 401);
    assert_eq!(send("lada is hot".to_owned(), "lada is hot".to_owned(), 600).await, 401);
    let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert_eq!(
        lines,
        "2026-11-26 12:00:00  lada  rise  speed=12.5  late\nPOST /any  lada is hot\n\
         id-1  the signature is wrong: answered 401\nid-1  the signature is wrong: answered 401\n"
    );
}

#[tokio::test]
async fn who_does_not_answer_is_named() {
    service::install_tls();
    let api = Api::new("http://127.0.0.1:1", None).unwrap();
    let told = perform(&api, Command::List, false).await.unwrap_err().to_string();
    assert!(
        told.starts_with("no answer from http://127.0.0.1:1/; is a notifier running there?"),
        "{told}"
    );
    assert!(Api::new("127.0.0.1:5002", None).is_err());
    let notifier = Notifier::start().await;
    let wrong = Api::new(&notifier.url, Some("wrong".to_owned().into())).unwrap();
    let told = perform(&wrong, Command::List, false).await.unwrap_err().to_string();
    assert!(told.contains("MANAGEMENT_KEY"), "{told}");
}
