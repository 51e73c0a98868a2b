//! Whether this machine's clock can be right, for what judges readings by it.
//!
//! A clock that is behind makes of good readings "too far in the future", and a device deletes its
//! file after that verdict. So a clock is wrong while it is further behind a moment that is past for
//! certain than `--max-future` allows. Such moments are the release of this program, the last message
//! of the event bus (or its server's own time) and the newest receipt in the database. They are asked
//! for every few seconds; each upload only compares two numbers.
//!
//! Deliberately not here: clocks that are ahead. Nothing tells them from a long sleep, so what deletes
//! by age waits for a second look instead (`postgres/looks.rs`).

use super::decode::Bounds;
use super::http::Limits;
use super::postgres::Store;
use super::time::{self, SECOND};
use event::Writer;
use futures_util::FutureExt;
use service::{Latch, Service};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The date of this release, 2026-11-01 at 00:00 UTC in microseconds since 1970. No clock that is
/// right shows an earlier one. CONTRIBUTING says when to move it.
pub const RELEASED: i64 = 1_793_491_200 * SECOND;

/// Clocks of two machines differ by this much without either being wrong, whatever `--max-future` is.
const SKEW: i64 = 60 * SECOND;

/// Between two questions to the bus and the database, and before both have answered once.
const ASK: Duration = Duration::from_secs(5);
const ASK_FIRST: Duration = Duration::from_millis(250);

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the log repeats that the clock is wrong.
const REPEAT: Duration = Duration::from_secs(600);

/// This machine's clock, compared with what else tells the time. Cheap to clone.
#[derive(Clone)]
pub(super) struct Clock(Arc<Inner>);

struct Inner {
    trusted: bool,
    /// How far behind a clock may be; microseconds.
    tolerance: i64,
    /// A moment that is past for certain.
    past: AtomicI64,
    /// The bus and the database have been asked.
    asked: AtomicBool,
    latch: Latch,
}

/// What tells the time beside this machine's clock.
struct Witnesses {
    bus: Writer,
    receipts: Option<Store>,
    /// The latest answer of each.
    bus_said: Option<Option<i64>>,
    receipts_said: Option<Option<i64>>,
}

impl Clock {
    /// Compares the clock with `bus` and, where there is one, with the receipts in a database. Its
    /// task runs under `service`.
    pub(super) fn new(limits: &Limits, bus: Writer, receipts: Option<Store>, service: &Service) -> Self {
        let clock = Self(Arc::new(Inner {
            trusted: limits.trust_clock,
            tolerance: micros(limits.max_future).max(SKEW),
            past: AtomicI64::new(RELEASED),
            asked: AtomicBool::new(false),
            latch: service.latch("clock"),
        }));
        let mut witnesses = Witnesses {
            bus_said: bus.latest_moment().now_or_never().and_then(Result::ok),
            receipts_said: receipts.is_none().then_some(None),
            bus,
            receipts,
        };
        let mut told = None;
        clock.take(&witnesses, &mut told);
        let (watched, stop) = (clock.clone(), service.stop());
        service.spawn("watch the clock", async move {
            watched.watch(&mut witnesses, told, stop).await;
            Ok(())
        });
        clock
    }

    /// It cannot be right.
    pub(super) fn is_wrong(&self) -> bool {
        !self.0.trusted && time::now() < self.earliest()
    }

    /// All that tells the time has been asked, and it may be right.
    pub(super) fn is_plausible(&self) -> bool {
        self.0.trusted || (self.0.asked.load(Ordering::Acquire) && !self.is_wrong())
    }

    /// The earliest time that it may show.
    fn earliest(&self) -> i64 {
        self.0.past.load(Ordering::Acquire).saturating_sub(self.0.tolerance)
    }

    async fn watch(&self, witnesses: &mut Witnesses, mut told: Option<Instant>, stop: CancellationToken) {
        loop {
            let pause = if self.0.asked.load(Ordering::Acquire) {
                ASK
            } else {
                ASK_FIRST
            };
            let asking = async {
                sleep(pause).await;
                witnesses.ask().await;
            };
            if stop.run_until_cancelled(asking).await.is_none() {
                return;
            }
            self.take(witnesses, &mut told);
        }
    }

