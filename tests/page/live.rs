//! What the page shows is what was sent, at once, and still after a fault.

use crate::browser::Browser;
use crate::odograph::{LONG, Odograph};
use serde_json::Value;
use testutil::{Program, poll};

/// The figures by their names, as texts.
const FIGURES: &str = "return Object.fromEntries([...document.querySelectorAll('main .live-figure')].map((figure) =>
    [figure.querySelector('dt').textContent, figure.querySelector('dd').textContent.replace(/\\s+/g, ' ').trim()]))";

/// Waits until a figure has this text.
pub(crate) async fn figure(browser: &Browser, name: &str, text: &str) {
    poll(LONG, async || {
        let figures = browser.run(FIGURES).await;
        (figures[name] == text).then_some(())
    })
    .await;
}

#[tokio::test]
async fn figures_are_what_was_sent_last() {
    let odograph = Odograph::start(&[]).await;
    // The end of a drive, by plain Rust over its lines.
    let start = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(10);
    let flags = ["simulate", "--seed", "7", "--for", "10m", "--start"];
    let mut drive = Program::new("odograph").args(flags).arg(start.to_string()).spawn();
    assert_eq!(drive.wait(LONG).await, 0);
    let lines = drive.stdout();
    odograph.upload(lines.join("\n")).await;
    let last = |sensor: &str| -> f64 {
        let readings = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut readings = readings.filter(|reading| reading["sensor"] == sensor);
        readings.next_back().unwrap()["value"].as_f64().unwrap()
    };
    let browser = Browser::start().await;
    browser.open(&format!("{}/", odograph.url)).await;
    for (sensor, name, unit) in [
        ("speed", "Speed", "km/h"),
        ("fuel", "Fuel", "%"),
        ("engine_temperature", "Engine temperature", "°C"),
    ] {
        figure(&browser, name, &format!("{:.0} {unit}", last(sensor))).await;
    }
    // Without a reload.
    browser.run("window.isTheSame = true").await;
    odograph.measure(&[("speed", 123.4)]).await;
    let device = format!("{}/?device=lada", odograph.url);
    browser
        .until("return [...document.querySelectorAll('header option')].some((option) => option.value === 'lada')")
        .await;
    browser
        .run("const menu = document.querySelector('header select'); menu.value = 'lada'; menu.dispatchEvent(new Event('change'))")
        .await;
    figure(&browser, "Speed", "123 km/h").await;
    odograph.measure(&[("speed", 99.6)]).await;
    figure(&browser, "Speed", "100 km/h").await;
    assert_eq!(
        browser.run("return [window.isTheSame, location.href]").await,
        serde_json::json!([true, device])
    );
}

#[tokio::test]
async fn the_car_moves() {
    let odograph = Odograph::start(&["--demo"]).await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/", odograph.url)).await;
    let place = "const car = document.querySelector('.map-car:not([hidden])');
        return car && [...document.querySelectorAll('odo-map *')].map((part) => part.style.transform).join()";
    let first = browser.until(place).await;
    poll(LONG, async || (browser.run(place).await != first).then_some(())).await;
    assert_eq!(browser.console().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_page_goes_on_after_the_server_was_killed() {
    let mut odograph = Odograph::start(&[]).await;
    odograph.measure(&[("speed", 50.0)]).await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/", odograph.url)).await;
    figure(&browser, "Speed", "50 km/h").await;
    browser.run("window.isTheSame = true").await;
    let banner = "return document.querySelector('.banner') !== null";

    odograph.kill().await;
    browser.until(banner).await;
    // What was known stays in sight.
    assert_eq!(browser.run(FIGURES).await["Speed"], "50 km/h");

    odograph.start_again().await;
    browser.until("return document.querySelector('.banner') === null").await;
    odograph.measure(&[("speed", 60.0)]).await;
    figure(&browser, "Speed", "60 km/h").await;
    assert_eq!(browser.run("return window.isTheSame").await, true);
}

#[tokio::test]
async fn a_hidden_page_listens_to_nothing() {
    let odograph = Odograph::start(&[]).await;
    odograph.measure(&[("speed", 50.0)]).await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/", odograph.url)).await;
    figure(&browser, "Speed", "50 km/h").await;
    assert!(odograph.metric("api_live_listeners").await > 0.0);
    browser.becomes("hidden").await;
    poll(LONG, async || {
        // The server notices with its next event.
        odograph.measure(&[("speed", 60.0)]).await;
        (odograph.metric("api_live_listeners").await == 0.0).then_some(())
    })
    .await;
    assert_eq!(browser.run(FIGURES).await["Speed"], "50 km/h");
    browser.becomes("visible").await;
    figure(&browser, "Speed", "60 km/h").await;
}
