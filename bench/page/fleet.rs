//! A fleet on the map, which a mouse drags to and fro.

use super::frames;
use super::server::{Server, line, upload};
use crate::live::percentile;
use crate::report::{Figure, Report};
use anyhow::{Context, ensure};
use fastrand::Rng;
use jiff::Timestamp;
use serde_json::json;
use std::time::{Duration, Instant};
use testutil::browser::Browser;
use tokio::time::{MissedTickBehavior, interval, sleep};

const VEHICLES: usize = 1_500;

/// Vehicles of the parts before, which the page shows as well.
const OTHERS: usize = 2;

/// Where they stand: degrees of latitude and longitude, and how many of each they cover.
const CORNER: [f64; 2] = [44.8, 13.4];
const AREA: [f64; 2] = [1.0, 1.4];

/// From the first sight of the vehicles until frames count: the ground of the map comes meanwhile.
const WARM_UP: Duration = Duration::from_secs(5);

/// How long the map is dragged, and between two moves of the mouse.
const TIME: Duration = Duration::from_secs(10);
const MOVE: Duration = Duration::from_millis(16);

const MIDDLE: &str = "
    const { left, top, width, height } = document.querySelector('.map-face').getBoundingClientRect();
    return [left + width / 2, top + height / 2]";

/// The middle of the map, in the map's metres.
const CENTER: &str = "return document.querySelector('odo-map').view.getCenter()";

pub(super) async fn measure(server: &Server, report: &mut Report) -> anyhow::Result<()> {
    fill(server).await.context("upload the vehicles")?;
    let browser = Browser::start_without_logs().await;
    browser.open(&format!("{}/", server.url)).await;
    // The list says how many there are.
    let all = VEHICLES + OTHERS;
    let shown = format!(
        "const state = document.querySelector('.live-head .live-state');
        return document.querySelector('.live-fleet li') !== null &&
            document.querySelector('odo-map:not([data-waiting])') !== null &&
            state.textContent.replaceAll(',', '').includes('of {all} ')"
    );
    browser.until(&shown).await;
    sleep(WARM_UP).await;
    let middle: [f64; 2] = serde_json::from_value(browser.run(MIDDLE).await)?;
    let before = browser.run(CENTER).await;
    frames::begin(&browser).await;
    drag(&browser, middle).await;
    let times = frames::end(&browser).await?;
    let after = browser.run(CENTER).await;
    ensure!(before != after, "the map did not move from {before}");
    browser.end().await;
    let mut figure = Figure::default();
    figure.add(percentile(times, 0.95));
    let name = "page, 1,500 vehicles that stand, panned: 95 of 100 frames";
    report.at_most(name, "ms", &figure, 33.0);
    Ok(())
}

/// Uploads a place and a speed of each vehicle, measured now.
async fn fill(server: &Server) -> anyhow::Result<()> {
    let (mut random, now) = (Rng::with_seed(1), Timestamp::now());
    let mut lines = String::new();
    for vehicle in 0..VEHICLES {
        let device = format!("van{vehicle}");
        let [latitude, longitude] = [0, 1].map(|axis| CORNER[axis] + AREA[axis] * random.f64());
        line(&mut lines, &device, "location_latitude", latitude, now);
        line(&mut lines, &device, "location_longitude", longitude, now);
        line(&mut lines, &device, "speed", 0.0, now);
    }
    upload(&mut server.connect().await?, lines).await?;
    server.tidy().await
}

/// Holds the map with the mouse, and moves it on a curve that does not end where it begins.
async fn drag(browser: &Browser, [x, y]: [f64; 2]) {
    let begun = Instant::now();
    let mut ticks = interval(MOVE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    mouse(browser, "mousePressed", [x, y]).await;
    while begun.elapsed() < TIME {
        ticks.tick().await;
        let seconds = begun.elapsed().as_secs_f64();
        let place = [x + 200.0 * (2.7 * seconds).sin(), y + 100.0 * (2.1 * seconds).sin()];
        mouse(browser, "mouseMoved", place).await;
    }
    let end = [x + 150.0, y + 50.0];
    mouse(browser, "mouseMoved", end).await;
    mouse(browser, "mouseReleased", end).await;
}

/// Sends an event of the mouse, and waits until the page has taken it.
async fn mouse(browser: &Browser, kind: &str, [x, y]: [f64; 2]) {
    let held = u8::from(kind != "mouseReleased");
    let event = json!({"type": kind, "x": x, "y": y, "button": "left", "buttons": held, "clickCount": 1});
    browser.command("Input.dispatchMouseEvent", event).await;
}
