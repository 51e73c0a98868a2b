//! The routes as browsers ask them.

use crate::files::{self, embedded};
use crate::http::serve;
use crate::{Options, Served, routes};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use std::collections::BTreeSet;
use std::io::Read;
use tower::ServiceExt;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// The page as a release has it.
fn page(options: &Options) -> Router {
    web::finish(serve(embedded(), false, options, Served::default()).unwrap())
}

async fn ask(page: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask_by("GET", page, path, headers).await
}

async fn ask_by(method: &str, page: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = page
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let (parts, body) = answer.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

/// The address of a file, as `index.html` has it.
fn address(html: &str, file: &str) -> String {
    let mut links = html.split('"').filter(|part| part.starts_with("/~"));
    let found = links.find(|link| link.ends_with(&format!("/{file}")));
    found.unwrap_or_else(|| panic!("{file} is not in {html}")).to_owned()
}

#[tokio::test]
async fn every_view_has_the_page_and_other_paths_have_none() {
    let page = page(&Options::default());
    for path in ["/", "/drives", "/charts", "/data", "/drives?day=2026-06-01&device=a"] {
        let answer = ask(&page, path, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "strict-origin-when-cross-origin");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        let html = answer.text();
        assert!(!html.contains("HASH") && !html.contains("<!-- preloads -->"), "{html}");
        assert!(
            !html.contains(" style=") && !html.contains("<style") && !html.contains(" onload"),
            "{html}"
        );
    }
    for path in [
        "/index.html",
        "/live",
        "/drives/",
        "/main.js",
        "/~/main.js",
        "/~0/main.js",
        "/tiles/world.pmtiles",
    ] {
        let answer = ask(&page, path, &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    assert_eq!(
        ask_by("POST", &page, "/", &[]).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn files_are_kept_for_a_year_under_their_hash() {
    let page = page(&Options::default());
    let html = ask(&page, "/", &[]).await.text();
    for (file, kind) in [
        ("main.js", "text/javascript; charset=utf-8"),
        ("app.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let path = address(&html, file);
        let answer = ask(&page, &path, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), kind);
        assert_eq!(answer.header("cache-control"), "max-age=31536000, immutable");
        let (sent, written) = (answer.text(), String::from_utf8(embedded()[file].to_vec()).unwrap());
        assert_eq!(sent.lines().count(), written.lines().count(), "{file}");
        assert!(
            !sent.contains("@ts-check") && sent.lines().all(|line| written.contains(line)),
            "{file}"
        );

        let short = ask(&page, &path, &[("accept-encoding", "gzip, br")]).await;
        assert_eq!(
            (short.header("content-encoding"), short.header("vary")),
            ("gzip", "accept-encoding")
        );
        let mut whole = Vec::new();
        GzDecoder::new(&short.body[..]).read_to_end(&mut whole).unwrap();
        assert_eq!(whole, answer.body, "{file}");

        let known = ask(&page, &path, &[("if-none-match", answer.header("etag"))]).await;
        assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
}

#[tokio::test]
async fn the_page_is_not_sent_again_until_it_changes() {
    let first = page(&Options::default());
    let answer = ask(&first, "/", &[]).await;
    let known = ask(&first, "/", &[("if-none-match", answer.header("etag"))]).await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let mut files = embedded();
    files.insert("app.css".to_owned(), b"body { margin: 0 }".to_vec().into());
    let other = serve(files, false, &Options::default(), Served::default()).unwrap();
    let changed = ask(&other, "/", &[("if-none-match", answer.header("etag"))]).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(address(&changed.text(), "main.js"), address(&answer.text(), "main.js"));
    // Files of the version before are gone, and say so.
    let gone = ask(&other, &address(&answer.text(), "main.js"), &[]).await;
    assert_eq!(
        (gone.status, gone.header("cache-control")),
        (StatusCode::NOT_FOUND, "no-store")
    );
}

#[tokio::test]
async fn what_a_view_imports_is_loaded_beforehand() {
    let page = page(&Options::default());
    let preloads = async |path: &str| -> BTreeSet<String> {
        let html = ask(&page, path, &[]).await.text();
        let links = html.split("rel=\"modulepreload\" href=\"").skip(1);
        let names = links.map(|rest| {
            rest.split('"')
                .next()
                .unwrap()
                .splitn(3, '/')
                .nth(2)
                .unwrap()
                .to_owned()
        });
        names.collect()
    };
    let live = preloads("/").await;
    for file in ["main.js", "store.js", "vendor/view.js", "live/live.js"] {
        assert!(live.contains(file), "{file}: {live:?}");
    }
    assert!(
        !live.contains("vendor/chart.js") && !live.contains("charts/charts.js"),
        "{live:?}"
    );
    assert!(preloads("/charts").await.contains("charts/charts.js"));
    for file in &live {
        assert!(embedded().contains_key(file), "{file} is no file");
    }
    let html = ask(&page, "/", &[]).await.text();
    assert!(html.contains("/live/live.css\">"), "{html}");
}

#[tokio::test]
async fn the_map_of_the_page_is_read_in_ranges() {
    let page = page(&Options::default());
    let html = ask(&page, "/", &[]).await.text();
    assert!(html.contains("data-map=\"\""), "{html}");
    let path = address(&html, "main.js").replace("main.js", "world.pmtiles");
    let part = ask(&page, &path, &[("range", "bytes=0-6"), ("accept-encoding", "gzip")]).await;
    assert_eq!(
        (part.status, part.body.as_slice()),
        (StatusCode::PARTIAL_CONTENT, b"PMTiles".as_slice())
    );
    assert_eq!(part.header("content-range"), format!("bytes 0-6/{}", files::MAP.len()));
    assert_eq!(part.header("content-encoding"), "");
    let after = ask(&page, &path, &[("range", "bytes=999999999-")]).await;
    assert_eq!(after.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn a_users_map_is_read_in_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("region.pmtiles");
    std::fs::write(&file, b"PMTiles\x03 of a region").unwrap();
    let options = Options {
        map: Some(file.display().to_string()),
        map_attribution: Some("\"A\" & <B>".to_owned()),
        ..Options::default()
    };
    let page = page(&options);
    let html = ask(&page, "/", &[]).await.text();
    assert!(html.contains("data-map=\"/tiles/region.pmtiles\""), "{html}");
    assert!(
        html.contains("data-map-attribution=\"&quot;A&quot; &amp; &lt;B&gt;\""),
        "{html}"
    );
    let whole = ask(&page, "/tiles/region.pmtiles", &[]).await;
    assert_eq!((whole.status, whole.body.len()), (StatusCode::OK, 20));
    assert_eq!(whole.header("cache-control"), "no-cache");
    let part = ask(&page, "/tiles/region.pmtiles", &[("range", "bytes=14-")]).await;
    assert_eq!(
        (part.status, part.body.as_slice()),
        (StatusCode::PARTIAL_CONTENT, b"region".as_slice())
    );
    let known = ask(
        &page,
        "/tiles/region.pmtiles",
        &[("if-none-match", whole.header("etag"))],
    )
    .await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(
        ask(&page, "/tiles/other.pmtiles", &[]).await.status,
        StatusCode::NOT_FOUND
    );
    std::fs::remove_file(&file).unwrap();
    let gone = ask(&page, "/tiles/region.pmtiles", &[]).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(!gone.text().contains("tmp"), "{}", gone.text());
}

#[tokio::test]
async fn a_users_map_may_be_in_a_store() {
    let store = blob::Store::open("memory:///page-maps").unwrap();
    let bytes = axum::body::Bytes::from_static(b"PMTiles\x03 in a store");
    assert!(store.create("region.pmtiles", bytes).await.unwrap());
    let options = Options {
        map: Some("memory:///page-maps/region.pmtiles".to_owned()),
        ..Options::default()
    };
    let part = ask(&page(&options), "/tiles/region.pmtiles", &[("range", "bytes=-5")]).await;
    assert_eq!(
        (part.status, part.body.as_slice()),
        (StatusCode::PARTIAL_CONTENT, b"store".as_slice())
    );
}

#[tokio::test]
async fn tiles_of_a_server_are_in_the_policy() {
    let options = Options {
        map: Some("https://tiles.example/{z}/{x}/{y}.png".to_owned()),
        map_attribution: Some("© Others".to_owned()),
        frame_ancestors: vec!["https://dash.example".parse().unwrap()],
    };
    let answer = ask(&page(&options), "/", &[]).await;
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("img-src 'self' https://tiles.example;"), "{policy}");
    assert!(policy.ends_with("frame-ancestors https://dash.example"), "{policy}");
    assert!(
        answer
            .text()
            .contains("data-map=\"https://tiles.example/{z}/{x}/{y}.png\"")
    );
}

#[tokio::test]
async fn the_page_knows_what_else_is_served() {
    let other = Served {
        ingest: Some(5000),
        dumps: false,
    };
    let other = serve(embedded(), false, &Options::default(), other).unwrap();
    let html = ask(&other, "/", &[]).await.text();
    assert!(html.contains("data-ingest=\"5000\" data-dumps=\"none\""), "{html}");
    // As programs call it.
    let usual = routes(&Options::default(), Served::default()).unwrap();
    let html = ask(&usual, "/", &[]).await.text();
    assert!(html.contains("data-ingest=\"\" data-dumps=\"\""), "{html}");
}
