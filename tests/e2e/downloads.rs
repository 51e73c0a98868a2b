//! What the API lists: devices with their names, uploads, and dumps, which it also gives out.

use crate::system::{KEY, LONG, System, client, connect};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testutil::{Process, Program, poll};

const DAY: &str = "2024-05-01";

const BODY: &str = r#"{"sensor":"speed","value":55.0,"timestamp":"2024-05-01T12:00:00.500Z","device":"lada"}"#;

/// A system with one reading, and an API that shows the dumps of a folder.
struct Shown {
    system: System,
    folder: tempfile::TempDir,
    _api: Process,
    url: String,
}

impl Shown {
    async fn start() -> Self {
        let system = System::start(1).await;
        let folder = tempfile::tempdir().unwrap();
        let mut api = Program::new("api")
            .env("DATABASE_URL", system.database.url_as("odograph_reader"))
            .env("BLOB_STORE_URL", format!("file://{}", folder.path().display()))
            .args(["--migrate", "false", "--cors-origin", "https://dash.example"])
            .start()
            .await;
        let url = api.url().await;
        assert_eq!(system.post(BODY).await.0, 200);
        system.wait_for_rows(1).await;
        Self {
            system,
            folder,
            _api: api,
            url,
        }
    }

    async fn dump(&self) {
        let url = format!("file://{}", self.folder.path().display());
        crate::dumps::dump_to(&self.system, &url, DAY).await;
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = client().get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path, &[]).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }
}

#[tokio::test]
async fn dumps_are_listed_and_given_out() {
    let shown = Shown::start().await;
    let none = json!({"dumps": [], "nextCursor": null});
    assert_eq!(shown.json("/api/dumps").await, none);
    shown.dump().await;
    let listed = shown.json("/api/dumps").await;
    let dump = &listed["dumps"][0];
    assert_eq!((&dump["date"], &dump["readings"]), (&json!(DAY), &json!(1)));
    let path = dump["url"].as_str().unwrap();

    let answer = shown.get(path, &[("accept-encoding", "gzip, zstd")]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/gzip");
    assert!(!answer.headers().contains_key("content-encoding"));
    assert!(
        answer.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    let bytes = answer.bytes().await.unwrap();
    assert_eq!(dump["bytes"], bytes.len());
    assert_eq!(dump["sha256"], format!("{:x}", Sha256::digest(&bytes)));

    // A download that broke off goes on.
    let rest = [("range", "bytes=10-"), ("if-range", &*tag)];
    let rest = shown.get(path, &rest).await;
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(rest.bytes().await.unwrap(), bytes.slice(10..));
    let beyond = shown.get(path, &[("range", "bytes=1000000-")]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let known = shown.get(path, &[("if-none-match", &*tag)]).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);

    for name in ["..%2F..%2Fetc%2Fpasswd", ".lock", "2024-05-01.manifest.json"] {
        let answer = shown.get(&format!("/dumps/{name}"), &[]).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{name}");
    }
    // The other API has no store.
    let (status, problem) = shown.system.get("dumps").await;
    assert_eq!(status, 404);
    assert!(
        problem["detail"].as_str().unwrap().contains("--blob-store-url"),
        "{problem}"
    );
}

#[tokio::test]
async fn uploads_are_listed() {
    let shown = Shown::start().await;
    let (status, told) = shown.system.post("no reading\n").await;
    assert_eq!(status, 400);
    // The invalid line may follow a moment after the receipt.
    let listed = poll(LONG, async || {
        let listed = shown.json("/api/ingests").await;
        listed["ingests"][0]["invalid"].is_array().then_some(listed)
    })
    .await;
    let ingests = listed["ingests"].as_array().unwrap();
    assert_eq!(ingests.len(), 2, "{listed}");
    assert_eq!(ingests[0]["id"], told["id"]);
    assert_eq!(ingests[1]["persisted"], 1);
}

#[tokio::test]
async fn a_device_has_the_name_that_the_operator_gives_it() {
    let shown = Shown::start().await;
    let device = async |role: &str, arguments: &[&str]| {
        let mut command = Program::new("odograph")
            .arg("device")
            .args(arguments.iter().copied())
            .env("DATABASE_URL", shown.system.database.url_as(role))
            .spawn();
        let code = command.wait(LONG).await;
        (code, command.stdout())
    };
    let writer = "odograph_writer";
    assert_eq!(device(writer, &["list"]).await, (0, vec!["lada\t".to_owned()]));
    let name = "Grandpa's \u{17d}iguli";
    assert_eq!(device(writer, &["name", "lada", name]).await.0, 0);
    assert_eq!(shown.json("/api/devices").await["devices"][0]["name"], name);
    assert_eq!(device(writer, &["list"]).await.1, [format!("lada\t{name}")]);
    for wrong in [
        &["name", "la da", "x"][..],
        &["name", "lada", "two\nlines"],
        &["name", "lada", &"x".repeat(101)],
        &["name", "lada"],
    ] {
        assert_eq!(device(writer, wrong).await.0, 2, "{wrong:?}");
    }
    // The API's role only reads.
    assert_eq!(device("odograph_reader", &["name", "lada", "x"]).await.0, 1);
    assert_eq!(device(writer, &["name", "lada", ""]).await.0, 0);
    assert_eq!(shown.json("/api/devices").await["devices"][0]["name"], Value::Null);
}

#[tokio::test]
async fn only_pages_of_a_named_origin_read_the_api() {
    let shown = Shown::start().await;
    for (origin, allowed) in [("https://dash.example", true), ("https://other.example", false)] {
        let answer = shown.get("/api/status", &[("origin", origin)]).await;
        assert_eq!(answer.status(), 200);
        let told = answer.headers().get("access-control-allow-origin");
        assert_eq!(told.is_some_and(|told| told == origin), allowed, "{origin}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_uploads_nothing() {
    let shown = Shown::start().await;
    let send = async |site: &str| {
        let body = BODY.replace("12:00:00.500Z", "13:00:00Z");
        let upload = shown.system.upload(body).header("sec-fetch-site", site);
        upload.send().await.unwrap()
    };
    let refused = send("cross-site").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let problem: Value = refused.json().await.unwrap();
    assert!(
        problem["detail"].as_str().unwrap().contains("another site"),
        "{problem}"
    );
    let rows = connect(&shown.system.database.url()).await;
    let count = rows.query_one("SELECT count(*) FROM reading", &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 1);
    assert_eq!(send("same-origin").await.status(), StatusCode::OK);
}

/// `odograph up` shows its own dumps, and lets no page read it.
#[tokio::test]
async fn up_is_closed_to_pages() {
    let data = crate::system::folder();
    let mut up = Program::new("odograph")
        .args(["up", "--api-port", "0", "--notifier-port", "0", "--messages-port", "0"])
        .args(["--journal-port", "0", "--api-key", KEY, "--data-dir"])
        .arg(data.path())
        .start()
        .await;
    let api = up.address("api").await;
    let answer = client()
        .get(format!("http://{api}/api/dumps"))
        .header("origin", "https://other.example")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    let preflight = client()
        .request(reqwest::Method::OPTIONS, format!("http://{api}/api/status"))
        .header("origin", "https://other.example")
        .header("access-control-request-method", "GET")
        .send()
        .await
        .unwrap();
    assert!(!preflight.headers().contains_key("access-control-allow-origin"));
}
