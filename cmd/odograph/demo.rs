//! A simulated drive, streamed into the ingestor of the same process while it runs, with days of drives before it.

mod past;

use anyhow::Context;
use client::simulate::{Drive, Options, Reading, Road, write_line};
use jiff::{SignedDuration, Timestamp};
use postgres::Pool;
use std::iter::Peekable;
use std::num::NonZeroU8;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The device that drives.
const DEVICE: &str = "demo";

/// How far back the drive begins, so that readings are visible at once.
const HISTORY: SignedDuration = SignedDuration::from_mins(30);

/// Lines sent at once while it catches up.
const LINES: usize = 5000;

/// Drives from half an hour ago to now at once, then on in real time, until `stop`. Once that has begun, it uploads the
/// days before, if the database does not have them.
pub(crate) async fn drive(pool: Pool, url: String, key: String, stop: CancellationToken) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .build()
        .context("make an HTTP client")?;
    let span = store::span_of_device(&pool, DEVICE).await;
    let newest = span.as_ref().ok().copied().flatten().map(|(_, newest)| newest);
    let mut live = Live::new(client.clone(), url.clone(), key.clone(), newest);
    while live.send(&stop).await && !stop.is_cancelled() {}
    let before = async {
        match span {
            Ok(span) => past::upload(&client, &url, &key, DEVICE, span.map(|(first, _)| first), &stop).await,
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(error, "the demo cannot read which days it has, so it adds none");
                Ok(())
            }
        }
    };
    let ((), before) = tokio::join!(live.go_on(&stop), before);
    before
}

/// The drive that goes on now.
struct Live {
    client: reqwest::Client,
    url: String,
    key: String,
    drive: Peekable<Drive>,
    body: Vec<u8>,
}

impl Live {
    /// Starts half an hour ago, or after the `newest` reading, in microseconds since 1970: a drive that was simulated
    /// before is over.
    fn new(client: reqwest::Client, url: String, key: String, newest: Option<i64>) -> Self {
        let begin = Timestamp::now() - HISTORY;
        let newest = newest.and_then(|newest| Timestamp::from_microsecond(newest).ok());
        let after = newest.map_or(begin, |newest| newest + SignedDuration::from_secs(1));
        let drive = Drive::new(&Options {
            seed: 1,
            device: Some(DEVICE.into()),
            start: begin.max(after),
            rate: NonZeroU8::MIN.saturating_add(1),
            road: Road::Loop,
            fuel: None,
        });
        Self {
            client,
            url,
            key,
            drive: drive.peekable(),
            body: Vec::new(),
        }
    }

    /// Sends what is due each second, until `stop`.
    async fn go_on(&mut self, stop: &CancellationToken) {
        let pause = || tokio::time::sleep(Duration::from_secs(1));
        while stop.run_until_cancelled(pause()).await.is_some() {
            while self.send(stop).await && !stop.is_cancelled() {}
        }
    }

    /// Sends what is due. Returns whether more is due at once.
    async fn send(&mut self, stop: &CancellationToken) -> bool {
        let now = Timestamp::now();
        let mut lines = 0;
        while lines < LINES
            && let Some(reading) = self.drive.next_if(|reading: &Reading| reading.timestamp <= now)
        {
            write_line(&mut self.body, &reading);
            lines += 1;
        }
        // Refused lines are sent again with the next ones; sending twice is safe.
        let request = self.client.post(&self.url).bearer_auth(&self.key);
        match request.body(self.body.clone()).send().await {
            Ok(answer) if answer.status().is_success() => {
                self.body.clear();
                return lines == LINES;
            }
            Ok(answer) => tracing::warn!(
                status = answer.status().as_u16(),
                "the ingestor did not take the demo's readings"
            ),
            Err(_) if stop.is_cancelled() => {}
            Err(error) => tracing::warn!(%error, "could not send the demo's readings"),
        }
        if self.body.len() > 1 << 20 {
            tracing::warn!("the demo drops readings that it could not send");
            self.body.clear();
        }
        false
    }
}
