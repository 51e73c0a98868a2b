//! The days before the demo's drive, so that its map, its calendar and its charts are not empty: a drive a day, each on
//! another road. They are uploaded as a vehicle would upload them.
//!
//! The number of a day decides its drive. So a day that is uploaded again counts once.

use anyhow::Context;
use bytes::Bytes;
use client::simulate::{Drive, Options, Road, write_line};
use jiff::{SignedDuration, Timestamp};
use std::num::NonZeroU8;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Days with drives before today.
const DAYS: i64 = 30;

/// Seconds in a day.
const DAY: i64 = 86_400;

/// Days that the car drives with a tank of fuel.
const TANK: i64 = 12;

/// Readings of a day at the most. Drives end long before.
const READINGS: usize = 60_000;

/// How often an upload is tried, and the pause between two tries.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// Uploads the days before `first`, the first day (since 1970) with readings: the newest first, so that a start after
/// an interruption goes on from there. Ends early at `stop`.
pub(super) async fn upload(
    client: &reqwest::Client,
    url: &str,
    key: &str,
    device: &'static str,
    first: Option<i64>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let today = Timestamp::now().as_second().div_euclid(DAY);
    for day in missing(first, today) {
        let lines = tokio::task::spawn_blocking(move || lines(device, day));
        let body = Bytes::from(lines.await.context("simulate a day of the demo")??);
        if !post(client, url, key, &body, stop).await {
            break;
        }
    }
    Ok(())
}

/// The days without readings, the newest first.
fn missing(first: Option<i64>, today: i64) -> impl Iterator<Item = i64> {
    let end = first.map_or(today, |first| first.min(today));
    (today - DAYS..end).rev()
}

/// The drive of a device on a day (since 1970), as lines.
fn lines(device: &str, day: i64) -> anyhow::Result<Vec<u8>> {
    let number = usize::try_from(day).context("a day before 1970")?;
    // It sets out between 6 and 17 o'clock UTC, and is home within two hours.
    let begin = SignedDuration::from_hours(6 + day * 7 % 12) + SignedDuration::from_mins(day * 17 % 60);
    let midnight = Timestamp::from_second(day * DAY).context("a day out of range")?;
    // Each drive takes some twentieth of the tank.
    let used = u8::try_from(day % TANK).unwrap_or_default();
    let drive = Drive::new(&Options {
        seed: day.unsigned_abs(),
        device: Some(device.to_owned()),
        start: midnight + begin,
        rate: NonZeroU8::MIN,
        road: Road::OUTINGS[number % Road::OUTINGS.len()],
        fuel: Some(95.0 - 5.0 * f64::from(used)),
    });
    let mut lines = Vec::new();
    for reading in drive.take(READINGS) {
        write_line(&mut lines, &reading);
    }
    Ok(lines)
}

/// Posts a day. Returns false where it was not taken: the next start of the demo tries again.
async fn post(client: &reqwest::Client, url: &str, key: &str, body: &Bytes, stop: &CancellationToken) -> bool {
    for _ in 0..TRIES {
        if stop.is_cancelled() {
            return false;
        }
        match client.post(url).bearer_auth(key).body(body.clone()).send().await {
            Ok(answer) if answer.status().is_success() => return true,
            Ok(answer) => tracing::warn!(
                status = answer.status().as_u16(),
                "the ingestor did not take a day of the demo"
            ),
            Err(_) if stop.is_cancelled() => return false,
            Err(error) => tracing::warn!(%error, "could not send a day of the demo"),
        }
        let _stopped = stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_before_the_first_are_missing() {
        let missing = |first: Option<i64>| missing(first, 100).collect::<Vec<_>>();
        assert_eq!(missing(None), (70..100).rev().collect::<Vec<_>>());
        assert_eq!(missing(Some(100)), missing(None));
        // An interrupted upload goes on.
        assert_eq!(missing(Some(72)), vec![71_i64, 70]);
        // A start on a later day adds nothing.
        assert!(missing(Some(70)).is_empty() && missing(Some(69)).is_empty());
    }

    #[test]
    fn a_day_has_one_drive_which_is_the_same_each_time() {
        for day in 20_600..20_612 {
            let text = String::from_utf8(lines("demo", day).unwrap()).unwrap();
            let date = Timestamp::from_second(day * DAY).unwrap().to_string();
            let date = &date[..10];
            assert!(text.lines().all(|line| line.contains(date)), "{date}");
            let last = text.lines().rfind(|line| line.contains("\"speed\"")).unwrap();
            assert!(last.contains("\"value\":0,"), "{last}");
            let count = text.lines().count();
            assert!((9_000..READINGS / 2).contains(&count), "{date}: {count} readings");
            assert_eq!(text.as_bytes(), lines("demo", day).unwrap());
        }
    }
}
