//! `POST /publish` over sockets, with a database.

use super::*;
use crate::tests::database;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client as Http, RequestBuilder, Response};
use serde_json::{Value, json};
use std::sync::Once;
use testutil::{Database, poll};

const SECRET: &str = "a secret of the forerunner, 40 bytes long";
/// Without claims; `token/tests.rs` says how it was made.
const PLAIN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.1_mO6W9FaCKzUOKIayyHPGoWb7rMcoZIMQr_sRhM9N4";
/// Claims `{"Author":"the old client"}`.
const FORERUNNER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJBdXRob3IiOiJ0aGUgb2xkIGNsaWVudCJ9.cHKhaDZZx8mNx1QTEELuI9J72MpSw3ZgnrGlxBdaujU";
/// Claims `{"sub":"lada","exp":1900000000,"nbf":1700000000.5,"topics":["trips.*","t1"]}`.
const FULL: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJsYWRhIiwiZXhwIjoxOTAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAuNSwidG9waWNzIjpbInRyaXBzLioiLCJ0MSJdfQ.sSg19qbac-1CDGouPvMo7w6uTpvxzu8RQBUY3a-d1tM";
const LONG: Duration = Duration::from_secs(60);

struct Notifier {
    url: String,
    publisher: Publisher,
    http: Http,
    pool: Pool,
    database: Database,
}

impl Notifier {
    async fn start() -> Self {
        Self::with(Some(SECRET), DEADLINE).await
    }

    async fn with(secret: Option<&str>, deadline: Duration) -> Self {
        let (database, pool) = database().await;
        Self::over(database, pool, secret, deadline).await
    }

    async fn over(database: Database, pool: Pool, secret: Option<&str>, deadline: Duration) -> Self {
        let service = Service::new("notifier", Duration::from_secs(10));
        let secret = secret.map(SecretString::from);
        let publisher = Publisher::within(deadline, pool.clone(), secret.as_ref(), false, &service);
        let listener = service.listen("main", 0).await.unwrap();
        let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let served = web::finish(routes(publisher.clone()));
        tokio::spawn(async move { service.serve_on(listener, served, web::Front::default()).await });
        static TLS: Once = Once::new();
        TLS.call_once(service::install_tls);
        let http = Http::builder().no_proxy().build().unwrap();
        Self {
            url,
            publisher,
            http,
            pool,
            database,
        }
    }

    fn request(&self) -> RequestBuilder {
        self.http.post(format!("{}/publish", self.url))
    }

    async fn publish(&self, message: &Value) -> (u16, Value) {
        answer(
            self.request()
                .bearer_auth(PLAIN)
                .body(message.to_string())
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// All that is stored, in order of id.
    async fn stored(&self) -> Vec<(String, String, bool, Option<String>, Option<String>, Value)> {
        let client = self.pool.get().await.unwrap();
        let all = "SELECT topic, id, made, key, author, data FROM published ORDER BY topic, id";
        let rows = client.query(all, &[]).await.unwrap();
        rows.iter()
            .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5)))
            .collect()
    }

    async fn execute(&self, statement: &str) {
        self.pool.get().await.unwrap().batch_execute(statement).await.unwrap();
    }
}

async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

fn new(id: &str) -> (u16, Value) {
    (200, json!({ "id": id, "duplicate": false }))
}

fn duplicate(id: &str) -> (u16, Value) {
    (200, json!({ "id": id, "duplicate": true }))
}

