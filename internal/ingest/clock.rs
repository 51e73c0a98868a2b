//! Judges whether this machine's clock can be right, before readings are judged by it.
//!
//! A clock that is behind rejects good readings as "too far in the future", and a device deletes its file
//! after that verdict. So the clock is compared with witnesses: the release of this program, the last message
//! of the event bus (or its server's own time), and the newest receipt in the database. It is wrong while it
//! is further behind one than `--max-future` allows. A task asks them every few seconds; an upload only
//! compares two numbers.
//!
//! Deliberately not here: clocks that are ahead. They look like a long sleep, so deletion by age waits for a
//! second look instead (`internal/store/looks.rs`).

use crate::Limits;
use event::Writer;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reading::time::{self, RELEASED, SECOND, micros, text};
use repeat::LogLimit;
use service::{Latch, Service};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Least tolerance, for any `--max-future`: two right clocks may differ by this much.
const SKEW: i64 = 60 * SECOND;

/// Pause between two questions to the bus and the database, and until both have answered once.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
const FIRST_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Pause between two warnings of a wrong clock, or of series without room.
pub(crate) const WARNING_INTERVAL: Duration = Duration::from_secs(600);

/// This machine's clock, compared with the witnesses. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clock(Arc<Inner>);

struct Inner {
    trusted: bool,
    /// How far behind a clock may be; microseconds.
    tolerance: i64,
    /// The latest moment that has certainly passed.
    past: AtomicI64,
    /// The bus and the database have answered.
    asked: AtomicBool,
    warnings: LogLimit,
    latch: Latch,
}

/// Asks for a moment that has certainly passed, in microseconds since 1970. `Ok(None)` where none is known,
/// an error where the answer is unavailable now. Answers within a bounded time.
pub type Witness = Box<dyn Fn() -> BoxFuture<'static, Result<Option<i64>, Unknown>> + Send + Sync>;

/// A witness does not answer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

/// The sources that tell the time beside this machine's clock.
struct Witnesses {
    bus: Writer,
    receipts: Option<Witness>,
    /// The latest answer of each.
    bus_said: Option<Option<i64>>,
    receipts_said: Option<Option<i64>>,
}

impl Clock {
    /// Compares the clock with `bus` and, if there is a database, with its receipts. Its task runs under
    /// `service`.
    pub(crate) fn new(limits: &Limits, bus: Writer, receipts: Option<Witness>, service: &Service) -> Self {
        let clock = Self(Arc::new(Inner {
            trusted: limits.trust_clock,
            tolerance: micros(limits.times.max_future).max(SKEW),
            past: AtomicI64::new(RELEASED),
            asked: AtomicBool::new(false),
            warnings: LogLimit::every(WARNING_INTERVAL),
            latch: service.latch("clock"),
        }));
        let mut witnesses = Witnesses {
            bus_said: bus.latest_moment().now_or_never().and_then(Result::ok),
            receipts_said: receipts.is_none().then_some(None),
            bus,
            receipts,
        };
        clock.take(&witnesses);
        let (watched, stop) = (clock.clone(), service.stop());
        service.spawn("watch the clock", async move {
            watched.watch(&mut witnesses, stop).await;
            Ok(())
        });
        clock
    }

    /// Whether the clock cannot be right.
    pub(crate) fn is_wrong(&self) -> bool {
        !self.0.trusted && time::now() < self.earliest()
    }

    /// Whether all witnesses have answered, and the clock can be right.
    pub(crate) fn is_plausible(&self) -> bool {
        self.0.trusted || (self.0.asked.load(Ordering::Acquire) && !self.is_wrong())
    }

    /// The earliest time that a right clock may show.
    fn earliest(&self) -> i64 {
        self.0.past.load(Ordering::Acquire).saturating_sub(self.0.tolerance)
    }

    async fn watch(&self, witnesses: &mut Witnesses, stop: CancellationToken) {
        // At once, so that the first client need not wait.
        if stop.run_until_cancelled(witnesses.ask()).await.is_none() {
            return;
        }
        self.take(witnesses);
        loop {
            let pause = if self.0.asked.load(Ordering::Acquire) {
                CHECK_INTERVAL
            } else {
                FIRST_CHECK_INTERVAL
            };
            let asking = async {
                sleep(pause).await;
                witnesses.ask().await;
            };
            if stop.run_until_cancelled(asking).await.is_none() {
                return;
            }
            self.take(witnesses);
        }
    }

    /// Takes over the witnesses' answers.
    fn take(&self, witnesses: &Witnesses) {
        let (past, whose) = witnesses.past();
        self.0.past.store(past, Ordering::Release);
        if witnesses.bus_said.is_some() && witnesses.receipts_said.is_some() {
            self.0.asked.store(true, Ordering::Release);
        }
        self.0.latch.set(self.is_plausible());
        let now = time::now();
        if now >= self.earliest() {
            if self.0.warnings.reset() {
                tracing::info!(clock = text(now), "this machine's clock is plausible again");
            }
        } else if self.0.warnings.allows("wrong clock") {
            let (clock, past) = (text(now), text(past));
            if self.0.trusted {
                tracing::warn!(
                    clock,
                    past,
                    whose,
                    "this machine's clock is behind a time that has passed, and trusted (--trust-clock)"
                );
            } else {
                tracing::warn!(
                    clock,
                    past,
                    whose,
                    "this machine's clock is wrong: it is behind a time that has passed; uploads are refused. Set the clock, or start with --trust-clock where it is right"
                );
            }
        }
    }
}

impl Witnesses {
    /// Asks both witnesses. One that does not answer keeps its earlier answer.
    async fn ask(&mut self) {
        if let Ok(Ok(said)) = timeout(TIMEOUT, self.bus.latest_moment()).await {
            self.bus_said = Some(said);
        }
        if let Some(receipts) = &self.receipts
            && let Ok(said) = receipts().await
        {
            self.receipts_said = Some(said);
        }
    }

    /// The latest moment that has certainly passed, and its witness.
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
