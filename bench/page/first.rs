//! A first load: a browser that has never seen the page opens it, after a month with drives.

use super::feed::VEHICLE;
use super::server::{Server, upload};
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::output;
use anyhow::{Context, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::process::Command;
use testutil::browser::Browser;
use testutil::built;

/// Drives, one a day. The last one has ended a minute ago.
const DRIVES: i64 = 30;
const MINUTES: i64 = 20;

/// Listens before the page's first script runs.
const WATCH: &str = "{
    const noted = { first: 0, largest: 0, shift: 0, tasks: [] };
    window.benchPaints = noted;
    const watch = (type, take) =>
        new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
    watch('paint', ({ name, startTime }) => {
        if (name === 'first-contentful-paint') noted.first = startTime;
    });
    watch('largest-contentful-paint', ({ startTime }) => {
        noted.largest = startTime;
    });
    watch('layout-shift', ({ value, hadRecentInput }) => {
        if (!hadRecentInput) noted.shift += value;
    });
    watch('longtask', ({ startTime, duration }) => noted.tasks.push([startTime, startTime + duration]));
}";

/// What was noted, once the vehicle is on the map, and for two seconds there was no long task, no larger paint and no
/// end of a request. Of each long task after the first paint, what is beyond 50 ms blocks.
const SETTLED: &str = "
    const { first, largest, shift, tasks } = window.benchPaints;
    const ends = performance.getEntriesByType('resource').map(({ responseEnd }) => responseEnd);
    const last = Math.max(largest, ...tasks.map(([, end]) => end), ...ends);
    const isShown = first > 0 && document.querySelector('.map-car:not([hidden])') !== null;
    if (!isShown || performance.now() - last < 2000) return null;
    const beyond = tasks.map(([begin, end]) => Math.max(0, end - Math.max(begin, first) - 50));
    return { first, largest, shift, blocking: beyond.reduce((sum, one) => sum + one, 0) };";

pub(super) async fn measure(server: &Server, size: Size, report: &mut Report) -> anyhow::Result<()> {
    fill(server).await.context("upload drives")?;
    let [mut first, mut largest, mut blocking, mut shift] = std::array::from_fn(|_| Figure::default());
    for _ in 0..size.runs {
        // With nothing in its cache.
        let browser = Browser::start_without_logs().await;
        let watch = json!({"source": WATCH});
        browser.command("Page.addScriptToEvaluateOnNewDocument", watch).await;
        browser.open(&format!("{}/", server.url)).await;
        let noted = browser.until(SETTLED).await;
        first.add(number(&noted, "first")?);
        largest.add(number(&noted, "largest")?);
        blocking.add(number(&noted, "blocking")?);
        shift.add(number(&noted, "shift")?);
        browser.end().await;
    }
    report.at_most("page, first load: first contentful paint", "ms", &first, 1000.0);
    report.at_most("page, first load: largest contentful paint", "ms", &largest, 2000.0);
    report.at_most("page, first load: main thread blocked", "ms", &blocking, 200.0);
    report.at_most("page, first load: layout shift", "", &shift, 0.05);
    Ok(())
}

/// Uploads the drives.
async fn fill(server: &Server) -> anyhow::Result<()> {
    let mut connection = server.connect().await?;
    let last = Timestamp::now() - SignedDuration::from_mins(MINUTES + 1);
    for day in (0..DRIVES).rev() {
        let start = last - SignedDuration::from_hours(24 * day);
        let mut simulate = Command::new(built("odograph"));
        simulate.args(["simulate", "--device", VEHICLE, "--seed", &day.to_string()]);
        simulate.args(["--start", &start.to_string(), "--for", &format!("{MINUTES}m")]);
        let lines = output(&mut simulate)?;
        ensure!(!lines.is_empty(), "a simulated drive is empty");
        upload(&mut connection, lines).await?;
    }
    server.tidy().await
}

fn number(noted: &Value, name: &str) -> anyhow::Result<f64> {
    noted[name].as_f64().with_context(|| format!("{name} was not noted"))
}
