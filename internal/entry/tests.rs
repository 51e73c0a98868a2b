//! The journal over its HTTP, on a database of its own.

mod again;
mod history;
mod pages;
mod plan;
mod subscribers;
mod twitter;

use crate::{Admission, Journal, Options};
use ::postgres::Pool;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use service::Service;
use std::time::Duration;
use tower::ServiceExt;

/// A journal in which everybody writes under any name.
struct Setting {
    routes: Router,
    pool: Pool,
    _database: testutil::Database,
}

impl Setting {
    async fn start() -> Self {
        let database = testutil::database().await;
        let pool = ::postgres::open(&database.url(), 4, Duration::from_secs(30)).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        Self {
            routes: routes(&pool, Options::default()),
            pool,
            _database: database,
        }
    }

    /// The answer to a request: its status, its version, its JSON.
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, Value) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = self.routes.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let version = answer.headers().get(header::ETAG);
        let version = version.map_or_else(String::new, |version| version.to_str().unwrap().to_owned());
        let body = to_bytes(answer.into_body(), 1 << 22).await.unwrap();
        (status, version, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, _, answer) = self.ask(Method::GET, path, &[], "").await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer["data"].clone()
    }

    /// Posts an entry. Returns the status and its id.
    async fn post(&self, user: &str, key: Option<&str>, body: &Value) -> (u16, String) {
        let bearer = bearer(user);
        let mut headers = vec![("authorization", &*bearer)];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let (status, _, answer) = self.ask(Method::POST, "/message", &headers, &body.to_string()).await;
        let id = answer["data"]["id"].as_str().unwrap_or_default().to_owned();
        (status, id)
    }

    async fn change(&self, method: Method, user: &str, id: &str, version: Option<&str>, body: &Value) -> (u16, Value) {
        let bearer = bearer(user);
        let mut headers = vec![("authorization", &*bearer)];
        headers.extend(version.map(|version| ("if-match", version)));
        let path = format!("/message/{id}");
        let (status, _, answer) = self.ask(method, &path, &headers, &body.to_string()).await;
        (status, answer)
    }

    /// What subscribers are told: the ids of messages, in their order.
    async fn told(&self) -> Vec<String> {
        let select = "SELECT id, key, data FROM published WHERE topic = 'odograph.journal' ORDER BY xid, id";
        let rows = self.pool.get().await.unwrap().query(select, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn routes(pool: &Pool, options: Options) -> Router {
    let service = Service::new("test", Duration::from_secs(25));
    let admission = Admission::of(None).with_claims();
    web::finish(Journal::new(pool.clone(), options, admission, &service).routes())
}

fn bearer(user: &str) -> String {
    format!("Bearer {}", STANDARD.encode(user))
}

#[tokio::test]
async fn an_entry_is_written_found_edited_and_deleted() {
    let setting = Setting::start().await;
    let body = json!({
        "text": "ferry to #Cres, 14 euros", "hashtags": ["trip", "#CRES"], "created_at": "2026-09-22T10:00:00.1239+02:00",
        "device": "lada", "latitude": 44.95, "longitude": 14.41,
    });
    let (status, id) = setting.post("anna", None, &body).await;
    assert_eq!(status, 201);
    let (_, version, found) = setting.ask(Method::GET, &format!("/message/{id}"), &[], "").await;
    let mut message = found["data"]["message"].clone();
    assert!(message["received_at"].take().is_string());
    assert_eq!(
        message,
        json!({
            "id": id, "user": {"id": "1", "name": "anna"}, "text": "ferry to #Cres, 14 euros",
            "hashtags": ["trip", "CRES"], "created_at": "2026-09-22T08:00:00.123Z", "device": "lada",
            "latitude": 44.95, "longitude": 14.41, "received_at": null,
        })
    );
    assert_eq!(setting.get(&format!("/message?ulid={id}")).await, found["data"]);
    // Only its author, and only the version that was read.
    let edit = json!({"text": "ferry to #Krk"});
    assert_eq!(setting.change(Method::PATCH, "bob", &id, None, &edit).await.0, 403);
    assert_eq!(
        setting.change(Method::PATCH, "anna", &id, Some("\"1\""), &edit).await.0,
        412
    );
    let (status, edited) = setting.change(Method::PATCH, "anna", &id, Some(&version), &edit).await;
    assert_eq!(
        (status, &edited["data"]["message"]["hashtags"]),
        (200, &json!(["trip", "CRES", "Krk"]))
    );
    assert!(edited["data"]["message"]["edited_at"].is_string());
    assert_eq!(
        setting
            .change(Method::PATCH, "anna", &id, Some(&version), &edit)
            .await
            .0,
        412
    );
    assert_eq!(setting.get("/message?hashtag=krk").await["messages"][0]["id"], id);
    assert_eq!(
        setting.change(Method::DELETE, "bob", &id, None, &json!({})).await.0,
        403
    );
    assert_eq!(
        setting.change(Method::DELETE, "anna", &id, None, &json!({})).await.0,
        204
    );
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        assert_eq!(setting.change(method, "anna", &id, None, &edit).await.0, 410);
    }
    assert_eq!(setting.get("/message").await, json!({}));
    let told = setting.told().await;
    assert_eq!(
        (&told[0], &told[2]),
        (&format!("{id}-created"), &format!("{id}-deleted"))
    );
    assert!(told[1].starts_with(&format!("{id}-edited-")), "{told:?}");
    let nothing = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    assert_eq!(setting.change(Method::GET, "anna", nothing, None, &edit).await.0, 404);
    assert_eq!(setting.change(Method::GET, "anna", "x", None, &edit).await.0, 400);
}

#[tokio::test]
async fn the_same_post_again_is_the_same_entry() {
    let setting = Setting::start().await;
    let (body, other) = (json!({"text": "a"}), json!({"text": "b"}));
    let (status, id) = setting.post("anna", Some("k1"), &body).await;
    assert_eq!(status, 201);
    assert_eq!(setting.post("anna", Some("k1"), &body).await, (200, id.clone()));
    assert_eq!(setting.post("anna", Some("k1"), &other).await.0, 409);
    // Another author's key is another key, and without one every post is new.
    assert_eq!(setting.post("bob", Some("k1"), &other).await.0, 201);
    assert_eq!(setting.post("anna", None, &body).await.0, 201);
    // Also after an edit.
    assert_eq!(setting.change(Method::PATCH, "anna", &id, None, &other).await.0, 200);
    assert_eq!(setting.post("anna", Some("k1"), &body).await, (200, id.clone()));
    assert_eq!(
        setting.change(Method::DELETE, "anna", &id, None, &json!({})).await.0,
        204
    );
    assert_eq!(setting.post("anna", Some("k1"), &body).await.0, 410);
    assert_eq!(setting.told().await.len(), 5);
    for key in ["", "a b", "é", &"x".repeat(129)] {
        assert_eq!(setting.post("anna", Some(key), &body).await.0, 400, "{key}");
    }
}

/// Days later, its moment may be too old, or texts be shorter: the same post was taken all the same.
#[tokio::test]
async fn the_same_post_again_is_taken_though_limits_have_changed() {
    let mut setting = Setting::start().await;
    let body = json!({"text": "a long text", "created_at": "2026-09-01T10:00:00Z"});
    let other = json!({"text": "a text", "created_at": "2026-09-01T10:00:00Z"});
    let (status, id) = setting.post("anna", Some("k"), &body).await;
    assert_eq!(status, 201);
    let limits = Options::default();
    let later = "2026-09-02T00:00:00Z".parse().unwrap();
    for options in [
        Options {
            oldest: later,
            ..limits
        },
        Options { max_text: 3, ..limits },
    ] {
        setting.routes = routes(&setting.pool, options);
        assert_eq!(setting.post("anna", Some("k"), &body).await, (200, id.clone()));
        assert_eq!(setting.post("anna", Some("k"), &other).await.0, 409);
        for (user, key) in [("anna", None), ("anna", Some("new")), ("bob", Some("k"))] {
            assert_eq!(setting.post(user, key, &body).await.0, 400, "{user} {key:?}");
        }
    }
    assert_eq!(
        setting.change(Method::DELETE, "anna", &id, None, &json!({})).await.0,
        204
    );
    assert_eq!(setting.post("anna", Some("k"), &body).await.0, 410);
}

/// A key that is bound by now may not write of the device; what was posted before stays taken.
#[tokio::test]
async fn the_same_post_again_is_taken_though_the_key_is_bound_by_now() {
    let mut setting = Setting::start().await;
    let body = json!({"text": "a", "device": "niva", "created_at": "2026-09-01T10:00:00Z"});
    let (status, id) = setting.post("anna", Some("k"), &body).await;
    assert_eq!(status, 201);
    let folder = tempfile::tempdir().unwrap();
    let (key, line) = access::generate(Some("anna"), Some("lada"));
    std::fs::write(folder.path().join("keys"), line).unwrap();
    let keys = access::Keys::load(&[], Some(&folder.path().join("keys"))).unwrap();
    let service = Service::new("test", Duration::from_secs(25));
    let journal = Journal::new(
        setting.pool.clone(),
        Options::default(),
        Admission::of(Some(keys)),
        &service,
    );
    setting.routes = web::finish(journal.routes());
    let bearer = format!("Bearer {key}");
    for (name, expected) in [("k", 200), ("new", 403)] {
        let headers = [("authorization", &*bearer), ("idempotency-key", name)];
        let (status, _, answer) = setting.ask(Method::POST, "/message", &headers, &body.to_string()).await;
        assert_eq!(status, expected, "{name}: {answer}");
        assert!(status == 403 || answer["data"]["id"] == json!(id), "{answer}");
    }
}

/// Many at one moment with one key: one entry.
#[tokio::test]
async fn the_same_post_at_one_moment_is_one_entry() {
    let setting = Setting::start().await;
    let body = json!({"text": "#a #b #c"});
    let posts = (0..8).map(|_| setting.post("anna", Some("k"), &body));
    let answers = futures_util::future::join_all(posts).await;
    let ids: std::collections::BTreeSet<&String> = answers.iter().map(|(_, id)| id).collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
    assert_eq!(
        answers.iter().filter(|(status, _)| *status == 201).count(),
        1,
        "{answers:?}"
    );
    assert_eq!(setting.told().await.len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let setting = Setting::start().await;
    let anna = bearer("anna");
    let key = [("authorization", &*anna)];
    for (body, expected) in [
        ("{", 400),
        ("[]", 400),
        ("{}", 400),
        (r#"{"text":"a","created_at":"1999-01-01"}"#, 400),
        (r#"{"text":"a","created_at":"2999-01-01"}"#, 400),
        (r#"{"text":"a","colour":"red"}"#, 400),
    ] {
        let (status, _, answer) = setting.ask(Method::POST, "/message", &key, body).await;
        assert_eq!(status, expected, "{body}");
        assert_eq!(answer["error"], answer["detail"], "{answer}");
    }
    let large = json!({"text": "x".repeat(70_000)}).to_string();
    assert_eq!(setting.ask(Method::POST, "/message", &key, &large).await.0, 413);
    assert_eq!(setting.ask(Method::POST, "/message", &[], "{}").await.0, 401);
    for path in [
        "/message?limit=0",
        "/message?limit=1001",
        "/message?cursor=x",
        "/message?hashtag=a-b",
        "/message?from_date=today",
        "/message?colour=red",
        "/message?limit=1&limit=2",
        "/trend",
        "/trend?aggregation=1s",
        "/trend?aggregation=1m&from_date=2019-01-01&to_date=2020-01-01",
        "/trend?aggregation=1m&from_date=2020-01-01&to_date=2019-01-01",
    ] {
        let (status, _, answer) = setting.ask(Method::GET, path, &[], "").await;
        assert_eq!(
            StatusCode::from_u16(status).unwrap(),
            StatusCode::BAD_REQUEST,
            "{path}: {answer}"
        );
    }
}

/// Edits and a delete at one moment: the delete is the last change, and nothing of the entry stays.
#[tokio::test]
async fn of_edits_and_a_delete_at_one_moment_the_delete_stays() {
    let setting = Setting::start().await;
    for round in 0..8 {
        let (status, id) = setting.post("anna", None, &json!({"text": "a #first text"})).await;
        assert_eq!(status, 201);
        let edits = (0..3).map(|number| json!({"text": format!("edit {number} #edited"), "hashtags": ["beside"]}));
        let edits: Vec<Value> = edits.collect();
        let editing = edits
            .iter()
            .map(|edit| setting.change(Method::PATCH, "anna", &id, None, edit));
        let no_body = json!({});
        let (edited, (deleted, _)) = tokio::join!(
            futures_util::future::join_all(editing),
            setting.change(Method::DELETE, "anna", &id, None, &no_body)
        );
        assert_eq!(deleted, 204, "round {round}");
        assert!(
            edited.iter().all(|(status, _)| matches!(status, 200 | 410)),
            "{edited:?}"
        );
        assert_eq!(setting.change(Method::GET, "anna", &id, None, &no_body).await.0, 410);
    }
    let left = "SELECT (SELECT count(*) FROM entry_hashtag) + (SELECT count(*) FROM published WHERE data ? 'text')
            + (SELECT count(*) FROM entry WHERE body <> '' OR words <> '')";
    let client = setting.pool.get().await.unwrap();
    assert_eq!(client.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}

/// Of edits that have read one version, the first one is taken.
#[tokio::test]
async fn of_edits_of_one_version_at_one_moment_one_is_taken() {
    let setting = Setting::start().await;
    let (_, id) = setting.post("anna", None, &json!({"text": "a"})).await;
    let (_, version, _) = setting.ask(Method::GET, &format!("/message/{id}"), &[], "").await;
    let edits: Vec<Value> = (0..4).map(|number| json!({"text": format!("edit {number}")})).collect();
    let editing = edits
        .iter()
        .map(|edit| setting.change(Method::PATCH, "anna", &id, Some(&version), edit));
    let mut statuses: Vec<u16> = futures_util::future::join_all(editing)
        .await
        .iter()
        .map(|(status, _)| *status)
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412]);
}

/// With a higher limit, a text may have more words than PostgreSQL indexes: to send it again would not help.
#[tokio::test]
async fn a_text_of_too_many_words_is_refused() {
    let mut setting = Setting::start().await;
    let options = Options {
        max_text: 100_000,
        max_body: 1 << 20,
        ..Options::default()
    };
    setting.routes = routes(&setting.pool, options);
    // Compared, each sign is four letters.
    let word = |number: u8| char::from(b'a' + number).to_string();
    let words = |count: u8| -> Vec<String> {
        let all = (0..count).flat_map(|one| (0..25).flat_map(move |two| (0..3).map(move |three| (one, two, three))));
        all.map(|(one, two, three)| word(one) + &word(two) + &word(three) + &"\u{3300}".repeat(58))
            .collect()
    };
    let (many, too_many) = (words(10).join(" "), words(21).join(" "));
    let (status, id) = setting.post("anna", None, &json!({"text": many})).await;
    assert_eq!(status, 201);
    let too_many = json!({"text": too_many});
    assert_eq!(setting.post("anna", None, &too_many).await.0, 400);
    let (status, answer) = setting.change(Method::PATCH, "anna", &id, None, &too_many).await;
    assert_eq!(status, 400, "{answer}");
    assert!(
        answer["error"].as_str().unwrap().contains("write several entries"),
        "{answer}"
    );
    assert_eq!(setting.told().await.len(), 1);
}

#[tokio::test]
async fn entries_are_found_by_all_that_is_asked() {
    let setting = Setting::start().await;
    for (user, at, body) in [
        (
            "anna",
            "2026-09-01",
            json!({"text": "a flat tyre #help", "device": "lada"}),
        ),
        ("bob", "2026-09-02", json!({"text": "ferry #cres #help"})),
        (
            "anna",
            "2026-09-03",
            json!({"text": "the row of a flat", "hashtags": ["cres"], "device": "niva"}),
        ),
    ] {
        let mut body = body;
        body["created_at"] = at.into();
        assert_eq!(setting.post(user, None, &body).await.0, 201);
    }
    for (asked, expected) in [
        ("", &["2026-09-03", "2026-09-02", "2026-09-01"][..]),
        ("hashtag=HELP", &["2026-09-02", "2026-09-01"]),
        ("hashtag=%23help&hashtag=cres", &["2026-09-02"]),
        ("hashtag=none", &[]),
        ("user_name=anna", &["2026-09-03", "2026-09-01"]),
        (
            "user_name=anna&user_name=bob&hashtag=cres",
            &["2026-09-03", "2026-09-02"],
        ),
        ("user_name=nobody", &[]),
        ("device=lada", &["2026-09-01"]),
        ("device=lada&device=niva", &["2026-09-03", "2026-09-01"]),
        ("q=flat", &["2026-09-03", "2026-09-01"]),
        ("q=%22flat+tyre%22", &["2026-09-01"]),
        ("q=flat+-tyre&user_name=anna", &["2026-09-03"]),
        ("from_date=2026-09-02", &["2026-09-03", "2026-09-02"]),
        ("from_date=2026-09-02&to_date=2026-09-03", &["2026-09-02"]),
        (
            "from_date=2026-09-02&to_date=2026-09-03&hashtag=help&user_name=bob&q=ferry",
            &["2026-09-02"],
        ),
    ] {
        let found = setting.get(&format!("/message?{asked}")).await;
        let days: Vec<&str> = found["messages"]
            .as_array()
            .map(|all| {
                all.iter()
                    .map(|one| &one["created_at"].as_str().unwrap()[..10])
                    .collect()
            })
            .unwrap_or_default();
        assert_eq!(days, expected, "{asked}");
    }
    let trend = setting
        .get("/trend?aggregation=24h&from_date=2026-09-01&to_date=2026-09-05&hashtag=help&fill=zero")
        .await;
    let counts: Vec<i64> = trend["trends"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["count"].as_i64().unwrap())
        .collect();
    assert_eq!(counts, [1, 1, 0, 0]);
    let trend = setting
        .get("/trend?aggregation=1m&from_date=2026-09-02&to_date=2026-09-03")
        .await;
    assert_eq!(
        trend["trends"],
        json!([{"from_date": "2026-09-02T00:00:00Z", "to_date": "2026-09-02T00:01:00Z", "count": 1}])
    );
}
