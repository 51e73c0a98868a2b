//! Readings in the line protocol, which both peers take; and the check that they are stored.

use crate::data::{Data, Reading, SENSORS};
use crate::http::Connection;
use anyhow::ensure;
use hyper::body::Bytes;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Lines in a body, with which InfluxDB is fastest.
pub(super) const LINES: usize = 100_000;

/// Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL's count begins.
const EPOCH: i64 = 946_684_800_000_000;

/// The readings of a bulk, formatted before the measurement.
pub(super) struct Load {
    bodies: Vec<Bytes>,
    sent: Totals,
}

/// Count and sum of readings.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) readings: usize,
    pub(super) sum: f64,
}

impl Load {
    pub(super) fn of(data: &Data) -> Self {
        let mut sent = Totals::default();
        let counted = data.in_order_of_time().inspect(|reading| {
            sent.readings += 1;
            sent.sum += reading.value;
        });
        let bodies = bodies(counted).collect();
        Self { bodies, sent }
    }

    pub(super) fn readings(&self) -> usize {
        self.sent.readings
    }

    /// Sends one body after the other; returns the time to the last answer.
    pub(super) async fn send(&self, connection: &mut Connection, path: &str) -> anyhow::Result<Duration> {
        let start = Instant::now();
        for body in &self.bodies {
            connection.post(path, body.clone()).await?;
        }
        Ok(start.elapsed())
    }

    /// Fails unless these are the totals of the sent readings.
    pub(super) fn check(&self, peer: &str, found: Totals) -> anyhow::Result<()> {
        let same = found.readings == self.sent.readings
            // A peer adds up in its own order.
            && (found.sum - self.sent.sum).abs() <= 1e-9 * self.sent.sum.abs();
        ensure!(
            same,
            "{peer} does not hold what was sent: {found:?}, not {:?}",
            self.sent
        );
        Ok(())
    }
}

/// Bodies of [`LINES`] lines.
pub(crate) fn bodies(mut readings: impl Iterator<Item = Reading>) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let mut body = String::new();
        for reading in readings.by_ref().take(LINES) {
            // Writing to a string cannot fail.
            let _ = writeln!(
                body,
                "reading,device=lada,sensor={} value={} {}",
                SENSORS[reading.sensor],
                reading.value,
                (reading.moment + EPOCH) * 1000
            );
        }
        (!body.is_empty()).then(|| body.into())
    })
}