    /// Takes over what the witnesses said. `told` is when the log was last told of a wrong clock.
    fn take(&self, witnesses: &Witnesses, told: &mut Option<Instant>) {
        let (past, whose) = witnesses.past();
        self.0.past.store(past, Ordering::Release);
        if witnesses.bus_said.is_some() && witnesses.receipts_said.is_some() {
            self.0.asked.store(true, Ordering::Release);
        }
        self.0.latch.set(self.is_plausible());
        let now = time::now();
        if now >= self.earliest() {
            if told.take().is_some() {
                tracing::info!(clock = text(now), "this machine's clock can be right again");
            }
        } else if told.is_none_or(|told| told.elapsed() >= REPEAT) {
            *told = Some(Instant::now());
            let (clock, past) = (text(now), text(past));
            if self.0.trusted {
                tracing::warn!(
                    clock,
                    past,
                    whose,
                    "this machine's clock is behind what is past, and trusted (--trust-clock)"
                );
            } else {
                tracing::warn!(
                    clock,
                    past,
                    whose,
                    "this machine's clock is wrong: it is behind what is past; uploads are refused. Set the clock, or start with --trust-clock where it is right"
                );
            }
        }
    }
}

impl Witnesses {
    /// Asks both. One that does not answer keeps what it said before.
    async fn ask(&mut self) {
        if let Ok(Ok(said)) = timeout(PATIENCE, self.bus.latest_moment()).await {
            self.bus_said = Some(said);
        }
        if let Some(receipts) = &self.receipts
            && let Ok(Ok(said)) = timeout(PATIENCE, receipts.newest_receipt()).await
        {
            self.receipts_said = Some(said);
        }
    }

    /// The latest moment that is past for certain, and what says so.
    fn past(&self) -> (i64, &'static str) {
        let said = [
            (Some(RELEASED), "the release of this program"),
            (self.bus_said.flatten(), "the event bus"),
            (self.receipts_said.flatten(), "the newest receipt in the database"),
        ];
        let said = said.into_iter().filter_map(|(moment, whose)| Some((moment?, whose)));
        said.max().unwrap_or((RELEASED, "the release of this program"))
    }
}

/// Why a time beyond these bounds is not believed: by how much, and by whose clock.
pub(super) fn too_far_ahead(timestamp: i64, bounds: &Bounds) -> String {
    let ahead = span(timestamp.saturating_sub(bounds.newest));
    format!(
        "timestamp: too far in the future, {ahead} further ahead than --max-future allows; by this server's clock it is {}",
        text(time::now())
    )
}

/// A span of microseconds in its two largest units.
fn span(micros: i64) -> String {
    let seconds = micros.max(0) / SECOND;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days} d {} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {} min", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes} min {} s", seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

/// A moment as people read it, to the second.
fn text(moment: i64) -> String {
    let moment = jiff::Timestamp::from_microsecond(moment.div_euclid(SECOND) * SECOND);
    moment.map_or_else(|_| "no date".to_owned(), |moment| moment.to_string())
}

/// Microseconds of a span, as many as there can be.
pub(super) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_not_in_the_future() {
        assert!(RELEASED < time::now(), "{}", text(RELEASED));
        assert_eq!(text(RELEASED), "2026-11-01T00:00:00Z");
    }

    #[test]
    fn a_reason_names_the_distance_and_the_clock() {
        let bounds = Bounds { oldest: 0, newest: 0 };
        for (ahead, expected) in [
            (1, "0 s"),
            (59 * SECOND, "59 s"),
            (192 * SECOND, "3 min 12 s"),
            (192 * 60 * SECOND, "3 h 12 min"),
            (400 * 86_400 * SECOND + 3600 * SECOND, "400 d 1 h"),
        ] {
            let reason = too_far_ahead(ahead, &bounds);
            let clock = text(time::now());
            assert!(
                reason.starts_with(&format!(
                    "timestamp: too far in the future, {expected} further ahead than --max-future"
                )) && reason.contains(&clock[..15]),
                "{reason}"
            );
        }
        too_far_ahead(
            i64::MAX,
            &Bounds {
                oldest: 0,
                newest: i64::MIN,
            },
        );
    }
}
