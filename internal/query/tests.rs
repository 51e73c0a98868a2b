//! The API on a database of its own, for the tests of the questions; and tests of all endpoints.

mod answers;
mod described;
mod dropped;
mod left;

use super::{Options, Origin, routes};
use ::postgres::Pool;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use service::Service;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use tower::ServiceExt;

/// A device, a sensor, a time and a value.
pub(crate) type Reading<'a> = (&'a str, &'a str, &'a str, f64);

pub(crate) struct Api {
    routes: Router,
    pool: Pool,
    database: testutil::Database,
}

impl Api {
    /// Without readings.
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let database = testutil::database().await;
        let pool = ::postgres::open(&database.url(), 4, Duration::from_secs(30)).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        let service = Service::new("test", Duration::from_secs(25));
        let routes = web::finish(routes(pool.clone(), options, &service));
        Self { routes, pool, database }
    }

    pub(crate) async fn with(readings: &[Reading<'_>]) -> Self {
        let api = Self::start().await;
        api.add(readings).await;
        api
    }

    pub(crate) async fn add(&self, readings: &[Reading<'_>]) {
        let client = self.pool.get().await.unwrap();
        for (device, sensor, time, value) in readings {
            let timestamp: jiff::Timestamp = time.parse().unwrap();
            let month = &time[..7];
            let partition = format!("reading_{}", month.replace('-', "_"));
            let attach = format!(
                "CREATE TABLE {partition} (LIKE reading INCLUDING ALL);
                 ALTER TABLE reading ATTACH PARTITION {partition}
                     FOR VALUES FROM ('{month}-01Z') TO (timestamptz '{month}-01Z' + interval '1 month')"
            );
            let there = client
                .query_one("SELECT to_regclass($1) IS NOT NULL", &[&partition])
                .await
                .unwrap();
            if !there.get::<_, bool>(0) {
                client.batch_execute(&attach).await.unwrap();
            }
            let store = "
                WITH made AS (
                    INSERT INTO series (device, sensor, latest_timestamp, latest_value) VALUES ($1, $2, $3, $4)
                    ON CONFLICT (device, sensor) DO UPDATE SET
                        latest_value = CASE WHEN excluded.latest_timestamp > series.latest_timestamp
                            THEN excluded.latest_value ELSE series.latest_value END,
                        latest_timestamp = greatest(excluded.latest_timestamp, series.latest_timestamp)
                    RETURNING id
                )
                INSERT INTO reading SELECT id, $3, $4 FROM made";
            client
                .execute(store, &[device, sensor, &timestamp, value])
                .await
                .unwrap();
        }
    }

    /// Adds the points of one series, by their microseconds since 1970, the latest first. Its months must be there.
    pub(crate) async fn add_series(&self, device: &str, sensor: &str, points: &BTreeMap<i64, f64>) {
        let Some((last, value)) = points.last_key_value() else {
            return;
        };
        let text = |time: i64| jiff::Timestamp::from_microsecond(time).unwrap().to_string();
        let rows: Vec<String> = points
            .iter()
            .rev()
            .map(|(time, value)| format!("('{}'::timestamptz, {value}::float8)", text(*time)))
            .collect();
        let statement = format!(
            "WITH made AS (
                 INSERT INTO series (device, sensor, latest_timestamp, latest_value)
                 VALUES ('{device}', '{sensor}', '{}', {value}) RETURNING id
             )
             INSERT INTO reading SELECT id, time, value FROM made, (VALUES {}) AS point (time, value)",
            text(*last),
            rows.join(", ")
        );
        self.execute(&statement).await;
    }

    /// Runs a statement that the API never runs.
    pub(crate) async fn execute(&self, statement: &str) {
        self.pool.get().await.unwrap().batch_execute(statement).await.unwrap();
    }

    /// The URL of its database.
    pub(crate) fn database_url(&self) -> String {
        self.database.url()
    }

    /// An answer whose body is not read yet.
    pub(crate) async fn response(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.ask(Method::GET, path, headers).await
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> deadpool_postgres::ClientWrapper {
        deadpool_postgres::Object::take(self.pool.get().await.unwrap())
    }

    /// The answer to a request with these headers.
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        ask(&self.routes, method, path, headers).await
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.response(path, &[]).await;
        (response.status(), json(response).await)
    }

    /// The text of a successful answer, and its `Link`.
    pub(crate) async fn page(&self, path: &str) -> (String, Option<String>) {
        let response = ask(&self.routes, Method::GET, path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let link = response.headers().get(header::LINK);
        let link = link.map(|link| link.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (String::from_utf8(body.to_vec()).unwrap(), link)
    }

    /// The JSON of a successful answer.
    pub(crate) async fn ok(&self, path: &str) -> Value {
        let (status, answer) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }
}

/// The routes with the layers that programs add.
fn finished(pool: Pool) -> Router {
    let service = Service::new("test", Duration::from_secs(25));
    let options = Options {
        origins: vec![Origin::any()],
        ..Options::default()
    };
    web::finish(routes(pool, options, &service))
}

async fn ask(routes: &Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    routes
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

async fn json(response: Response) -> Value {
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Every endpoint, with a valid query.
const ENDPOINTS: [&str; 12] = [
    "/api/statistics/latest",
    "/api/statistics/sensor/speed/date/2021-02-28",
    "/api/location/latest",
    "/api/trends?sensor=speed",
    "/api/readings",
    "/api/status",
    "/api/journal",
    "/api/journal/trends?aggregation=1h",
    "/api/journal/hashtags",
    "/api/location/track",
    "/api/trips",
    "/api/trips/days",
];

/// An API without a server: no test needs one here.
fn nowhere() -> Router {
    finished(::postgres::open("postgres://nobody@127.0.0.1:1/nothing", 1, Duration::from_secs(1)).unwrap())
}

#[tokio::test]
async fn without_a_database_each_endpoint_is_unavailable() {
    for path in ENDPOINTS {
        let response = ask(&nowhere(), Method::GET, path, &[]).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(response.headers()[header::RETRY_AFTER], "1", "{path}");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store", "{path}");
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json",
            "{path}"
        );
        assert_eq!(json(response).await["status"], 503, "{path}");
    }
}

#[tokio::test]
async fn without_a_schema_each_endpoint_is_unavailable() {
    let database = testutil::database().await;
    let pool = ::postgres::open(&database.url(), 4, Duration::from_secs(30)).unwrap();
    let routes = finished(pool);
    for path in ENDPOINTS {
        let response = ask(&routes, Method::GET, path, &[]).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
}

#[tokio::test]
async fn wrong_questions_are_told_why_before_the_database_is_asked() {
    let long = "x".repeat(65);
    let day = |sensor: &str, date: &str| format!("/api/statistics/sensor/{sensor}/date/{date}");
    let mut wrong = vec![
        day("-x", "2021-02-28"),
        day("sp%00eed", "2021-02-28"),
        day("sp%20eed", "2021-02-28"),
        day("%ff", "2021-02-28"),
        day(&long, "2021-02-28"),
        day("speed", "2021-02-30"),
        day("speed", "2021-2-3"),
        day("speed", "20210203"),
        day("speed", "2021-02-03T00:00:00Z"),
        day("speed", "9999-12-31"),
        day("speed", "yesterday"),
        day("speed", "2021-02-28?fill=cubic"),
        day("speed", "2021-02-28?fill="),
    ];
    for endpoint in ENDPOINTS {
        let mark = if endpoint.contains('?') { '&' } else { '?' };
        wrong.push(format!("{endpoint}{mark}device="));
        wrong.push(format!("{endpoint}{mark}device=a%00b"));
        wrong.push(format!("{endpoint}{mark}device={long}"));
        wrong.push(format!("{endpoint}{mark}device=%ff"));
        // These take several.
        if !["/api/journal", "/api/readings"].contains(&endpoint) {
            wrong.push(format!("{endpoint}{mark}device=a&device=b"));
        }
        // Ignored, each would widen the question.
        wrong.push(format!("{endpoint}{mark}devise=lada"));
        wrong.push(format!("{endpoint}{mark}device_id=lada"));
        wrong.push(format!("{endpoint}{mark}device=lada&Devices=saab"));
        wrong.push(format!("{endpoint}{mark}limit=0"));
        wrong.push(format!("{endpoint}{mark}=x"));
        wrong.push(format!("{endpoint}{mark}q%22%00=x"));
    }
    let trend = "/api/trends?sensor=speed";
    wrong.push(format!("{trend}&functions=max"));
    wrong.push(format!("{trend}&fill=zero&fill=null"));
    for question in [
        "limit=10001",
        "limit=-1",
        "limit=many",
        "order=newest",
        "sensor=-x",
        "from=2021-02-28&to=2021-02-28",
        "from=-1h&to=-2h",
        "to=2h",
        "tz=Mars/Olympus",
        "cursor=1",
        "format=xml",
        "format=csv&limit=1",
        "format=ndjson&order=asc",
        "format=ndjson&cursor=1",
        "format=csv&from=-1h&to=-2h",
    ] {
        wrong.push(format!("/api/readings?{question}"));
    }
    let receipt = "/api/ingests/01a1fd4a-8ab1-7000-8000-000000000000";
    wrong.push(format!("{receipt}?waits=5s"));
    wrong.push(format!("{receipt}?device=lada"));
    wrong.push(format!("{receipt}?wait=5s&wait=6s"));
    wrong.push(format!("{receipt}?wait=31s"));
    wrong.push(format!("{receipt}?wait=-1s"));
    let mut answers = String::new();
    for path in wrong {
        let response = ask(&nowhere(), Method::GET, &path, &[]).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        let problem = json(response).await;
        let _written = writeln!(answers, "{path}\n    {}", problem["detail"].as_str().unwrap());
    }
    insta::assert_snapshot!(answers);
}

#[tokio::test]
async fn pages_of_any_origin_may_read() {
    let preflight = [
        ("origin", "https://dash.example"),
        ("access-control-request-method", "GET"),
    ];
    for path in ENDPOINTS {
        let response = ask(&nowhere(), Method::OPTIONS, path, &preflight).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], "*", "{path}");
        assert_eq!(response.headers()["access-control-allow-methods"], "GET,HEAD", "{path}");
        let allowed = &response.headers()["access-control-allow-headers"];
        assert_eq!(allowed, "*,authorization", "{path}");
        // A page must be able to read an error, too.
        let response = ask(&nowhere(), Method::GET, path, &preflight[..1]).await;
        assert_eq!(response.headers()["access-control-allow-origin"], "*", "{path}");
        let response = ask(&nowhere(), Method::POST, path, &preflight[..1]).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(json(response).await["title"], "Method Not Allowed", "{path}");
    }
}

#[tokio::test]
async fn answers_are_asked_for_again() {
    let api = Api::start().await;
    let response = ask(&api.routes, Method::GET, "/api/status", &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert!(response.headers().contains_key("x-correlation-id"));
}

/// Both settings have made the averages of a day several times slower.
#[tokio::test]
async fn statements_are_neither_compiled_nor_run_by_workers() {
    let api = Api::start().await;
    let client = api.pool.get().await.unwrap();
    for (setting, expected) in [("jit", "off"), ("max_parallel_workers_per_gather", "0")] {
        let row = client.query_one(&format!("SHOW {setting}"), &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), expected, "{setting}");
    }
}
