//! From the commit of a reading to its value on the screen.
//!
//! The commit is when the answer to the upload is here, by the machine's clock. The page tells when it has drawn the
//! frame with the value: by `performance.timeOrigin` and `performance.now()`, corrected by how far these are from the
//! same clock, which the page shows to the millisecond. Nothing tells when a screen would light up.

use super::feed::VEHICLE;
use super::server::{Server, line, upload};
use crate::live::percentile;
use crate::report::{Figure, Report};
use crate::size::Size;
use anyhow::Context;
use jiff::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use testutil::browser::Browser;
use tokio::time::sleep;

/// A sensor whose value is the number of the post. The page lists it below its own figures.
const MARKER: &str = "marker";

/// Posts for each run of other workloads.
const POSTS: usize = 40;

/// Pauses between posts have any length up to this, in milliseconds, so that posts keep no step with frames.
const LONGEST_PAUSE: u64 = 100;

/// Notes when each value was drawn first. A message to itself comes after the frame.
const WATCH: &str = "
    const drawn = {};
    window.benchDrawn = drawn;
    const known = new Set();
    const waiting = [];
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
        const now = performance.timeOrigin + performance.now();
        for (const value of waiting.splice(0)) drawn[value] = now;
    };
    new MutationObserver(() => {
        const line = document.querySelector('.live-others [title=\"marker\"]')?.closest('li');
        const value = line?.querySelector('.live-number')?.textContent.trim();
        if (!value || known.has(value)) return;
        known.add(value);
        waiting.push(value);
        channel.port2.postMessage(null);
    }).observe(document.querySelector('main'), { subtree: true, childList: true, characterData: true });";

pub(super) async fn measure(server: &Server, browser: &Browser, size: Size, report: &mut Report) -> anyhow::Result<()> {
    browser.run(WATCH).await;
    let mut connection = server.connect().await?;
    let mut times = Vec::new();
    for post in 1..=POSTS * size.runs {
        sleep(Duration::from_millis(fastrand::u64(0..LONGEST_PAUSE))).await;
        let mut lines = String::new();
        let value = f64::from(u32::try_from(post)?);
        line(&mut lines, VEHICLE, MARKER, value, Timestamp::now());
        upload(&mut connection, lines).await?;
        let committed = now()?;
        let drawn = format!(
            "const drawn = window.benchDrawn['{post}'];
            return drawn ? drawn + Date.now() - performance.timeOrigin - performance.now() : null;"
        );
        let drawn = browser.until(&drawn).await.as_f64().context("no time")?;
        times.push(drawn - committed);
    }
    let name = format!("page, from commit to screen: 99 of {}", times.len());
    let mut figure = Figure::default();
    figure.add(percentile(times, 0.99));
    report.at_most(&name, "ms", &figure, 500.0);
    Ok(())
}

/// The machine's clock, in milliseconds since 1970.
fn now() -> anyhow::Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() * 1e3)
}
