//! One upload: every line judged, every good one on the bus before the answer.

use super::body::{self, Source};
use super::decode::{Bounds, Decoded, decode};
use super::http::Ingest;
use super::keys::Caller;
use super::lines::{Line, Splitter};
use super::publish::{Ticket, Unavailable};
use super::rejects::Rejects;
use super::segment::{Builder, Origin, Totals};
use super::{Point, time};
use bytes::Bytes;
use event::Lane;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// A segment is handed over once it holds this many bytes or series.
const SEGMENT_BYTES: usize = 128 * 1024;
const SEGMENT_SERIES: usize = 4096;

/// What a slow body has brought is handed over after this long, full or not: a vehicle that
/// streams as it drives is seen as it drives.
const PATIENCE: Duration = Duration::from_millis(250);

/// Segments of one upload that may be on their way at once.
const UNDER_WAY: usize = 8;

/// How an upload ended. In every case the counts hold: what is accepted is stored on the bus.
#[derive(Debug)]
pub(super) enum End {
    /// Read to the end, every line judged.
    Whole,
    /// The body broke off, could not be decoded, or went over a limit.
    Body(body::Error),
    /// Nothing came for too long, or all of it took too long.
    Late,
    /// The bus takes no more.
    Bus,
    /// The program ends.
    Stopping,
}

/// An upload under way.
pub(super) struct Upload<'a> {
    ingest: &'a Ingest,
    caller: &'a Caller,
    origin: Origin,
    splitter: Splitter,
    builder: Builder,
    /// Since when the builder holds readings.
    since: Option<Instant>,
    under_way: VecDeque<(u64, Ticket)>,
    /// Small until it has filled a segment: what is small never waits behind what is large.
    lane: Lane,
    bus_failed: bool,
    accepted: u64,
    rejects: Rejects,
}

impl<'a> Upload<'a> {
    pub(super) fn new(ingest: &'a Ingest, caller: &'a Caller, origin: Origin) -> Self {
        Self {
            splitter: Splitter::new(ingest.limits.max_line()),
            ingest,
            caller,
            origin,
            builder: Builder::new(ingest.series.hasher()),
            since: None,
            under_way: VecDeque::new(),
            lane: Lane::Live,
            bus_failed: false,
            accepted: 0,
            rejects: Rejects::default(),
        }
    }

    /// Reads the body to its end or as far as it goes.
    pub(super) async fn run(&mut self, source: &mut Source) -> End {
        let end = match self.read(source).await {
            Ok(()) => {
                self.last_line();
                End::Whole
            }
            Err(end) => end,
        };
        self.finish(end).await
    }

    /// Judges a small body that is here as a whole; false where a line of it is bad. Nothing is on
    /// its way then, and the upload is of no more use.
    pub(super) fn take_small(&mut self, body: &Bytes) -> bool {
        let bounds = self.ingest.limits.bounds();
        let mut rest = &body[..];
        let mut splitter = std::mem::replace(&mut self.splitter, Splitter::new(0));
        while let Some((number, line)) = splitter.next(&mut rest) {
            self.judge(number, &line, bounds);
            if self.rejects.count > 0 {
                return false;
            }
        }
        self.splitter = splitter;
        self.last_line();
        self.rejects.count == 0
    }

    /// Waits until everything that was judged is stored, and tells how it all ended. An upload that
    /// was read to its end has its totals told with its last segment: with its only one where all of
    /// it fits there, else when all else is stored, so that totals never promise more than there is.
    pub(super) async fn finish(&mut self, end: End) -> End {
        let whole = matches!(end, End::Whole);
        if whole && self.under_way.is_empty() && self.accepted == 0 {
            self.bury().await;
            self.hand_over_last().await;
        } else {
            // However it ended, what was read is stored and counted.
            self.hand_over().await;
            while self.settle().await {}
            self.bury().await;
            if whole {
                self.hand_over_last().await;
            }
        }
        while self.settle().await {}
        match end {
            _ if self.bus_failed => End::Bus,
            end => end,
        }
    }

    async fn bury(&mut self) {
        let buried = self.rejects.bury(&self.ingest.writer, &self.ingest.source);
        let buried = self.ingest.abandon.run_until_cancelled(buried).await;
        self.bus_failed |= !matches!(buried, Some(Ok(())));
    }

    /// Readings accepted and lines rejected.
    pub(super) fn into_counts(self) -> (u64, Rejects) {
        (self.accepted, self.rejects)
    }

