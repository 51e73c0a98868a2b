//! Libraries of others understand what a notifier sends, and a notifier understands what they send.
//!
//! `scripts/install-peers.sh` installs them; the scripts beside this file call them.

use super::endpoint::{Endpoint, Taken};
use super::{JWT_SECRET, KEY, notifier, speed, subscribe};
use crate::system::{LONG, System, answer, connect};
use serde_json::{Value, json};
use std::process::Command;
use testutil::{Process, javascript, poll, python, workspace};

/// What a script beside this file answers.
async fn ask(script: &str, question: Value) -> Value {
    python(&workspace().join("tests/e2e/notifier").join(script), &question).await
}

/// What the scripts of a name answer: those of Python and of JavaScript, which call different libraries, agree.
async fn ask_both(name: &str, question: Value) -> Value {
    let python = ask(&format!("{name}.py"), question.clone()).await;
    let script = workspace().join(format!("tests/e2e/notifier/{name}.js"));
    assert_eq!(floats(python.clone()), floats(javascript(&script, &question).await));
    python
}

/// The same with every number as a float: JavaScript has no others.
fn floats(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.into_iter().map(floats).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, floats(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

/// A request as the scripts read it.
fn shown(taken: &Taken) -> Value {
    json!({"headers": taken.headers, "body": taken.bytes})
}

/// The answer to a request of a manager about the subscription `fast`.
async fn manage(system: &System, notifier: &mut Process, path: &str, body: Option<Value>) -> Value {
    let url = format!("{}/api/subscriptions/fast/{path}", notifier.url().await);
    let request = match body {
        Some(body) => system.http.post(url).body(body.to_string()),
        None => system.http.get(url),
    };
    let (status, answer) = answer(request.bearer_auth(KEY).send().await.unwrap()).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Uploads readings until one is told by a request with so many signatures.
async fn until_signed_by(system: &System, endpoint: &Endpoint, second: &mut u32, signatures: usize) {
    loop {
        let known = endpoint.taken().len();
        assert_eq!(system.post(speed(*second, 130)).await.0, 200);
        *second += 1;
        assert!(*second < 100, "the requests never have {signatures} signatures");
        let taken = poll(LONG, async || {
            let taken = endpoint.taken();
            (taken.len() > known).then_some(taken)
        })
        .await;
        if taken.iter().any(|one| count_signatures(one) == signatures) {
            return;
        }
    }
}

fn count_signatures(taken: &Taken) -> usize {
    taken
        .header("webhook-signature")
        .map_or(0, |value| value.split(' ').count())
}

/// standardwebhooks verifies what is sent before, during and after a rotation, by the secrets that are in force then.
#[tokio::test]
async fn standardwebhooks_verifies_through_a_rotation() {
    let system = System::start(1).await;
    let mut notifier = notifier(&system).await;
    let [before, during, after] = [
        Endpoint::start(|_| true).await,
        Endpoint::start(|_| true).await,
        Endpoint::start(|_| true).await,
    ];
    let definition = |endpoint: &Endpoint| json!({"name": "fast", "filter": "speed > 120", "fire": "each", "targetUrl": endpoint.url});
    subscribe(&system, &mut notifier, definition(&before)).await;
    let mut second = 0;
    let mut secrets = vec![manage(&system, &mut notifier, "secret", None).await["secret"].clone()];
    until_signed_by(&system, &before, &mut second, 1).await;

    point_to(&system, &mut notifier, &during).await;
    let rotated = manage(&system, &mut notifier, "rotate", Some(json!({"overlap": "1h"}))).await;
    assert!(rotated["previousUntil"].is_string(), "{rotated}");
    secrets.push(rotated["secret"].clone());
    let shown_again = manage(&system, &mut notifier, "secret", None).await;
    assert_eq!(shown_again["secret"], rotated["secret"]);
    until_signed_by(&system, &during, &mut second, 2).await;

    point_to(&system, &mut notifier, &after).await;
    let rotated = manage(&system, &mut notifier, "rotate", Some(json!({"overlap": "0s"}))).await;
    secrets.push(rotated["secret"].clone());
    until_signed_by(&system, &after, &mut second, 1).await;

    for (endpoint, signatures, expected) in [
        (&before, 1, [true, false, false]),
        (&during, 2, [true, true, false]),
        (&after, 1, [false, false, true]),
    ] {
        let taken = endpoint.taken();
        let taken = taken.iter().find(|one| count_signatures(one) == signatures).unwrap();
        let question = |secret: &Value, body: &[u8]| json!({"secret": secret, "headers": taken.headers, "body": body});
        let questions = secrets.iter().map(|secret| question(secret, &taken.bytes)).collect();
        let verdicts = ask_both("verify", questions).await;
        let accepted: Vec<bool> = verdicts.as_array().unwrap().iter().map(Value::is_null).collect();
        assert_eq!(accepted, expected, "{verdicts} {taken:?}");

        // Each byte of the body counts.
        let changed = (0..taken.bytes.len()).map(|at| {
            let mut body = taken.bytes.clone();
            body[at] ^= 1;
            body
        });
        let secret = &secrets[expected.iter().position(|fits| *fits).unwrap()];
        let questions = changed.map(|body| question(secret, &body)).collect();
        let verdicts = ask_both("verify", questions).await;
        let refused = json!("WebhookVerificationError: No matching signature found");
        assert!(
            verdicts.as_array().unwrap().iter().all(|verdict| *verdict == refused),
            "{verdicts}"
        );
    }
}

/// Sends what comes to another endpoint: what came before is told apart from it.
async fn point_to(system: &System, notifier: &mut Process, endpoint: &Endpoint) {
    let url = format!("{}/api/subscriptions/fast", notifier.url().await);
    let (status, mut shown) = answer(system.http.get(&url).bearer_auth(KEY).send().await.unwrap()).await;
    assert_eq!(status, 200, "{shown}");
    shown["targetUrl"] = json!(endpoint.url);
    let request = system.http.put(&url).bearer_auth(KEY).body(shown.to_string());
    let (status, answer) = answer(request.send().await.unwrap()).await;
    assert!([200, 202].contains(&status), "{status} {answer}");
}

/// cloudevents reads events of readings, and messages.
#[tokio::test]
async fn cloudevents_parses_events() {
    let system = System::start(1).await;
    let mut notifier = notifier(&system).await;
    let endpoint = Endpoint::start(|_| true).await;
    for definition in [
        json!({"name": "fast", "filter": "speed > 120", "fire": "both"}),
        json!({"name": "messages", "topic": "t1", "filter": "data.body.x == 1"}),
    ] {
        let mut definition = definition;
        definition["format"] = json!("cloudevents");
        definition["targetUrl"] = json!(endpoint.url);
        subscribe(&system, &mut notifier, definition).await;
    }
    assert_eq!(system.post(speed(0, 130) + &speed(1, 100)).await.0, 200);
    let tokens = ask(
        "sign.py",
        json!([{"claims": {}, "key": JWT_SECRET, "algorithm": "HS256"}]),
    )
    .await;
    let message = json!({"topic": "t1", "id": "mine-7", "key": "lada", "body": {"x": 1, "text": "žuto"}});
    let (status, told) = publish(&system, &mut notifier, tokens[0].as_str().unwrap(), &message).await;
    assert_eq!(status, 200, "{told}");
    poll(LONG, async || (endpoint.taken().len() == 3).then_some(())).await;

    let mut taken = endpoint.taken();
    taken.sort_by_key(|one| one.body["type"].as_str().unwrap().to_owned());
    for one in &taken {
        assert_eq!(one.header("content-type"), Some("application/cloudevents+json"));
    }
    let parsed = ask_both("parse", taken.iter().map(shown).collect()).await;
    let ids: Vec<&str> = taken.iter().map(|one| one.id.as_str()).collect();
    let kinds: Vec<&Value> = parsed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["attributes"]["type"])
        .collect();
    let at = |kind: &str| {
        kinds
            .iter()
            .position(|one| *one == kind)
            .unwrap_or_else(|| panic!("{kind}: {parsed}"))
    };
    for (kind, time, since, value) in [
        ("rise", "2024-05-01T10:00:00.000Z", "2024-05-01T10:00:00Z", 130.0),
        ("fall", "2024-05-01T10:00:01.000Z", "2024-05-01T10:00:00Z", 100.0),
    ] {
        let at = at(&format!("odograph.reading.{kind}.v1"));
        let attributes = &parsed[at]["attributes"];
        assert!(
            attributes["sequence"]
                .as_str()
                .is_some_and(|sequence| sequence.len() == 19),
            "{attributes}"
        );
        let mut attributes = attributes.clone();
        attributes.as_object_mut().unwrap().remove("sequence");
        let expected = json!({
            "specversion": "1.0", "id": ids[at], "source": "/api/subscriptions/fast", "subject": "lada",
            "type": format!("odograph.reading.{kind}.v1"), "time": time, "datacontenttype": "application/json",
        });
        assert_eq!(attributes, expected);
        let expected = json!({
            "subscription": "fast", "device": "lada", "state": kind == "rise", "since": since,
            "values": {"speed": value}, "late": true,
        });
        assert_eq!(parsed[at]["data"], expected);
    }
    let message = parsed
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["attributes"]["source"] == "/api/subscriptions/messages");
    let message = message.unwrap_or_else(|| panic!("{parsed}"));
    assert_eq!(message["attributes"]["subject"], "lada");
    assert_eq!(message["data"]["body"], json!({"x": 1, "text": "žuto"}));
}

/// Publishes a message.
async fn publish(system: &System, notifier: &mut Process, token: &str, message: &Value) -> (u16, Value) {
    let url = format!("{}/publish", notifier.url().await);
    let request = system.http.post(url).bearer_auth(token).body(message.to_string());
    answer(request.send().await.unwrap()).await
}

/// Tokens that `PyJWT` signs with the secret publish, and no others.
#[tokio::test]
async fn tokens_of_pyjwt_publish() {
    let system = System::start(1).await;
    let mut notifier = notifier(&system).await;
    let now = jiff::Timestamp::now().as_second();
    let (hour, day) = (3600, 86_400);
    let of = |claims: Value| json!({"claims": claims, "key": JWT_SECRET, "algorithm": "HS256"});
    let by =
        |algorithm: &str, key: Option<&str>| json!({"claims": {"sub": "lada"}, "key": key, "algorithm": algorithm});
    let headed = |headers: Value| json!({"claims": {}, "key": JWT_SECRET, "algorithm": "HS256", "headers": headers});
    let cases = [
        (of(json!({})), 200),
        (
            of(json!({"sub": "lada", "iat": now, "nbf": now, "exp": now + hour})),
            200,
        ),
        (of(json!({"Author": "lada", "aud": ["a", "b"], "jti": "7"})), 200),
        (of(json!({"topics": ["t*"]})), 200),
        (of(json!({"topics": ["u*"]})), 403),
        (headed(json!({"kid": "7"})), 200),
        // PyJWT leaves an empty type out.
        (headed(json!({"typ": null})), 200),
        (headed(json!({"typ": "at+jwt"})), 401),
        (of(json!({"exp": now - hour})), 401),
        (of(json!({"nbf": now + day})), 401),
        (
            by(
                "HS256",
                Some("another secret of publishers, as long as the right one, 64 bytes"),
            ),
            401,
        ),
        (by("none", None), 401),
        (by("RS256", Some(JWT_SECRET)), 401),
        (by("HS384", Some(JWT_SECRET)), 401),
        (by("HS512", Some(JWT_SECRET)), 401),
    ];
    let tokens = ask("sign.py", cases.iter().map(|(question, _)| question.clone()).collect()).await;
    for ((question, expected), token) in cases.iter().zip(tokens.as_array().unwrap()) {
        let message = json!({"topic": "t1", "body": {"x": 1}});
        let (status, answer) = publish(&system, &mut notifier, token.as_str().unwrap(), &message).await;
        assert_eq!(status, *expected, "{question} {answer}");
    }
    let sql = connect(&system.database.url()).await;
    let published = sql.query_one("SELECT count(*) FROM published", &[]).await.unwrap();
    let expected = cases.iter().filter(|(_, expected)| *expected == 200).count();
    assert_eq!(published.get::<_, i64>(0), i64::try_from(expected).unwrap());
}

/// `{"Body":{"x":1,"text":"žuto"},"Headers":{"X-Mine":"yes"},"Query_Params":{"q":"1"},"Path_Params":{"id":"a b"},"Http_Method":"PUT"}`
const PAYLOAD: &str = "eyJCb2R5Ijp7IngiOjEsInRleHQiOiLFvnV0byJ9LCJIZWFkZXJzIjp7IlgtTWluZSI6InllcyJ9LCJRdWVyeV9QYXJhbXMiOnsicSI6IjEifSwiUGF0aF9QYXJhbXMiOnsiaWQiOiJhIGIifSwiSHR0cF9NZXRob2QiOiJQVVQifQ==";

/// A client of the forerunner needs nothing but another address: a row by SQL, a token that never expires with the
/// claim `Author`, and curl.
#[tokio::test]
async fn a_client_of_the_forerunner_is_understood() {
    let system = System::start(1).await;
    let mut notifier = notifier(&system).await;
    let endpoint = Endpoint::start(|_| true).await;
    let sql = connect(&system.database.url()).await;
    let insert = "INSERT INTO subscription (topic, filter, target_url, format)
        VALUES ('t1', 'data.body.x == 1 && author == \"the old client\"', $1, 'request')";
    let target = format!("{}/:id", endpoint.url);
    poll(LONG, async || sql.execute(insert, &[&target]).await.ok()).await;
    let in_force = "SELECT FROM subscription WHERE in_force = rule";
    poll(LONG, async || sql.query_opt(in_force, &[]).await.ok().flatten()).await;

    let claims = json!({"Author": "the old client"});
    let tokens = ask(
        "sign.py",
        json!([{"claims": claims, "key": JWT_SECRET, "algorithm": "HS256"}]),
    )
    .await;
    let url = notifier.url().await;
    let refreshed = system.http.get(format!("{url}/refresh")).send().await.unwrap();
    assert_eq!(refreshed.status(), 204);
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail-with-body", "--max-time", "60"])
        .args([
            "--header",
            &format!("Authorization: bearer {}", tokens[0].as_str().unwrap()),
        ])
        .args(["--data", &json!({"Payload": PAYLOAD, "Topic": "t1"}).to_string()])
        .arg(format!("{url}/publish"))
        .output()
        .expect("curl is installed");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["duplicate"], false, "{told}");

    let taken = poll(LONG, async || endpoint.taken().pop()).await;
    assert_eq!(taken.line, "PUT /hook/a%20b?q=1");
    assert_eq!(taken.header("x-mine"), Some("yes"));
    assert_eq!(taken.body, json!({"x": 1, "text": "žuto"}));
    assert_eq!(taken.id, told["id"].as_str().unwrap());
    assert_eq!(count_signatures(&taken), 1);
}
