//! Streams: their lines, their order, and where they break off.

use super::*;
use crate::readings::routes;
use crate::words::Database;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures_util::StreamExt;
use service::Service;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Readings in the order of dumps.
fn in_order_of_dumps(held: &[Held]) -> Vec<Held> {
    let mut held = held.to_vec();
    held.sort_by(|one, other| (&one.1, &one.2, one.0).cmp(&(&other.1, &other.2, other.0)));
    held
}

/// The readings of lines, as an ingestor takes them.
fn taken(lines: &str) -> Vec<Held> {
    let lines = lines.lines().map(|line| {
        let found = reading::decode::decode(line.as_bytes(), reading::ANY).unwrap();
        let line: Value = serde_json::from_str(line).unwrap();
        let device = line["device"].as_str().unwrap().to_owned();
        (
            found.timestamp,
            device,
            line["sensor"].as_str().unwrap().to_owned(),
            found.value,
        )
    });
    lines.collect()
}

#[tokio::test]
async fn lines_are_the_readings_of_pages() {
    let (api, held) = (Api::start().await, held());
    store(&api, &held).await;
    for question in [
        "",
        "&device=lada",
        "&sensor=speed&sensor=Speed&from=2021-02-27T22:30:00Z",
        "&from=2021-02-27&to=2021-03-28T00:30:00Z",
        "&device=niva",
    ] {
        let expected = in_order_of_dumps(&pages(&api, &format!("limit=1000{question}")).await.concat());
        let ndjson = text(&api, &format!("/api/readings?format=ndjson{question}")).await;
        assert_eq!(taken(&ndjson), expected, "{question}");
        let csv = text(&api, &format!("/api/readings?format=csv{question}")).await;
        let (head, rows) = csv.split_once('\n').unwrap();
        assert_eq!(head, "device,sensor,timestamp,value,unit");
        let rows: Vec<&str> = rows.lines().collect();
        let expected: Vec<String> = expected
            .iter()
            .map(|(moment, device, sensor, value)| {
                let unit = match sensor.as_str() {
                    "speed" => "km/h",
                    "fuel" => "%",
                    _ => "",
                };
                format!("{device},{sensor},{},{value},{unit}", time::exact(*moment))
            })
            .collect();
        assert_eq!(rows, expected, "{question}");
    }
}

#[tokio::test]
async fn accept_chooses_the_format() {
    let api = Api::with(&[("lada", "speed", "2021-02-28T10:00:00Z", 55.0)]).await;
    let line = "{\"sensor\":\"speed\",\"value\":55,\"timestamp\":\"2021-02-28T10:00:00Z\",\"device\":\"lada\"}\n";
    for (accept, query, kind, body) in [
        ("application/x-ndjson", "", "application/x-ndjson", Some(line)),
        (
            "text/csv",
            "",
            "text/csv; charset=utf-8; header=present",
            Some("device,sensor,timestamp,value,unit\nlada,speed,2021-02-28T10:00:00Z,55,km/h\n"),
        ),
        ("text/csv", "?format=ndjson", "application/x-ndjson", Some(line)),
        ("text/csv", "?format=json", "application/json", None),
        ("*/*", "", "application/json", None),
    ] {
        let response = api
            .response(&format!("/api/readings{query}"), &[("accept", accept)])
            .await;
        assert_eq!(response.status(), StatusCode::OK, "{accept} {query}");
        assert_eq!(response.headers()["content-type"], kind, "{accept} {query}");
        let varies = response.headers().get_all("vary").iter();
        assert!(
            varies
                .filter_map(|name| name.to_str().ok())
                .any(|name| name == "accept")
        );
        if let Some(expected) = body {
            let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
            assert_eq!(body, expected.as_bytes(), "{accept} {query}");
        }
    }
}

/// Small series around one of 50,001 readings, a second apart: more than three chunks.
const LARGE: i64 = 50_001;

