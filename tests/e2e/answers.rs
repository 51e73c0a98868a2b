//! The answers that people read, word for word: of the ingestor, and of the API.

use crate::snapshot::settings;
use crate::source::gzip;
use crate::system::{LONG, System, connect};
use reqwest::{Method, RequestBuilder};
use std::fmt::Write;
use testutil::poll;

/// Questions with their answers, one after the other.
#[derive(Default)]
struct Told(String);

impl Told {
    /// Sends a request and notes its answer.
    async fn ask(&mut self, what: &str, request: RequestBuilder) {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let mut headers = String::new();
        for name in [
            "content-type",
            "www-authenticate",
            "allow",
            "accept-encoding",
            "retry-after",
        ] {
            if let Some(value) = response.headers().get(name) {
                write!(headers, " {name}: {};", value.to_str().unwrap()).unwrap();
            }
        }
        let body = response.text().await.unwrap();
        writeln!(self.0, "# {what}\n{status}{headers}\n{body}\n").unwrap();
    }
}

const GOOD: &str = r#"{"sensor":"speed","value":55.5,"timestamp":"2012-04-23T18:25:43.511Z","device":"lada"}"#;

#[tokio::test]
async fn of_the_ingestor() {
    let system = System::start_with(1, &["--max-body", "1MiB"]).await;
    let mut told = Told::default();
    let http = &system.http;
    let url = &system.ingest_url;
    told.ask("a reading", system.upload(GOOD)).await;
    told.ask("an empty body", system.upload("")).await;
    told.ask("no key", http.post(url).body(GOOD)).await;
    told.ask("a wrong key", http.post(url).basic_auth("wrong", Some("")).body(GOOD))
        .await;
    told.ask(
        "a device that is no name",
        http.post(format!("{url}?device=a+b"))
            .basic_auth("test-key", Some(""))
            .body(GOOD),
    )
    .await;
    told.ask("GET", http.get(url)).await;
    told.ask("another path", http.post(url.replace("/ingest", "/upload")).body(GOOD))
        .await;
    told.ask(
        "a parameter that is unknown",
        http.post(format!("{url}?sensor=speed"))
            .basic_auth("test-key", Some(""))
            .body(GOOD),
    )
    .await;
    told.ask("a body that is too large", system.upload("x".repeat(2 << 20)))
        .await;
    told.ask(
        "an unknown encoding",
        system.upload(GOOD).header("Content-Encoding", "br"),
    )
    .await;
    told.ask("UTF-16", system.upload(b"{\0\"\0s\0".to_vec())).await;
    told.ask("a field of a form", system.upload("readings=%7B%22sensor%22%3A"))
        .await;
    told.ask(
        "gzip that is cut",
        system
            .upload({
                let mut bytes = gzip(format!("{GOOD}\n").repeat(1000));
                bytes.truncate(bytes.len() - 4);
                bytes
            })
            .header("Content-Encoding", "gzip"),
    )
    .await;
    told.ask(
        "gzip that is damaged",
        system
            .upload({
                let mut bytes = gzip(GOOD);
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0xff;
                bytes
            })
            .header("Content-Encoding", "gzip"),
    )
    .await;
    told.ask(
        "a document with a syntax error",
        system.upload(format!("[{GOOD},\n{GOOD}\n{GOOD}]")),
    )
    .await;
    told.ask(
        "a document with a value that is no object",
        system.upload(format!("[{GOOD},\nnull,\n{GOOD}]")),
    )
    .await;
    told.ask(
        "a document that breaks off",
        system.upload(format!("[{GOOD},\n{{\n\"sensor\":\n\"speed\",\n")),
    )
    .await;
    for line in [
        "fast",
        "{}",
        r#"{"sensor":"speed","value":55.5,"timestamp":"2012-04-23T18:25:43"#,
        r#"{"value":55.5,"timestamp":"2012-04-23T18:25:43.511Z"}"#,
        r#"{"sensor":"","value":55.5,"timestamp":"2012-04-23T18:25:43.511Z"}"#,
        r#"{"sensor":"sp eed","value":55.5,"timestamp":"2012-04-23T18:25:43.511Z"}"#,
        r#"{"sensor":"speed","value":"fast","timestamp":"2012-04-23T18:25:43.511Z"}"#,
        r#"{"sensor":"speed","value":1e999,"timestamp":"2012-04-23T18:25:43.511Z"}"#,
        r#"{"sensor":"speed","value":NaN,"timestamp":"2012-04-23T18:25:43.511Z"}"#,
        r#"{"sensor":"speed","value":55.5}"#,
        r#"{"sensor":"speed","value":55.5,"timestamp":"yesterday"}"#,
        r#"{"sensor":"speed","value":55.5,"timestamp":"2012-04-23 18:25:43"}"#,
        r#"{"sensor":"speed","value":55.5,"timestamp":"2012-04-23T18:25:43"}"#,
        r#"{"sensor":"speed","value":55.5,"timestamp":"2012-02-30T18:25:43Z"}"#,
        r#"{"sensor":"speed","value":55.5,"timestamp":"2012-04-23T18:25:60Z"}"#,
        r#"{"sensor":"speed","value":55.5,"timestamp":"1969-07-20T20:17:40Z"}"#,
        r#"{"sensor":"speed","value":55.5,"timestamp":"9999-12-31T23:59:59Z"}"#,
        r#"{"sensor":"speed","value":55.5,"timestamp":1335205543511}"#,
        r#"{"sensor":"speed","value":55.5,"timestamp":"2012-04-23T18:25:43.511Z","device":17}"#,
        r#"{"sensor":"speed","value":55.5,"timestamp":"2012-04-23T18:25:43.511Z","device":"a b"}"#,
    ] {
        told.ask(line, system.upload(format!("{line}\n"))).await;
    }
    settings().bind(|| insta::assert_snapshot!("ingestor-answers", told.0));
}

