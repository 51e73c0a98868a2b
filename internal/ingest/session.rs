//! One upload: judges every value, and publishes every reading before the answer.
//!
//! The caller passes the bytes of a body to [`Session::take`] as they come. It calls [`Session::flush`] at
//! [`Session::due`], and ends with [`Session::last`] and [`Session::finish`].

use crate::Ingest;
use crate::counts::Counts;
use crate::publish::{Ticket, Unavailable};
use crate::rejects::{At, Rejected, Rejects};
use access::Caller;
use bytes::Bytes;
use event::Lane;
use reading::Bounds;
use reading::Point;
use reading::decode::{Decoded, First, Malformed, breaks_off, decode, first, not_utf8};
use reading::scan::{Scanner, Token};
use reading::segment::{Builder, Origin, UploadTotals};
use reading::signature::{Foreign, foreign, foreign_line, foreign_value};
use reading::values::{READ_AGAIN, Value, Values, device_around, without_runs, wraps};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// A segment is published once it holds this many bytes or series.
const SEGMENT_BYTES: usize = 128 * 1024;
const SEGMENT_SERIES: usize = 4096;

/// How long readings of a slow body wait for a full segment. The readings of a vehicle that streams must
/// appear while it drives.
const TIMEOUT: Duration = Duration::from_millis(250);

/// Segments of one upload that may be published at once.
const UNDER_WAY: usize = 8;

/// Objects on a line, each longer than a value may be, inside which judging goes on.
const WRAPPERS: usize = 16;

/// Why an upload ends early. What was read before counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// A line begins like another format, not JSON.
    Foreign(Foreign),
    /// The document is not JSON from this line on.
    Syntax(u64),
    /// This line has too many beginnings of values.
    Torn(u64),
    /// The bus refuses more.
    Bus,
    /// Values were rejected by a clock that may be wrong, so those verdicts do not count.
    Clock,
    /// The bus is not connected, or not prepared.
    NoBus,
}

/// The line that is being judged.
#[derive(Debug, Default)]
struct Present {
    number: u64,
    /// Values judged in it.
    values: u64,
    /// Bytes that may still be read again behind invalid text.
    again: usize,
    /// An object around the next values names another device than the credentials.
    is_of_another: bool,
}

/// An upload under way.
pub(crate) struct Session<'a> {
    ingest: &'a Ingest,
    caller: &'a Caller,
    origin: Origin,
    scanner: Scanner,
    present: Present,
    builder: Builder,
    /// Since when the builder holds readings.
    since: Option<Instant>,
    under_way: VecDeque<(u64, Ticket)>,
    /// Live until the upload has filled a segment: a small upload never waits behind a large one.
    lane: Lane,
    bus_failed: bool,
    /// Rejected values will be judged again by another session, and do not count towards the key's quota.
    is_trial: bool,
    /// The clock was wrong while some values were judged, though it may be right now.
    by_wrong_clock: bool,
    counts: Counts,
}

impl<'a> Session<'a> {
    /// Begins an upload. `is_lines`: the client says that its body has lines alone.
    pub(crate) fn new(ingest: &'a Ingest, caller: &'a Caller, origin: Origin, is_lines: bool) -> Self {
        let scanner = Scanner::new(ingest.limits.max_line());
        Self {
            scanner: if is_lines { scanner.of_lines() } else { scanner },
            present: Present::default(),
            ingest,
            caller,
            origin,
            builder: Builder::new(ingest.series.hasher()),
            since: None,
            under_way: VecDeque::new(),
            lane: Lane::Live,
            bus_failed: false,
            is_trial: false,
            by_wrong_clock: false,
            counts: Counts::default(),
        }
    }

    /// Judges a small body that has come as a whole. Returns false if not all of it is accepted: then nothing
    /// was published, and the session must be dropped.
    pub(crate) fn take_small(&mut self, body: &Bytes) -> bool {
        let bounds = self.ingest.limits.times.bounds();
        self.is_trial = true;
        let mut rest = &body[..];
        let mut scanner = std::mem::replace(&mut self.scanner, Scanner::new(0));
        while let Some((number, token)) = scanner.next(&mut rest) {
            if self.judge(number, token, bounds).is_err() || !self.counts.clean() {
                return false;
            }
        }
        self.scanner = scanner;
        self.last().is_ok() && self.counts.clean()
    }

