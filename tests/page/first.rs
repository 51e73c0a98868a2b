//! A first visit: from an empty page to a first reading, by what the page says.

use crate::browser::Browser;
use crate::odograph::{LONG, Odograph};
use std::process::Command;
use testutil::{Program, poll};

#[tokio::test]
async fn the_line_on_an_empty_page_brings_the_first_reading() {
    let odograph = Odograph::start(&[]).await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/", odograph.url)).await;
    let found = browser.inaccessible().await;
    assert!(found.is_empty(), "{found:#?}");
    let line = browser
        .until("return document.querySelector('main pre').innerText")
        .await;
    let line = line.as_str().unwrap().replace("YOUR_KEY", &odograph.key());
    assert!(line.contains(&format!("{}/ingest", odograph.url)), "{line}");

    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("\"accepted\":1"), "{output:?}");
    browser
        .until("return [...document.querySelectorAll('.live-value')].some((value) => value.textContent === '56')")
        .await;
    assert_eq!(browser.console().await, Vec::<String>::new());
}

#[tokio::test]
async fn one_address_has_the_page_the_api_and_uploads() {
    let odograph = Odograph::start(&[]).await;
    let greeting = poll(LONG, async || {
        Some(odograph.process.stdout().join("\n")).filter(|text| text.contains("Ctrl-C"))
    })
    .await;
    let port = odograph.url.rsplit(':').next().unwrap();
    let first = greeting.lines().find(|line| line.contains("http")).unwrap();
    assert_eq!(
        first.trim(),
        format!("Open              http://127.0.0.1:{port}"),
        "{greeting}"
    );
    assert!(greeting.contains("without a key"), "{greeting}");
    odograph.measure(&[("speed", 50.0)]).await;
    for (path, status, kind) in [
        ("/", 200, "text/html; charset=utf-8"),
        ("/drives?day=2026-06-01", 200, "text/html; charset=utf-8"),
        ("/api/status", 200, "application/json"),
        ("/ingest", 405, "application/problem+json"),
        ("/nothing", 404, "application/problem+json"),
    ] {
        let answer = odograph
            .http
            .get(format!("{}{path}", odograph.url))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], kind, "{path}");
    }
}

#[tokio::test]
async fn without_a_blob_store_the_page_asks_for_no_dumps() {
    let database = testutil::database().await;
    let mut api = Program::new("api").env("DATABASE_URL", database.url()).start().await;
    let url = api.url().await;
    let (client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(async move {
        // Ends when the client is dropped.
        let _ = connection.await;
    });
    // Without a reading, the page shows no view.
    let reading =
        "INSERT INTO series (device, sensor, latest_timestamp, latest_value) VALUES ('lada', 'speed', now(), 50)";
    client.batch_execute(reading).await.unwrap();
    let browser = Browser::start().await;
    browser.open(&format!("{url}/data")).await;
    let said = browser
        .until("return document.querySelector('.data-dumps .data-none')?.innerText ?? null")
        .await;
    assert_eq!(said, "This server shows no dumps: it has no blob store.");
    // Those of the other lists are answered before the console is read.
    browser
        .until("return document.querySelector('main [aria-busy=true]') === null")
        .await;
    assert_eq!(browser.console().await, Vec::<String>::new());
    let asked = browser.requests().await;
    assert!(asked.iter().any(|url| url.contains("/api/ingests")), "{asked:?}");
    assert!(!asked.iter().any(|url| url.contains("/api/dumps")), "{asked:?}");
}

#[tokio::test]
async fn keys_that_read_cover_the_page() {
    let odograph = Odograph::start(&["--read-key", "secret"]).await;
    for path in ["/", "/drives", "/tiles/a.pmtiles", "/~0/main.js"] {
        let url = format!("{}{path}", odograph.url);
        let refused = odograph.http.get(&url).send().await.unwrap();
        assert_eq!(refused.status().as_u16(), 401, "{path}");
        let given = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(given.contains("Basic"), "{path}: {given}");
        let answer = odograph
            .http
            .get(&url)
            .basic_auth("secret", Some(""))
            .send()
            .await
            .unwrap();
        assert!(
            matches!(answer.status().as_u16(), 200 | 404),
            "{path}: {}",
            answer.status()
        );
    }
}
