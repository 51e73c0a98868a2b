//! A simulated drive, streamed into the ingestor of the same process while it runs.

use anyhow::Context;
use client::simulate::{Drive, Options, Reading, write_line};
use jiff::{SignedDuration, Timestamp};
use std::num::NonZeroU8;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How far back the drive begins, so that readings are visible at once.
const HISTORY: SignedDuration = SignedDuration::from_mins(30);

/// Lines sent at once while it catches up.
const LINES: usize = 5000;

/// Drives from half an hour ago to now at once, then on in real time, until `stop`.
pub(crate) async fn drive(url: String, key: String, stop: CancellationToken) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .build()
        .context("make an HTTP client")?;
    let start = Timestamp::now() - HISTORY;
    let rate = NonZeroU8::MIN.saturating_add(1);
    let mut drive = Drive::new(&Options {
        seed: 1,
        device: Some("demo".into()),
        start,
        rate,
    })
    .peekable();
    let mut body = Vec::new();
    loop {
        let now = Timestamp::now();
        let mut lines = 0;
        while lines < LINES
            && let Some(reading) = drive.next_if(|reading: &Reading| reading.timestamp <= now)
        {
            write_line(&mut body, &reading);
            lines += 1;
        }
        if lines == LINES {
            // Still catching up.
        } else if stop
            .run_until_cancelled(tokio::time::sleep(Duration::from_secs(1)))
            .await
            .is_none()
        {
            return Ok(());
        }
        // Refused lines are sent again with the next ones; sending twice is safe.
        match client.post(&url).bearer_auth(&key).body(body.clone()).send().await {
            Ok(answer) if answer.status().is_success() => body.clear(),
            Ok(answer) => tracing::warn!(
                status = answer.status().as_u16(),
                "the ingestor did not take the demo's readings"
            ),
            Err(_) if stop.is_cancelled() => return Ok(()),
            Err(error) => tracing::warn!(%error, "could not send the demo's readings"),
        }
        if body.len() > 1 << 20 {
            tracing::warn!("the demo drops readings that it could not send");
            body.clear();
        }
        if stop.is_cancelled() {
            return Ok(());
        }
    }
}