    /// Waits until every judged reading is stored. `whole`: the upload was read to its end. Then its last
    /// segment tells its totals: the only segment if all fits there. Otherwise it comes after all others are
    /// stored, so that totals never promise more than is stored.
    ///
    /// # Errors
    /// Where a reading is not stored, or the verdicts do not count.
    pub(crate) async fn finish(&mut self, whole: bool) -> Result<(), Stop> {
        let misjudged = self.is_misjudged();
        let is_binary = whole && self.is_binary();
        if misjudged || is_binary {
            self.counts.rejects = Rejects::default();
        }
        let whole = whole && !misjudged && !is_binary;
        if whole && self.under_way.is_empty() && self.counts.accepted == 0 {
            self.publish_rejects().await;
            self.hand_over_last().await;
        } else {
            // At any end, the readings so far are stored and counted.
            self.flush().await;
            while self.settle().await {}
            self.publish_rejects().await;
            if whole {
                self.hand_over_last().await;
            }
        }
        while self.settle().await {}
        match (self.bus_failed, misjudged) {
            (false, false) if is_binary => Err(Stop::Foreign(Foreign::Binary)),
            (false, false) => Ok(()),
            // Without a bus, the clock has not been compared with it yet.
            _ if !self.ingest.writer.is_ready() => Err(Stop::NoBus),
            (true, _) => Err(Stop::Bus),
            (false, true) => Err(Stop::Clock),
        }
    }

    /// Whether values were rejected by a clock that may be wrong.
    fn is_misjudged(&self) -> bool {
        self.counts.rejects.count > 0 && (self.by_wrong_clock || !self.ingest.clock.is_plausible())
    }

    /// The event times that are taken now. A clock may be set back and forth during an upload.
    fn bounds(&mut self) -> Bounds {
        let bounds = self.ingest.limits.times.bounds();
        self.by_wrong_clock |= self.ingest.clock.is_wrong();
        bounds
    }

