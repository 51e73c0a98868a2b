use super::routes;
use archive::Manifest;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use blob::Store;
use serde_json::{Value, json};
use tower::ServiceExt;

const BYTES: &[u8] = b"not really gzip, which nothing here looks at";

struct Dumps {
    routes: Router,
    store: Store,
    folder: tempfile::TempDir,
}

impl Dumps {
    async fn of(days: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("file://{}", folder.path().display())).unwrap();
        let dumps = Self {
            routes: routes(Some(store.clone())).into(),
            store,
            folder,
        };
        for day in days {
            let file = format!("{day}.r2.json.gz");
            dumps.write(&file, BYTES).await;
            dumps.write(&format!("{day}.json.gz"), BYTES).await;
            dumps.write(&format!("{day}.r2.claim"), b"").await;
            let manifest = manifest(day, &file);
            dumps
                .write(&format!("{day}.manifest.json"), manifest.to_string().as_bytes())
                .await;
        }
        dumps
    }

    async fn write(&self, name: &str, bytes: &[u8]) {
        assert!(self.store.create(name, bytes.to_vec().into()).await.unwrap());
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
        ask(&self.routes, method, path, headers).await
    }

    async fn get(&self, path: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
        self.ask(Method::GET, path, &[]).await
    }

    async fn ok(&self, path: &str) -> Value {
        let (status, _, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        serde_json::from_slice(&body).unwrap()
    }
}

async fn ask(
    routes: &Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let (parts, body) = routes.clone().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    (parts.status, parts.headers, body.to_vec())
}

/// A manifest as the dumper writes it.
fn manifest(day: &str, file: &str) -> Value {
    json!({
        "date": day, "id": null, "revision": 2, "readings": 3, "devices": 1,
        "firstTimestamp": format!("{day}T10:00:00Z"), "lastTimestamp": format!("{day}T11:00:00Z"),
        "bytes": BYTES.len(), "sha256": "ab", "dayVersion": 7,
        "format": Manifest::FORMAT, "schemaVersion": Manifest::SCHEMA_VERSION, "file": file,
    })
}