async fn large() -> Api {
    let api = Api::with(&[
        ("a", "x", "2021-02-01T00:00:00Z", 1.0),
        ("b", "x", "2021-02-01T00:00:00Z", 0.0),
        ("b", "y", "2021-02-01T00:00:00Z", 2.0),
        ("c", "x", "2021-03-01T00:00:00Z", 3.0),
    ])
    .await;
    api.execute(&format!(
        "INSERT INTO reading
         SELECT id, timestamptz '2021-02-01Z' + n * interval '1 second', n
         FROM series, generate_series(1, {LARGE} - 1) AS n WHERE device = 'b' AND sensor = 'x'"
    ))
    .await;
    api
}

#[tokio::test]
async fn a_series_may_be_larger_than_a_chunk() {
    let api = large().await;
    let start = time::parse("2021-02-01T00:00:00Z").unwrap();
    let told = taken(&text(&api, "/api/readings?format=ndjson").await);
    let of = |device: &str, sensor: &str| -> Vec<(i64, f64)> {
        let readings = told.iter().filter(|held| held.1 == device && held.2 == sensor);
        readings.map(|held| (held.0, held.3)).collect()
    };
    let expected: Vec<(i64, f64)> = (0..LARGE)
        .map(|n| (start + n * SECOND, f64::from(i32::try_from(n).unwrap())))
        .collect();
    assert_eq!(of("b", "x"), expected);
    assert_eq!(told.len(), expected.len() + 3);
    assert_eq!(told, in_order_of_dumps(&told));
    // Up to the last reading of a chunk, and into the next.
    for count in [16_383, 16_384, 16_385, 32_768] {
        let to = time::exact(start + count * SECOND);
        let part = text(&api, &format!("/api/readings?format=ndjson&device=b&sensor=x&to={to}")).await;
        assert_eq!(i64::try_from(part.lines().count()).unwrap(), count);
    }
    // Pages of the same: as long as they may be, although most series have nothing.
    let page = api.ok("/api/readings?limit=5000&order=desc&sensor=x").await;
    let values: Vec<f64> = read(&page["readings"]).iter().map(|held| held.3).collect();
    assert_eq!(values[..3], [3.0, 50_000.0, 49_999.0]);
    assert_eq!(values.len(), 5000);
}

#[tokio::test]
async fn a_stream_that_fails_breaks_off() {
    let api = large().await;
    api.execute(
        "UPDATE reading SET value = 'NaN'
         WHERE timestamp = '2021-02-01Z'::timestamptz + interval '40000 seconds'",
    )
    .await;
    for format in ["ndjson", "csv"] {
        let response = api.response(&format!("/api/readings?format={format}"), &[]).await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body().into_data_stream();
        let mut bytes = 0;
        let broken = loop {
            match body.next().await {
                Some(Ok(piece)) => bytes += piece.len(),
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        assert!(broken && bytes > 1_000_000, "{format}: {bytes} bytes");
    }
    // Where nothing was sent yet, a status says it.
    let response = api
        .response("/api/readings?format=ndjson&from=2021-02-01T11:06:40Z", &[])
        .await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// The routes over a single connection.
fn over_one_connection(api: &Api, drain_deadline: &CancellationToken) -> axum::Router {
    let pool = ::postgres::open(&api.database_url(), 1, Duration::from_secs(30)).unwrap();
    let service = Service::new("test", Duration::from_secs(25));
    routes(Database::new(pool, service), drain_deadline.clone()).into()
}

async fn asked(routes: &axum::Router, path: &str) -> axum::response::Response {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    routes.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_stream_that_is_not_read_holds_no_connection_and_ends_at_the_drain_deadline() {
    let api = large().await;
    let drain_deadline = CancellationToken::new();
    let routes = over_one_connection(&api, &drain_deadline);
    let mut streams = Vec::new();
    for _ in 0..3 {
        let response = asked(&routes, "/api/readings?format=ndjson").await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body().into_data_stream();
        assert!(body.next().await.unwrap().is_ok());
        streams.push(body);
    }
    assert_eq!(asked(&routes, "/api/readings?device=a").await.status(), StatusCode::OK);
    drain_deadline.cancel();
    for mut body in streams {
        assert!(body.next().await.unwrap().is_err());
        assert!(body.next().await.is_none());
    }
}