    async fn publish_rejects(&mut self) {
        let published = self.counts.rejects.publish(&self.ingest.writer, &self.ingest.source);
        match self.ingest.abandon.run_until_cancelled(published).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                self.bus_failed = true;
                if error.should_log() {
                    tracing::warn!(%error, "could not publish rejected lines");
                }
            }
            None => self.bus_failed = true,
        }
    }

    /// Returns the counts.
    pub(crate) fn into_counts(self) -> Counts {
        self.counts
    }

    /// Judges the next bytes, and publishes each segment that is full.
    ///
    /// # Errors
    /// Where the rest must not be read.
    pub(crate) async fn take(&mut self, chunk: &Bytes) -> Result<(), Stop> {
        let bounds = self.bounds();
        let mut rest = &chunk[..];
        // Moved out for now, so that a line borrowed from it does not borrow all of `self`.
        let mut scanner = std::mem::replace(&mut self.scanner, Scanner::new(0));
        while let Some((number, token)) = scanner.next(&mut rest) {
            self.judge(number, token, bounds)?;
            if self.builder.size() >= SEGMENT_BYTES || self.builder.series() >= SEGMENT_SERIES {
                self.lane = Lane::Bulk;
                self.flush().await;
            }
            if self.counts.rejects.full() {
                if self.is_misjudged() {
                    return Err(Stop::Clock);
                }
                if self.is_binary() {
                    return Err(Stop::Foreign(Foreign::Binary));
                }
                self.publish_rejects().await;
            }
            if self.bus_failed {
                return Err(Stop::Bus);
            }
        }
        self.scanner = scanner;
        if self.builder.readings() > 0 {
            self.since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// When gathered readings must be published, with or without more input.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + TIMEOUT)
    }

    /// Judges the rest at the end of the body.
    ///
    /// # Errors
    /// As [`Session::take`].
    pub(crate) fn last(&mut self) -> Result<(), Stop> {
        let bounds = self.bounds();
        let mut scanner = std::mem::replace(&mut self.scanner, Scanner::new(0));
        while let Some((number, token)) = scanner.finish() {
            self.judge(number, token, bounds)?;
        }
        Ok(())
    }

    fn judge(&mut self, number: u64, token: Token<'_>, bounds: Bounds) -> Result<(), Stop> {
        match token {
            Token::Line { bytes, part } => {
                if !part && let Ok(reading) = decode(bytes, bounds) {
                    self.add(&reading);
                    return Ok(());
                }
                self.judge_values(number, bytes, part, bounds)
            }
            Token::Value { bytes, ordinal } => self.judge_object(number, ordinal, bytes, bounds),
            Token::Within { bytes, ordinal } => self.judge_within(number, ordinal, bytes, bounds),
            Token::TooLong { bytes, ordinal, wraps } => {
                self.begin(number, bytes)?;
                if wraps {
                    // The scanner reads again what it keeps.
                    let again = self.present.again.checked_sub(READ_AGAIN / WRAPPERS);
                    self.present.again = again.ok_or(Stop::Torn(number))?;
                    self.note_device_around(bytes);
                }
                let reason = format!("longer than {} bytes", self.ingest.limits.max_line());
                let value = match ordinal {
                    None => {
                        self.present.values += 1;
                        let value = self.present.values;
                        (wraps || value > 1).then_some(value)
                    }
                    ordinal => ordinal,
                };
                self.reject(At { line: number, value }, reason, bytes, true);
                Ok(())
            }
            Token::Syntax(bytes) => Err(foreign(bytes).map_or(Stop::Syntax(number), Stop::Foreign)),
        }
    }

    /// Judges the values of a line, or of a part of a line, one by one.
    fn judge_values(&mut self, number: u64, bytes: &[u8], part: bool, bounds: Bounds) -> Result<(), Stop> {
        let bytes = without_runs(bytes);
        self.begin(number, &bytes)?;
        let mut values = Values::new(&bytes, bounds, self.present.again);
        while let Some(Value { raw, verdict }) = values.next() {
            self.present.values += 1;
            let value = self.present.values;
            if verdict.is_err()
                && let Some(format) = foreign_value(raw)
            {
                // Behind a line that was cut off.
                return Err(Stop::Foreign(format));
            }
            let several = part || value > 1 || !values.is_empty();
            let value = several.then_some(value);
            self.judged(At { line: number, value }, raw, verdict);
        }
        self.present.again = values.again();
        if values.is_exhausted() {
            return Err(Stop::Torn(number));
        }
        Ok(())
    }

    /// Goes on with a line, or begins it.
    fn begin(&mut self, number: u64, bytes: &[u8]) -> Result<(), Stop> {
        if self.present.number == number {
            return Ok(());
        }
        if let Some(format) = foreign_line(bytes) {
            return Err(Stop::Foreign(format));
        }
        self.present = Present {
            number,
            values: 0,
            again: READ_AGAIN,
            is_of_another: false,
        };
        Ok(())
    }

    /// Whether the values are no text, and hardly any was a reading so far: then no line is a bad line. Compressed data
    /// may hold a reading as it is, the first one above all.
    fn is_binary(&self) -> bool {
        let (rejects, readings) = (&self.counts.rejects, self.readings());
        rejects.is_binary() && (readings == 0 || (rejects.begins_binary && readings < rejects.count / 4))
    }

    /// Readings so far.
    fn readings(&self) -> u64 {
        let under_way: u64 = self.under_way.iter().map(|(readings, _)| readings).sum();
        self.counts.accepted + under_way + self.builder.readings() + self.counts.deferred + self.counts.forbidden
    }

    /// Judges a value of a document; its braces match.
    fn judge_object(&mut self, number: u64, ordinal: u64, bytes: &[u8], bounds: Bounds) -> Result<(), Stop> {
        let found = match std::str::from_utf8(bytes) {
            Ok(text) => first(text, bounds),
            Err(error) => First::Malformed(Malformed::Field(not_utf8(error.valid_up_to()))),
        };
        let reason = match found {
            First::Whole(Ok(reading), _) => {
                self.add(&reading);
                return Ok(());
            }
            First::Whole(Err(_), _) | First::Malformed(Malformed::Field(_)) if wraps(bytes) => {
                self.present.is_of_another = false;
                return self.judge_within(number, ordinal, bytes, bounds);
            }
            First::Whole(Err(reason), _) | First::Malformed(Malformed::Field(reason)) => reason,
            First::Malformed(Malformed::Syntax(..)) => return Err(Stop::Syntax(number)),
            First::Open => breaks_off(bytes.len()),
        };
        let value = Some(ordinal);
        self.reject(At { line: number, value }, reason, bytes, false);
        Ok(())
    }

    /// Judges what a long bad object of a document holds, or a part of it, as on a line.
    fn judge_within(&mut self, number: u64, ordinal: u64, bytes: &[u8], bounds: Bounds) -> Result<(), Stop> {
        let mut values = Values::new(bytes, bounds, READ_AGAIN);
        for Value { raw, verdict } in values.by_ref() {
            let value = Some(ordinal);
            self.judged(At { line: number, value }, raw, verdict);
        }
        if values.is_exhausted() {
            return Err(Stop::Torn(number));
        }
        Ok(())
    }

    /// Takes the verdict on one of several values. An object around them may name the device of all.
    fn judged(&mut self, at: At, raw: &[u8], verdict: Result<Decoded<'_>, String>) {
        match verdict {
            Ok(reading) if reading.device.is_none() && self.present.is_of_another => {
                self.counts.forbidden += 1;
                self.counts.is_wrapped = true;
            }
            Ok(reading) => self.add(&reading),
            Err(reason) => {
                self.note_device_around(raw);
                self.reject(at, reason, raw, false);
            }
        }
    }

    /// Notes the device that an object names which begins like this around the next values, or ends like this.
    fn note_device_around(&mut self, text: &[u8]) {
        if let Some(device) = device_around(text) {
            self.present.is_of_another = *device != *self.caller.device.as_bytes();
        } else if text.starts_with(b"]") {
            self.present.is_of_another = false;
        }
    }

    fn reject(&mut self, at: At, reason: String, raw: &[u8], cut: bool) {
        if self.is_trial {
            self.counts.rejects.count += 1;
            return;
        }
        let (upload, quota) = (self.origin.upload, &self.ingest.quota);
        let begins = self.counts.rejects.count == 0 && self.readings() == 0;
        let rejected = Rejected {
            at,
            reason,
            raw,
            cut,
            begins,
        };
        self.counts.rejects.add(upload, self.caller, quota, rejected);
    }

    /// Adds a reading to the segment, unless it is deferred or forbidden.
    fn add(&mut self, reading: &Decoded<'_>) {
        let device = match reading.device.as_deref() {
            Some(device) if self.caller.bound && *device != *self.caller.device => {
                self.counts.forbidden += 1;
                return;
            }
            Some(device) => device,
            None => &self.caller.device,
        };
        let (series, key) = (&self.ingest.series, &self.caller.key);
        let point = Point {
            timestamp: reading.timestamp,
            value: reading.value,
        };
        let mut no_room = None;
        let admit = |hash| {
            no_room = series.admit(key, hash).err();
            no_room.is_none()
        };
        if !self.builder.push(device, &reading.sensor, point, admit) {
            self.counts.deferred += 1;
            self.counts.no_room = self.counts.no_room.or(no_room);
        }
    }

    /// Publishes the gathered readings.
    pub(crate) async fn flush(&mut self) {
        self.since = None;
        if self.builder.readings() > 0 {
            self.publish(None).await;
        }
    }

    /// Publishes the last segment, which tells the upload's totals and may hold no readings. All others are
    /// stored.
    async fn hand_over_last(&mut self) {
        let totals = UploadTotals {
            accepted: self.counts.accepted + self.builder.readings(),
            rejected: self.counts.rejects.count,
        };
        self.publish(Some(totals)).await;
    }

    /// Publishes the segment, after waiting for earlier ones if too many are being published.
    async fn publish(&mut self, totals: Option<UploadTotals>) {
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

    /// Waits for the earliest segment being published; false where there is none.
    async fn settle(&mut self) -> bool {
        let Some((readings, ticket)) = self.under_way.pop_front() else {
            return false;
        };
        match ticket.stored().await {
            Ok(()) => self.counts.accepted += readings,
            Err(Unavailable) => self.bus_failed = true,
        }
        true
    }
}