fn days(page: &Value) -> Vec<&str> {
    let dumps = page["dumps"].as_array().unwrap();
    dumps.iter().map(|dump| dump["date"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn without_a_store() {
    for path in ["/api/dumps", "/dumps/2024-05-01.r1.json.gz"] {
        let (status, _, body) = ask(&routes(None).into(), Method::GET, path, &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert!(
            problem["detail"].as_str().unwrap().contains("--blob-store-url"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn the_dump_in_force_of_each_day() {
    let dumps = Dumps::of(&["2024-05-01"]).await;
    let expected = json!({
        "dumps": [{
            "date": "2024-05-01", "revision": 2, "readings": 3, "devices": 1,
            "firstTimestamp": "2024-05-01T10:00:00Z", "lastTimestamp": "2024-05-01T11:00:00Z",
            "bytes": BYTES.len(), "sha256": "ab",
            "file": "2024-05-01.r2.json.gz", "url": "/dumps/2024-05-01.r2.json.gz",
        }],
        "nextCursor": null,
    });
    assert_eq!(dumps.ok("/api/dumps").await, expected);
    assert_eq!(
        Dumps::of(&[]).await.ok("/api/dumps").await,
        json!({"dumps": [], "nextCursor": null})
    );
}

#[tokio::test]
async fn pages_of_days() {
    let dumps = Dumps::of(&["2024-05-02", "2024-04-30", "2024-05-10", "2024-05-01", "2023-12-31"]).await;
    let first = dumps.ok("/api/dumps?limit=2").await;
    assert_eq!(days(&first), ["2024-05-10", "2024-05-02"]);
    assert_eq!(first["nextCursor"], "2024-05-02");
    let second = dumps.ok("/api/dumps?limit=2&cursor=2024-05-02").await;
    assert_eq!(days(&second), ["2024-05-01", "2024-04-30"]);
    assert_eq!(second["nextCursor"], "2024-04-30");
    // A day that comes in between is not on a page before.
    let last = dumps.ok("/api/dumps?limit=2&cursor=2024-04-30").await;
    assert_eq!((days(&last), &last["nextCursor"]), (vec!["2023-12-31"], &Value::Null));
    for wrong in [
        "limit=0",
        "limit=367",
        "limit=x",
        "cursor=x",
        "cursor=2024-02-30",
        "day=2024-05-01",
    ] {
        let (status, _, _) = dumps.get(&format!("/api/dumps?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn a_damaged_manifest_hides_no_other_day() {
    let dumps = Dumps::of(&["2024-05-03"]).await;
    dumps.write("2024-05-02.manifest.json", b"{").await;
    let outside = manifest("2024-05-01", "../2024-05-01.r2.json.gz").to_string();
    dumps.write("2024-05-01.manifest.json", outside.as_bytes()).await;
    let page = dumps.ok("/api/dumps").await;
    assert_eq!(days(&page), ["2024-05-03"]);
    assert_eq!(page["unreadable"], json!(["2024-05-02", "2024-05-01"]));
}

#[tokio::test]
async fn a_file_and_its_parts() {
    let dumps = Dumps::of(&["2024-05-01"]).await;
    let path = "/dumps/2024-05-01.r2.json.gz";
    let (status, headers, body) = dumps.get(path).await;
    assert_eq!((status, &*body), (StatusCode::OK, BYTES));
    assert_eq!(headers[header::CONTENT_TYPE], "application/gzip");
    assert_eq!(headers[header::CONTENT_LENGTH], BYTES.len().to_string().as_str());
    assert_eq!(headers[header::ACCEPT_RANGES], "bytes");
    assert_eq!(headers[header::CACHE_CONTROL], "max-age=31536000, immutable");
    let tag = headers[header::ETAG].to_str().unwrap();
    assert!(tag.starts_with('"'), "{tag} is not strong");

    let (status, part, body) = dumps.ask(Method::GET, path, &[("range", "bytes=4-9")]).await;
    assert_eq!((status, &*body), (StatusCode::PARTIAL_CONTENT, &BYTES[4..10]));
    let expected = format!("bytes 4-9/{}", BYTES.len());
    assert_eq!(part[header::CONTENT_RANGE], expected.as_str());
    let same = [("range", "bytes=-4"), ("if-range", tag)];
    let (status, _, body) = dumps.ask(Method::GET, path, &same).await;
    assert_eq!(
        (status, &*body),
        (StatusCode::PARTIAL_CONTENT, &BYTES[BYTES.len() - 4..])
    );
    let other = [("range", "bytes=-4"), ("if-range", "\"other\"")];
    let (status, _, body) = dumps.ask(Method::GET, path, &other).await;
    assert_eq!((status, &*body), (StatusCode::OK, BYTES));
    let (status, beyond, _) = dumps.ask(Method::GET, path, &[("range", "bytes=1000-")]).await;
    assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
    let expected = format!("bytes */{}", BYTES.len());
    assert_eq!(beyond[header::CONTENT_RANGE], expected.as_str());

    let (status, _, body) = dumps.ask(Method::GET, path, &[("if-none-match", tag)]).await;
    assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
    let (status, head, body) = dumps.ask(Method::HEAD, path, &[("range", "bytes=4-9")]).await;
    assert_eq!((status, body.len()), (StatusCode::OK, 0));
    assert_eq!(head[header::CONTENT_LENGTH], headers[header::CONTENT_LENGTH]);

    // The copy of the dump in force may be another tomorrow.
    let (status, headers, body) = dumps.get("/dumps/2024-05-01.json.gz").await;
    assert_eq!((status, &*body), (StatusCode::OK, BYTES));
    assert!(!headers.contains_key(header::CACHE_CONTROL));
}

#[tokio::test]
async fn only_files_of_dumps() {
    let dumps = Dumps::of(&["2024-05-01"]).await;
    std::fs::write(dumps.folder.path().join("secret"), "x").unwrap();
    for name in [
        "secret",
        "2024-05-01.manifest.json",
        "2024-05-01.r2.claim",
        "2024-05-01.r3.json.gz",
        "2024-05-02.json.gz",
        "2024-05-01.r02.json.gz",
        "..%2Fsecret",
        "%2e%2e",
        ".lock",
        "2024-05-01.r2.json.gz%00",
        "%ff",
    ] {
        let (status, _, _) = dumps.get(&format!("/dumps/{name}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{name}");
    }
    let (status, _, _) = dumps.get("/dumps/2024-05-01.r2.json.gz?day=1").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn many_pieces() {
    let dumps = Dumps::of(&[]).await;
    let content: Vec<u8> = (0..5_000_001_u32).map(|n| n.to_le_bytes()[1]).collect();
    let mut writer = dumps.store.writer("2024-05-01.r1.json.gz").await.unwrap();
    writer.write(content.clone().into()).await.unwrap();
    writer.finish().await.unwrap();
    let request = Request::builder()
        .uri("/dumps/2024-05-01.r1.json.gz")
        .header("range", "bytes=1-4999999")
        .body(Body::empty())
        .unwrap();
    let response = dumps.routes.clone().oneshot(request).await.unwrap();
    let body = to_bytes(response.into_body(), 8 << 20).await.unwrap();
    assert!(body == content[1..5_000_000], "what was read is not what was written");
}
