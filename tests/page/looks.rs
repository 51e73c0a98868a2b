//! Each view at each size, in both themes: accessible, silent, from one origin, and small.

use crate::browser::{Browser, SIZES};
use crate::odograph::{LONG, Odograph};
use testutil::poll;

/// Bytes of scripts and styles of the first load.
const CODE: f64 = 150_000.0;

/// Bytes of the API's answers of the first load.
const ANSWERS: f64 = 60_000.0;

/// Requests of the first load, without tiles.
const REQUESTS: usize = 35;

async fn is_clean(view: &str) {
    let odograph = Odograph::start(&["--demo"]).await;
    wait_for_drive(&odograph).await;
    let browser = Browser::start().await;
    for size in SIZES {
        for theme in ["light", "dark"] {
            browser.screen(size, theme).await;
            browser.open(&format!("{}{view}", odograph.url)).await;
            browser
                .until("return document.querySelector('main [aria-busy=true]') === null && document.getAnimations().length === 0")
                .await;
            let found = browser.inaccessible().await;
            assert!(found.is_empty(), "{view} at {size:?}, {theme}: {found:#?}");
            let wide = browser
                .run("const { scrollWidth, clientWidth } = document.documentElement; return scrollWidth - clientWidth")
                .await;
            assert_eq!(wide, 0, "{view} at {size:?} is wider than the screen");
            let said = browser.console().await;
            assert!(said.is_empty(), "{view} at {size:?}, {theme}: {said:#?}");
            for url in browser.requests().await {
                let is_own = url.starts_with(&odograph.url) || url.starts_with("data:") || url.starts_with("blob:");
                assert!(is_own, "{view} asks {url}");
            }
        }
    }
}

/// Waits until the drive's beginning is stored.
async fn wait_for_drive(odograph: &Odograph) {
    let url = format!("{}/api/location/latest", odograph.url);
    poll(LONG, async || {
        let answer = odograph.http.get(&url).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
}

#[tokio::test]
async fn live_is_clean() {
    is_clean("/").await;
}

#[tokio::test]
async fn drives_are_clean() {
    is_clean("/drives").await;
}

#[tokio::test]
async fn charts_are_clean() {
    is_clean("/charts").await;
}

#[tokio::test]
async fn data_is_clean() {
    is_clean("/data").await;
}

#[tokio::test]
async fn the_first_load_is_small() {
    let odograph = Odograph::start(&["--demo"]).await;
    wait_for_drive(&odograph).await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/", odograph.url)).await;
    // A car on the map is the end of it.
    browser
        .until("return document.querySelector('.map-car:not([hidden])') !== null")
        .await;
    // Roads driven so far come after the first paint, and tiles are counted apart.
    let counted = browser
        .run(
            "const all = performance.getEntriesByType('resource')
                .filter(({ name }) => !name.includes('.pmtiles') && !name.includes('with=path'));
            const sum = (entries) => entries.reduce((sum, entry) => sum + entry.encodedBodySize, 0);
            return [
              sum(all.filter(({ name }) => /[.](js|css)$/.test(name))),
              sum(all.filter(({ name }) => name.includes('/api/'))),
              all.length + 1,
              all.map(({ name, encodedBodySize }) => `${encodedBodySize} ${name}`),
            ];",
        )
        .await;
    let (code, answers, requests) = (
        counted[0].as_f64().unwrap(),
        counted[1].as_f64().unwrap(),
        counted[2].as_u64().unwrap(),
    );
    assert!(code > 10_000.0 && answers > 0.0, "{counted:#}");
    assert!(code <= CODE, "{code} bytes of scripts and styles: {counted:#}");
    assert!(answers <= ANSWERS, "{answers} bytes of answers: {counted:#}");
    assert!(requests <= REQUESTS as u64, "{requests} requests: {counted:#}");
}
