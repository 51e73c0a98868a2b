//! A vehicle on the map and its figures, which change ten times a second.

use super::feed::{Feed, VEHICLE};
use super::frames::{self, Counters};
use super::screen;
use super::server::Server;
use crate::live::percentile;
use crate::report::{Figure, Report};
use crate::size::Size;
use serde_json::json;
use std::time::Duration;
use testutil::browser::Browser;
use tokio::time::sleep;

/// From the first sight of the vehicle until frames count: the roads come meanwhile.
const WARM_UP: Duration = Duration::from_secs(5);

pub(super) async fn measure(server: &Server, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let feed = Feed::start(server).await?;
    let browser = Browser::start_without_logs().await;
    browser.open(&format!("{}/?device={VEHICLE}", server.url)).await;
    browser
        .until("return document.querySelector('.map-car:not([hidden])') !== null")
        .await;
    browser.command("Performance.enable", json!({})).await;
    sleep(WARM_UP).await;
    drawing(&browser, size, report).await?;
    screen::measure(server, &browser, size, report).await?;
    heap(&browser, size, report).await?;
    browser.end().await;
    let (sent, time) = feed.stop().await?;
    report.note(&format!(
        "While the page followed it, the vehicle sent {sent} bodies of six readings in {:.0} s.",
        time.as_secs_f64()
    ));
    Ok(())
}

/// How even frames are, and how busy the main thread is.
async fn drawing(browser: &Browser, size: Size, report: &mut Report) -> anyhow::Result<()> {
    frames::begin(browser).await;
    let before = Counters::of(browser).await?;
    sleep(Duration::from_secs(size.live_seconds)).await;
    let after = Counters::of(browser).await?;
    let times = frames::end(browser).await?;
    let [mut p95, mut p99, mut share] = std::array::from_fn(|_| Figure::default());
    p95.add(percentile(times.clone(), 0.95));
    p99.add(percentile(times, 0.99));
    share.add(100.0 * (after.tasks - before.tasks) / (after.clock - before.clock));
    let name = format!("page, six sensors at 10 Hz for {} s", size.live_seconds);
    report.at_most(&format!("{name}: 95 of 100 frames"), "ms", &p95, 34.0);
    report.at_most(&format!("{name}: 99 of 100 frames"), "ms", &p99, 50.0);
    report.at_most(&format!("{name}: main thread"), "%", &share, 30.0);
    Ok(())
}

/// How much the heap grows, without what nothing refers to any more.
async fn heap(browser: &Browser, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let before = in_use(browser).await?;
    sleep(Duration::from_secs(size.heap_seconds)).await;
    let after = in_use(browser).await?;
    let mut growth = Figure::default();
    growth.add(((after - before) / 1e6).max(0.0));
    let name = format!(
        "page, six sensors at 10 Hz for {} s: growth of the heap",
        size.heap_seconds
    );
    report.at_most(&name, "MB", &growth, 5.0);
    Ok(())
}

async fn in_use(browser: &Browser) -> anyhow::Result<f64> {
    browser.command("HeapProfiler.collectGarbage", json!({})).await;
    Ok(Counters::of(browser).await?.heap)
}