#[tokio::test]
async fn a_client_of_the_forerunner_is_understood() {
    let notifier = Notifier::start().await;
    let payload = STANDARD
        .encode(r#"{"body":{"x":1},"headers":{"y":"z"},"query_params":{},"path_params":{},"http_method":"POST"}"#);
    let request = notifier
        .request()
        .header("Authorization", format!("bearer {FORERUNNER}"));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let sent = request
        .body(format!(r#"{{"Topic":"t1","Payload":"{payload}"}}"#))
        .send()
        .await;
    let (status, told) = answer(sent.unwrap()).await;
    assert_eq!((status, &told["duplicate"]), (200, &json!(false)), "{told}");
    let id = told["id"].as_str().unwrap();
    assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 7);
    let data = json!({ "body": { "x": 1 }, "headers": { "y": "z" }, "query_params": {}, "path_params": {}, "http_method": "POST" });
    assert_eq!(
        notifier.stored().await,
        [("t1".into(), id.into(), true, None, Some("the old client".into()), data)]
    );
    let refreshed = notifier
        .http
        .get(format!("{}/refresh", notifier.url))
        .send()
        .await
        .unwrap();
    assert_eq!(refreshed.status(), 204);
}

#[tokio::test]
async fn an_id_is_stored_once_by_value() {
    let notifier = Notifier::start().await;
    let message = json!({ "topic": "t1", "id": "a", "key": "lada", "body": { "a": 1, "b": [0.5], "c": null } });
    assert_eq!(notifier.publish(&message).await, new("a"));
    // Neither the order of members nor the form of a number counts, nor who sends it again.
    let same = r#"{"Key":"lada","BODY":{"c":null,"b":[5e-1],"a":1.0},"id":"a","topic":"t1"}"#;
    let again = notifier
        .request()
        .bearer_auth(FORERUNNER)
        .body(same)
        .send()
        .await
        .unwrap();
    assert_eq!(answer(again).await, duplicate("a"));
    for (member, other) in [
        ("body", json!({ "a": 1 })),
        ("key", json!("niva")),
        ("key", Value::Null),
        ("more", json!(1)),
    ] {
        let mut message = message.clone();
        message[member] = other;
        let (status, problem) = notifier.publish(&message).await;
        assert_eq!(status, 409, "{message}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains("new id"), "{problem}");
    }
    // Digits that a double does not hold count, too.
    let digits = |last| format!(r#"{{"topic":"t1","id":"digits","body":1234567890123456789012{last}}}"#);
    for (last, status) in [(3, 200), (3, 200), (4, 409)] {
        let sent = notifier
            .request()
            .bearer_auth(PLAIN)
            .body(digits(last))
            .send()
            .await
            .unwrap();
        assert_eq!(sent.status(), status, "{last}");
    }
    let mut elsewhere = message.clone();
    elsewhere["topic"] = json!("t2");
    assert_eq!(notifier.publish(&elsewhere).await, new("a"));
    let stored = notifier.stored().await;
    assert_eq!(stored.len(), 3, "{stored:?}");
    assert_eq!(stored[0].5, json!({ "body": { "a": 1, "b": [0.5], "c": null } }));
    assert!(stored.iter().all(|row| !row.2), "{stored:?}");
}

#[tokio::test]
async fn of_twenty_at_once_one_is_stored() {
    let (database, pool) = database().await;
    // Also where a transaction sees by default what was there at its first statement.
    let default = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = %L', current_database(), 'repeatable read');
    END $$";
    pool.get().await.unwrap().batch_execute(default).await.unwrap();
    drop(pool);
    let pool = ::postgres::open(&database.url(), 4, LONG).unwrap();
    let notifier = Notifier::over(database, pool, Some(SECRET), DEADLINE).await;
    // The partitions are there.
    assert_eq!(notifier.publish(&json!({ "topic": "t1", "id": "a" })).await, new("a"));
    for (topic, is_equal) in [("same", true), ("other", false)] {
        let sent = (0..20).map(|number| {
            let body = json!({ "topic": topic, "id": "one", "body": if is_equal { 0 } else { number } });
            let request = notifier.request().bearer_auth(PLAIN).body(body.to_string());
            tokio::spawn(async move { answer(request.send().await.unwrap()).await })
        });
        let mut answers = Vec::new();
        for sent in sent.collect::<Vec<_>>() {
            answers.push(sent.await.unwrap());
        }
        assert_eq!(
            answers.iter().filter(|answer| **answer == new("one")).count(),
            1,
            "{answers:?}"
        );
        let rest = if is_equal { 200 } else { 409 };
        assert_eq!(
            answers.iter().filter(|answer| answer.0 == rest).count(),
            if is_equal { 20 } else { 19 },
            "{answers:?}"
        );
    }
    assert_eq!(notifier.stored().await.len(), 3);
}

#[tokio::test]
async fn tokens_decide() {
    let notifier = Notifier::start().await;
    let body = r#"{"topic":"t1","id":"a"}"#;
    let unsigned = "bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.e30.";
    let bearer = |token: &str| format!("Bearer {token}");
    for given in [
        vec![],
        vec!["Basic YTpi"],
        vec![unsigned],
        vec![&*bearer(PLAIN), &bearer(PLAIN)],
    ] {
        let mut request = notifier.request().body(body);
        for given in &given {
            request = request.header("Authorization", *given);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers().get("www-authenticate").unwrap(), "Bearer");
        let (status, problem) = answer(response).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            status == 401 && detail.contains("HS256") && !detail.contains("signature"),
            "{given:?}: {problem}"
        );
    }
    for (topic, expected) in [
        ("t1", 200),
        ("trips.lada", 200),
        ("other", 403),
        ("odograph.readings", 403),
    ] {
        let sent = notifier
            .request()
            .bearer_auth(FULL)
            .body(json!({ "topic": topic }).to_string());
        assert_eq!(sent.send().await.unwrap().status(), expected, "{topic}");
    }
    let stored = notifier.stored().await;
    assert!(
        stored.len() == 2 && stored.iter().all(|row| row.4.as_deref() == Some("lada")),
        "{stored:?}"
    );
}

#[tokio::test]
async fn without_a_secret_publishing_is_off() {
    for secret in [None, Some("")] {
        let notifier = Notifier::with(secret, DEADLINE).await;
        let (status, problem) = notifier.publish(&json!({ "topic": "t1" })).await;
        assert!(
            status == 403 && problem["detail"].as_str().unwrap().contains("--jwt-secret"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused() {
    let notifier = Notifier::start().await;
    let post =
        async |body: String| answer(notifier.request().bearer_auth(PLAIN).body(body).send().await.unwrap()).await;
    let sized = |size: usize| {
        let rest = r#"{"topic":"t1","body":""}"#.len();
        format!(r#"{{"topic":"t1","body":"{}"}}"#, "x".repeat(size - rest))
    };
    let digits = format!(r#"{{"topic":"t1","body":0.{}1}}"#, "0".repeat(20_000));
    for (body, expected) in [
        (sized(LARGEST), 200),
        (sized(LARGEST + 1), 413),
        (sized(40 * LARGEST), 413),
        (r#"{"topic":"t1","body":"\u0000"}"#.into(), 400),
        (r#"{"topic":"t1","body":1e-16000}"#.into(), 200),
        (digits, 400),
        (r#"{"topic":"t1","body":[1e308,-1e-308,"\ud83d\ude97"]}"#.into(), 200),
    ] {
        let (status, told) = post(body.clone()).await;
        assert_eq!(status, expected, "{} bytes: {told}", body.len());
    }
    // Without a length, and in an encoding.
    let chunks = futures_util::stream::iter((0..9).map(|_| Ok::<_, std::io::Error>("x".repeat(10_000))));
    let chunked = notifier
        .request()
        .bearer_auth(PLAIN)
        .body(reqwest::Body::wrap_stream(chunks));
    assert_eq!(chunked.send().await.unwrap().status(), 413);
    let packed = notifier
        .request()
        .bearer_auth(PLAIN)
        .header("Content-Encoding", "gzip")
        .body("x");
    assert_eq!(packed.send().await.unwrap().status(), 415);
    // What was stored can be read again.
    assert_eq!(notifier.stored().await.len(), 3);
}

#[tokio::test]
async fn partitions_are_made_again_where_they_vanish() {
    let notifier = Notifier::start().await;
    let partitions = async || {
        let client = notifier.pool.get().await.unwrap();
        let all = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'published'::regclass ORDER BY 1";
        let rows = client.query(all, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    };
    assert_eq!(notifier.publish(&json!({ "topic": "t1", "id": "a" })).await, new("a"));
    let made = partitions().await;
    assert_eq!(made.len(), 2, "{made:?}");
    for partition in &made {
        notifier
            .execute(&format!("SELECT drop_partition('published', '{partition}')"))
            .await;
    }
    // The id's retention is over.
    assert_eq!(
        notifier.publish(&json!({ "topic": "t1", "id": "a", "body": 2 })).await,
        new("a")
    );
    assert_eq!(partitions().await, made);
}

#[tokio::test]
async fn a_database_that_is_stuck_or_away_is_a_503() {
    let notifier = Notifier::with(Some(SECRET), Duration::from_secs(1)).await;
    assert_eq!(notifier.publish(&json!({ "topic": "t1", "id": "a" })).await, new("a"));
    let mut blocker = notifier.pool.get().await.unwrap();
    let blocking = blocker.transaction().await.unwrap();
    blocking
        .batch_execute("LOCK TABLE published IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let unavailable = async || {
        let sent = notifier
            .request()
            .bearer_auth(PLAIN)
            .body(r#"{"topic":"t1","id":"b"}"#)
            .send()
            .await;
        let response = sent.unwrap();
        assert_eq!(response.status(), 503);
        assert!(response.headers().contains_key("retry-after"));
    };
    unavailable().await;
    blocking.rollback().await.unwrap();
    drop(blocker);
    // The interrupted transactions leave neither locks nor connections behind.
    poll(LONG, async || {
        (notifier.publish(&json!({ "topic": "t1", "id": "b" })).await.0 == 200).then_some(())
    })
    .await;
    poll(LONG, async || {
        let client = notifier.pool.get().await.unwrap();
        let others = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()";
        (client.query_one(others, &[]).await.unwrap().get::<_, i64>(0) == 0).then_some(())
    })
    .await;
    let lost = notifier.database.lose().await;
    unavailable().await;
    drop(lost);
    // The new database has no tables yet.
    poll(LONG, async || {
        schema::prepare(&notifier.pool, true).await.is_ok().then_some(())
    })
    .await;
    poll(LONG, async || {
        (notifier.publish(&json!({ "topic": "t1", "id": "c" })).await.0 == 200).then_some(())
    })
    .await;
    assert_eq!(notifier.stored().await.len(), 1);
    assert!(lock(&notifier.publisher.0.days).len() == 2);
}

#[tokio::test]
async fn the_notifiers_role_suffices() {
    let database = testutil::database().await;
    testutil::give_roles(&database.url()).await;
    let pool = ::postgres::open(&database.url_as("odograph_notifier"), 4, LONG).unwrap();
    let notifier = Notifier::over(database, pool, Some(SECRET), DEADLINE).await;
    let message = json!({ "topic": "t1", "id": "a" });
    assert_eq!(notifier.publish(&message).await, new("a"));
    assert_eq!(notifier.publish(&message).await, duplicate("a"));
}
