//! A chart of weeks at 1 Hz: from the click on its span until it is drawn.

use super::server::{Server, line, upload};
use crate::report::{Figure, Report};
use crate::size::Size;
use anyhow::{Context, ensure};
use jiff::Timestamp;
use serde_json::Value;
use testutil::browser::Browser;

/// A vehicle with one sensor.
const VEHICLE: &str = "truck";
const SENSOR: &str = "speed";

const SECONDS_OF_DAY: i64 = 86_400;

/// Readings in an upload.
const LINES: usize = 100_000;

/// Whether a chart is there, and no answer is awaited.
const SHOWN: &str = "
    return document.querySelector('.chart-canvas canvas') !== null &&
        document.querySelector('.charts-all').getAttribute('aria-busy') === 'false'";

/// Clicks on the span of 30 days, and tells when the frame with its chart was drawn, what its answer weighed, and of
/// how many readings it is. A message to itself comes after the frame.
const CLICK: &str = "
    const length = () => {
        const plot = document.querySelector('.chart-plot');
        return plot ? plot.getAttribute('aria-valuemax') - plot.getAttribute('aria-valuemin') : 0;
    };
    const began = performance.now();
    document.querySelectorAll('.charts-quick button')[4].click();
    return new Promise((resolve) => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => {
            const time = performance.now() - began;
            const answers = performance.getEntriesByType('resource').filter(({ name, startTime }) =>
                startTime >= began && name.includes('/api/trends'));
            const bytes = answers.reduce((sum, { transferSize }) => sum + transferSize, 0);
            const figures = [...document.querySelectorAll('.charts-figures dd')];
            resolve({ time, bytes, readings: Number(figures.at(-1).textContent.replace(/\\D/g, '')) });
        };
        const look = () => {
            const isBusy = document.querySelector('.charts-all').getAttribute('aria-busy') === 'true';
            if (isBusy || length() !== 30 * 86_400_000) requestAnimationFrame(look);
            else channel.port2.postMessage(null);
        };
        requestAnimationFrame(look);
    });";

pub(super) async fn measure(server: &Server, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let days = i64::try_from(size.days)?;
    fill(server, days).await.context("upload the readings")?;
    let browser = Browser::start_without_logs().await;
    let [mut times, mut bytes] = std::array::from_fn(|_| Figure::default());
    for _ in 0..size.runs {
        let url = format!("{}/charts?device={VEHICLE}&sensors={SENSOR}&from=-24h", server.url);
        browser.open(&url).await;
        browser.until(SHOWN).await;
        let chart = browser.run(CLICK).await;
        let number = |name: &str| number(&chart, name);
        // Since the upload, its first minutes may have left the span.
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let expected = 0.99 * (days * SECONDS_OF_DAY) as f64;
        ensure!(number("readings")? > expected, "the chart lacks readings: {chart}");
        ensure!(number("bytes")? > 0.0, "the chart had no answer: {chart}");
        times.add(number("time")?);
        bytes.add(number("bytes")? / 1e3);
    }
    browser.end().await;
    let name = format!("page, chart of 30 days, of which {days} have readings at 1 Hz");
    report.at_most(&format!("{name}: from click to drawn"), "ms", &times, 600.0);
    report.at_most(&format!("{name}: answer"), "KB", &bytes, 60.0);
    Ok(())
}

/// Uploads a reading for each second of the last days.
async fn fill(server: &Server, days: i64) -> anyhow::Result<()> {
    let mut connection = server.connect().await?;
    let end = Timestamp::now().as_second();
    let seconds: Vec<i64> = (end - days * SECONDS_OF_DAY..end).collect();
    for part in seconds.chunks(LINES) {
        let mut lines = String::new();
        for second in part {
            let moment = Timestamp::from_second(*second)?;
            line(&mut lines, VEHICLE, SENSOR, speed(*second), moment);
        }
        upload(&mut connection, lines).await?;
    }
    server.tidy().await
}

/// A speed that moves, with one decimal.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
fn speed(second: i64) -> f64 {
    ((60.0 + 30.0 * (second as f64 / 75.0).sin()) * 10.0).round() / 10.0
}

fn number(chart: &Value, name: &str) -> anyhow::Result<f64> {
    chart[name].as_f64().with_context(|| format!("no {name}: {chart}"))
}