    async fn read(&mut self, source: &mut Source) -> Result<(), End> {
        let limits = &self.ingest.limits;
        let total = Instant::now() + limits.upload_timeout;
        loop {
            let deadline = total.min(Instant::now() + limits.upload_idle_timeout);
            let due = self.since.map(|since| since + PATIENCE);
            let chunk = tokio::select! {
                biased;
                () = self.ingest.hurry.cancelled() => return Err(End::Stopping),
                () = sleep_until(due.unwrap_or(deadline)), if due.is_some() => {
                    self.hand_over().await;
                    continue;
                }
                chunk = timeout_at(deadline, source.next()) => chunk.map_err(|_| End::Late)?.map_err(End::Body)?,
            };
            let Some(chunk) = chunk else { return Ok(()) };
            self.take(&chunk).await?;
            if self.builder.readings() > 0 {
                self.since.get_or_insert_with(Instant::now);
            }
        }
    }

    async fn take(&mut self, chunk: &Bytes) -> Result<(), End> {
        let bounds = self.ingest.limits.bounds();
        let mut rest = &chunk[..];
        // Taken out for the while, so that a line borrowed from it does not lock all of `self`.
        let mut splitter = std::mem::replace(&mut self.splitter, Splitter::new(0));
        while let Some((number, line)) = splitter.next(&mut rest) {
            self.judge(number, &line, bounds);
            if self.builder.size() >= SEGMENT_BYTES || self.builder.series() >= SEGMENT_SERIES {
                self.lane = Lane::Bulk;
                self.hand_over().await;
            }
            if self.rejects.full() {
                self.bury().await;
            }
            if self.bus_failed {
                return Err(End::Bus);
            }
        }
        self.splitter = splitter;
        Ok(())
    }

    fn last_line(&mut self) {
        let bounds = self.ingest.limits.bounds();
        let mut splitter = std::mem::replace(&mut self.splitter, Splitter::new(0));
        if let Some((number, line)) = splitter.finish() {
            self.judge(number, &line, bounds);
        }
    }

    fn judge(&mut self, number: u64, line: &Line<'_>, bounds: Bounds) {
        let (raw, cut, verdict) = match *line {
            Line::Whole(raw) => (raw, false, self.add(raw, bounds)),
            Line::TooLong(raw) => (
                raw,
                true,
                Err(format!(
                    "the line is longer than {} bytes",
                    self.ingest.limits.max_line()
                )),
            ),
        };
        if let Err(reason) = verdict {
            self.rejects
                .add(self.origin.upload, self.caller, number, reason, raw, cut);
        }
    }

    /// Adds a good line's reading to the segment; otherwise the reason why it is not good.
    fn add(&mut self, line: &[u8], bounds: Bounds) -> Result<(), String> {
        let Decoded {
            sensor,
            device,
            timestamp,
            value,
        } = decode(line, bounds)?;
        let device = match device.as_deref() {
            Some(device) if self.caller.bound && *device != *self.caller.device => {
                return Err(format!("device: this key writes for {} only", self.caller.device));
            }
            Some(device) => device,
            None => &self.caller.device,
        };
        let series = &self.ingest.series;
        let point = Point { timestamp, value };
        if self.builder.push(device, &sensor, point, |hash| series.admit(hash)) {
            Ok(())
        } else {
            Err("sensor: there are too many series already, new names are not taken".into())
        }
    }

    /// Hands the segment to the publisher where it holds readings.
    async fn hand_over(&mut self) {
        self.since = None;
        if self.builder.readings() > 0 {
            self.publish(None).await;
        }
    }

    /// Hands over the last segment, which tells the upload's totals and may hold no readings. All
    /// others are stored.
    async fn hand_over_last(&mut self) {
        let totals = Totals {
            accepted: self.accepted + self.builder.readings(),
            rejected: self.rejects.count,
        };
        self.publish(Some(totals)).await;
    }

    /// Publishes the segment, waiting for earlier ones where too many are under way.
    async fn publish(&mut self, totals: Option<Totals>) {
        let readings = self.builder.readings();
        let segment = self.builder.finish(&self.origin, totals);
        while self.under_way.len() >= UNDER_WAY {
            self.settle().await;
        }
        if !self.bus_failed {
            let ticket = self.ingest.publisher(self.lane).publish(segment, readings).await;
            self.under_way.push_back((readings, ticket));
        }
    }

    /// Waits for the earliest segment under way; false where there is none.
    async fn settle(&mut self) -> bool {
        let Some((readings, ticket)) = self.under_way.pop_front() else {
            return false;
        };
        match ticket.stored().await {
            Ok(()) => self.accepted += readings,
            Err(Unavailable) => self.bus_failed = true,
        }
        true
    }
}

/// Bounds of believed event times, as flags give them.
pub(super) fn bounds(oldest: i64, max_future: Duration) -> Bounds {
    let ahead = i64::try_from(max_future.as_micros()).unwrap_or(i64::MAX);
    Bounds {
        oldest,
        newest: time::now().saturating_add(ahead),
    }
}
