//! The description of the API: it has every route, and what it says of answers is so.

use super::{Api, ask, json, nowhere};
use crate::{Admission, Options, routes};
use axum::body::to_bytes;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json as value};
use service::Service;
use std::collections::BTreeSet;
use std::time::Duration;
use std::{env, fs};

/// A stream without an end, which waits for the database.
const STREAM: &str = "/api/live";

async fn document() -> Value {
    json(ask(&nowhere(), Method::GET, "/api/openapi.json", &[]).await).await
}

/// The operations by path.
fn operations(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().map(|(path, item)| (path, &item["get"]))
}

fn parameters(operation: &Value) -> &[Value] {
    operation["parameters"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn answers(operation: &Value) -> &Map<String, Value> {
    operation["responses"].as_object().unwrap()
}

/// The examples of an answer, each with its kind.
fn examples(answer: &Value) -> Vec<(&str, &Value)> {
    let mut examples = Vec::new();
    for (kind, content) in answer["content"].as_object().into_iter().flatten() {
        let several = content["examples"].as_object().into_iter().flatten();
        let all = several.map(|(_, one)| &one["value"]).chain(content.get("example"));
        examples.extend(all.map(|example| (kind.as_str(), example)));
    }
    examples
}

/// A path with its parameters, by their examples, and with the parameters that it must have.
fn question(path: &str, operation: &Value) -> String {
    let mut question = path.to_owned();
    for parameter in parameters(operation) {
        let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
        let example = [
            &parameter["example"],
            &schema["examples"][0],
            &schema["items"]["examples"][0],
        ];
        let example = example.iter().find_map(|example| example.as_str());
        if parameter["in"] == "path" {
            question = question.replace(&format!("{{{name}}}"), example.unwrap());
        } else if parameter["required"] == true {
            let mark = if question.contains('?') { '&' } else { '?' };
            question += &format!("{mark}{name}={}", example.unwrap());
        }
    }
    question
}

/// The kind of an answer's content, without its parameters.
fn kind(response: &Response) -> String {
    let kind = response.headers().get(header::CONTENT_TYPE).unwrap().to_str().unwrap();
    kind.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn every_route_is_described() {
    let pool = ::postgres::open("postgres://nobody@127.0.0.1:1/nothing", 1, Duration::from_secs(1)).unwrap();
    let service = Service::new("test", Duration::from_secs(25));
    // The router shows its paths to programmers only.
    let shown = format!("{:?}", routes(pool, Options::default(), &service));
    let paths = shown
        .split('"')
        .filter(|text| text.starts_with("/api") || text.starts_with("/dumps"));
    let paths: BTreeSet<&str> = paths.collect();
    let document = document().await;
    let described: BTreeSet<&str> = operations(&document).map(|(path, _)| path.as_str()).collect();
    assert!(described.len() > 20, "{described:?}");
    assert_eq!(paths, described);
}

/// `make page-types` makes the types of the page's answers from this file.
#[tokio::test]
async fn the_page_has_the_description() {
    let path = testutil::workspace().join("page/openapi.json");
    let document = document().await;
    if env::var_os("WRITE_OPENAPI").is_some() {
        fs::write(&path, format!("{document:#}\n")).unwrap();
    }
    let kept: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        kept == document,
        "page/openapi.json is not what the API says of itself now: run `make page-types`"
    );
}

#[tokio::test]
async fn every_part_is_described() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    let tags = document["tags"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for (path, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{path}");
        let tag = &operation["tags"][0];
        assert!(tags.iter().any(|known| known["name"] == *tag), "{path}: {tag}");
        for parameter in parameters(operation) {
            let text = parameter["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{path}: {parameter}");
            assert!(parameter["schema"].get("$ref").is_none(), "{path}: {parameter}");
        }
        assert!(answers(operation).contains_key("200"), "{path}");
        for (status, answer) in answers(operation) {
            assert!(!answer["description"].as_str().unwrap().is_empty(), "{path} {status}");
            for (kind, content) in answer["content"].as_object().into_iter().flatten() {
                // Compressed bytes show nothing.
                let has_example = content.get("example").is_some() || content.get("examples").is_some();
                assert!(has_example || kind == "application/gzip", "{path} {status} {kind}");
            }
        }
    }
    // Each reference leads to a structure.
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn refusals_are_as_described() {
    let document = document().await;
    let mut registry = prometheus_client::registry::Registry::default();
    let closed = Api::start_with(Options {
        admission: Admission::load(&["secret".into()], None, true, &mut registry).unwrap(),
        ..Options::default()
    })
    .await;
    let empty = Api::start().await;
    for (path, operation) in operations(&document) {
        let question = question(path, operation);
        let mark = if question.contains('?') { '&' } else { '?' };
        let unknown = ask(&nowhere(), Method::GET, &format!("{question}{mark}x=1"), &[]).await;
        let keyless = closed.response(&question, &[]).await;
        let mut refusals = vec![(StatusCode::BAD_REQUEST, unknown), (StatusCode::UNAUTHORIZED, keyless)];
        if path != STREAM {
            for response in [
                ask(&nowhere(), Method::GET, &question, &[]).await,
                empty.response(&question, &[]).await,
            ] {
                let status = response.status();
                if status != StatusCode::OK {
                    refusals.push((status, response));
                }
            }
        }
        for (status, response) in refusals {
            assert_eq!(response.status(), status, "{question}");
            let kind = kind(&response);
            let problem = json(response).await;
            let answer = answers(operation).get(status.as_str());
            let answer = answer.unwrap_or_else(|| panic!("{question} {status}: not described"));
            assert_eq!(examples(answer), [(kind.as_str(), &problem)], "{question}");
        }
    }
}

/// A database with something for each question.
async fn seeded() -> (Api, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = blob::Store::open(&format!("file://{}", folder.path().display())).unwrap();
    let manifest = value!({
        "date": "2021-02-27", "id": null, "revision": 1, "readings": 3, "devices": 1,
        "firstTimestamp": "2021-02-27T10:00:00Z", "lastTimestamp": "2021-02-27T11:00:00Z",
        "bytes": 5, "sha256": "ab", "dayVersion": 7, "format": archive::Manifest::FORMAT,
        "schemaVersion": archive::Manifest::SCHEMA_VERSION, "file": "2021-02-27.r1.json.gz",
    });
    for (name, bytes) in [
        ("2021-02-27.r1.json.gz", b"bytes".to_vec()),
        ("2021-02-27.manifest.json", manifest.to_string().into_bytes()),
    ] {
        assert!(store.create(name, bytes.into()).await.unwrap());
    }
    let api = Api::start_with(Options {
        dumps: Some(store),
        ..Options::default()
    })
    .await;
    // A drive of ten minutes to the north, at 60 km/h.
    let mut readings = Vec::new();
    let times: Vec<String> = (0..600)
        .step_by(5)
        .map(|second| format!("2021-02-28T10:{:02}:{:02}Z", second / 60, second % 60))
        .collect();
    for (number, time) in times.iter().enumerate() {
        let step = f64::from(u32::try_from(number).unwrap());
        readings.push(("lada", "speed", time.as_str(), 60.0));
        readings.push(("lada", "location_latitude", time.as_str(), 45.0 + step * 0.00075));
        readings.push(("lada", "location_longitude", time.as_str(), 13.0));
        readings.push(("lada", "fuel", time.as_str(), 50.0 - step * 0.01));
    }
    readings.push(("saab", "boost", "2021-02-28T10:00:00.123456Z", 0.5));
    api.add(&readings).await;
    api.execute(
        "INSERT INTO dropped_day (day, version, revision) VALUES ('2021-02-27', 7, 1);
         INSERT INTO author (name) VALUES ('anna');
         INSERT INTO entry (id, author_id, device, body)
         SELECT '0177e814-9900-7000-8000-000000000001', id, 'lada', 'Coffee #istria' FROM author",
    )
    .await;
    (api, folder)
}

/// Questions to the seeded database, with the path that describes each.
const QUESTIONS: [(&str, &str); 34] = [
    ("/api/statistics/latest", ""),
    ("/api/statistics/latest", "?device=saab"),
    (
        "/api/statistics/sensor/{sensor}/date/{date}",
        "/api/statistics/sensor/speed/date/2021-02-28?fill=null",
    ),
    ("/api/location/latest", ""),
    ("/api/location/track", "?from=2021-02-27&to=2021-03-01&with=speed"),
    ("/api/location/track", "?from=2021-02-28&to=2021-03-01&points=9"),
    (
        "/api/location/track",
        "?from=2021-02-28&to=2021-03-01&layout=columns&with=fuel",
    ),
    ("/api/location/track", "?from=2021-02-28&to=2021-03-01&layout=columns"),
    ("/api/location/track", "?from=2021-02-27&to=2021-03-01&format=geojson"),
    ("/api/location/track", "?from=2021-02-27&to=2021-03-01&format=gpx"),
    ("/api/trips", "?from=2021-02-27&to=2021-03-01&with=path"),
    ("/api/trips", "?from=2021-02-28&to=2021-03-01"),
    ("/api/trips/days", "?from=2021-02-27&to=2021-03-01&tz=Europe/Berlin"),
    ("/api/devices", ""),
    ("/api/devices", "?limit=1"),
    ("/api/sensors", ""),
    ("/api/journal", ""),
    ("/api/journal", "?with=readings&limit=1"),
    ("/api/journal", "?format=geojson"),
    ("/api/journal", "?format=gpx"),
    ("/api/journal/trends", "?aggregation=1h&from=2021-02-01&to=2021-03-01"),
    ("/api/journal/hashtags", ""),
    (
        "/api/trends",
        "?sensor=speed&from=2021-02-27&to=2021-03-01&function=avg,count,stddev",
    ),
    (
        "/api/trends",
        "?sensor=speed&from=2021-02-28T10:00:00Z&to=2021-02-28T10:01:00Z&points=100",
    ),
    (
        "/api/trends",
        "?sensor=speed&sensor=fuel&by=device&from=2021-02-27&to=2021-03-01&aggregation=1d",
    ),
    (
        "/api/trends",
        "?sensor=boost&layout=columns&from=2021-02-28&to=2021-03-01&aggregation=6h",
    ),
    ("/api/readings", ""),
    ("/api/readings", "?order=desc&limit=3"),
    ("/api/readings", "?format=ndjson&from=2021-02-27"),
    ("/api/readings", "?format=csv&device=saab"),
    ("/api/ingests", ""),
    ("/api/dumps", ""),
    ("/api/status", ""),
    ("/api/openapi.json", ""),
];

#[tokio::test]
async fn answers_are_as_described() {
    let document = document().await;
    let mut all = Vec::new();
    for (path, operation) in operations(&document) {
        for (status, answer) in answers(operation) {
            for (kind, example) in examples(answer) {
                all.push(value!({"path": path, "status": status, "kind": kind, "body": example}));
            }
        }
    }
    let documented = all.len();
    assert!(documented > 60, "{documented} examples");
    let (api, _folder) = seeded().await;
    for (path, query) in QUESTIONS {
        let question = if query.starts_with('/') {
            query.to_owned()
        } else {
            format!("{path}{query}")
        };
        let response = api.response(&question, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{question}");
        let kind = kind(&response);
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = if kind.ends_with("json") && !kind.ends_with("x-ndjson") {
            serde_json::from_str(&text).unwrap()
        } else {
            Value::String(text)
        };
        // What is shown must be there, or nothing is proven.
        assert!(!is_empty(&body), "{question}: {body}");
        all.push(value!({"path": path, "status": "200", "kind": kind, "body": body}));
    }
    let script = testutil::workspace().join("internal/query/tests/described.py");
    let wrong = testutil::python(&script, &value!({"document": document, "answers": all})).await;
    assert_eq!(wrong, value!([]));
}

/// Whether a list of an answer is empty, or all of it.
fn is_empty(body: &Value) -> bool {
    match body {
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Object(members) => {
            let lists = [
                "segments", "trips", "days", "devices", "sensors", "messages", "features", "readings", "series",
            ];
            lists
                .iter()
                .any(|name| members.get(*name).is_some_and(|list| list == &value!([])))
        }
        _ => true,
    }
}