#[tokio::test]
async fn of_the_api() {
    let system = System::start(1).await;
    let mut told = Told::default();
    let get = |path: &str| system.http.get(format!("{}/{path}", system.api_url));
    told.ask("latest, of nothing", get("statistics/latest")).await;
    let lines = [
        GOOD.to_owned(),
        GOOD.replace("speed", "latitude").replace("55.5", "45.25"),
        GOOD.replace("speed", "longitude").replace("55.5", "13.75"),
    ];
    told.ask("readings", system.upload(lines.join("\n"))).await;
    system.wait_for_rows(3).await;
    for path in [
        "statistics/latest",
        "statistics/latest?device=lada",
        "statistics/latest?device=niva",
        "statistics/latest?devise=lada",
        "statistics/sensor/speed/date/2012-04-23?fill=none",
        "statistics/sensor/speed/date/2012-04-31",
        "statistics/sensor/sp%20eed/date/2012-04-23",
        "statistics/sensor/speed/date/2012-04-23?fill=some",
        "location/latest",
        "location/latest?device=niva",
        "trends",
        "trends?sensor=speed&from=2012-04-23T18:00:00Z&to=2012-04-23T19:00:00Z&aggregation=1h&function=avg,count",
        "trends?sensor=speed&from=yesterday",
        "trends?sensor=speed&from=2012-04-23T19:00:00Z&to=2012-04-23T18:00:00Z",
        "trends?sensor=speed&from=2012-04-23T18:00:00Z&to=2012-04-23T19:00:00Z&aggregation=1x",
        "trends?sensor=speed&from=2012-04-23T18:00:00Z&to=2012-04-23T19:00:00Z&function=median",
        "trends?sensor=speed&from=2002-04-23T18:00:00Z&to=2012-04-23T19:00:00Z&aggregation=1s",
        "ingests/seventeen",
        "ingests/01890a5d-ac96-774b-bcce-b302099a8057",
        "ingests/01890a5d-ac96-774b-bcce-b302099a8057?wait=soon",
        "ingest",
    ] {
        told.ask(path, get(path)).await;
    }
    let post = system
        .http
        .request(Method::POST, format!("{}/statistics/latest", system.api_url));
    told.ask("POST", post).await;
    settings().bind(|| insta::assert_snapshot!("api-answers", told.0));
}

/// The log says which question failed, and why.
#[tokio::test]
async fn a_stored_value_that_cannot_be_read_is_in_the_log() {
    let system = System::start(1).await;
    assert_eq!(system.post(GOOD).await.0, 200);
    system.wait_for_rows(1).await;
    let client = connect(&system.database.url()).await;
    let spoil = "UPDATE series SET latest_timestamp = 'infinity'";
    assert_eq!(client.execute(spoil, &[]).await.unwrap(), 1);
    let request = system
        .http
        .get(format!("{}/statistics/latest?device=lada", system.api_url));
    let response = request.header("x-correlation-id", "trip-7").send().await.unwrap();
    assert_eq!(response.status(), 500);
    let is_logged = |texts: &[&str]| {
        let lines = system.api.output();
        lines.iter().any(|line| texts.iter().all(|text| line.contains(text)))
    };
    poll(LONG, async || {
        let is_all = is_logged(&["trip-7", "/api/statistics/latest?device=lada"])
            && is_logged(&["holds a value that this program cannot read", "column 3"]);
        is_all.then_some(())
    })
    .await;
}
