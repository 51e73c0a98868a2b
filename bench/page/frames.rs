//! What a page's frames, its main thread and its heap tell.

use anyhow::{Context, ensure};
use serde_json::json;
use testutil::browser::Browser;

/// Fewer frames have no percentiles.
const LEAST: usize = 100;

/// Notes the time of each frame. The loop asks for every frame, which costs the page a little.
const BEGIN: &str = "
    const noted = { times: [], isOn: true };
    window.benchFrames = noted;
    const note = (time) => {
        if (!noted.isOn) return;
        noted.times.push(time);
        requestAnimationFrame(note);
    };
    requestAnimationFrame(note);";

const END: &str = "
    window.benchFrames.isOn = false;
    return window.benchFrames.times;";

/// Begins to note frames.
pub(super) async fn begin(browser: &Browser) {
    browser.run(BEGIN).await;
}

/// The times between the frames since [`begin`], in milliseconds.
pub(super) async fn end(browser: &Browser) -> anyhow::Result<Vec<f64>> {
    let times: Vec<f64> = serde_json::from_value(browser.run(END).await)?;
    ensure!(times.len() > LEAST, "only {} frames were drawn", times.len());
    Ok(times.windows(2).map(|pair| pair[1] - pair[0]).collect())
}

/// What Chromium counts for a page.
pub(super) struct Counters {
    /// Seconds, from any start.
    pub(super) clock: f64,
    /// Seconds that tasks took on the main thread.
    pub(super) tasks: f64,
    /// Bytes of the heap of JavaScript that are in use.
    pub(super) heap: f64,
}

impl Counters {
    /// Those of now. `Performance.enable` has to come before.
    pub(super) async fn of(browser: &Browser) -> anyhow::Result<Self> {
        let answer = browser.command("Performance.getMetrics", json!({})).await;
        let metrics = answer["metrics"].as_array().context("no metrics")?;
        let value = |name: &str| {
            let metric = metrics.iter().find(|metric| metric["name"] == name);
            let value = metric.and_then(|metric| metric["value"].as_f64());
            value.with_context(|| format!("no metric {name}"))
        };
        Ok(Self {
            clock: value("Timestamp")?,
            tasks: value("TaskDuration")?,
            heap: value("JSHeapUsedSize")?,
        })
    }
}
