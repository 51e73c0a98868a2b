//! Transactions by name: the duration of each try, and the number of retries after conflicts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use repeat::{LogLimit, Pauses};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::Instant;

/// Tries of a conflicting transaction at the most; with the pauses, some six seconds.
const TRIES: usize = 12;

/// Conflicts of a transaction before a warning.
const WARNED: usize = 5;

/// Warnings, by the name of the transaction.
static WARNINGS: LogLimit = LogLimit::every(Duration::from_secs(60));

static TRANSACTIONS: LazyLock<Transactions> = LazyLock::new(Transactions::default);

/// The name of a transaction. Names are constants, so that their number is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    name: &'static str,
}

struct Transactions {
    seconds: Family<Name, Histogram, fn() -> Histogram>,
    retries: Family<Name, Counter>,
}

impl Default for Transactions {
    fn default() -> Self {
        Self {
            // 1 ms to 33 s: no statement may take longer than that.
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 16))),
            retries: Family::default(),
        }
    }
}

/// Adds this process's transactions to a program's metrics.
pub fn register(registry: &mut Registry) {
    registry.register(
        "postgres_transaction_seconds",
        "Duration of a try of a transaction",
        TRANSACTIONS.seconds.clone(),
    );
    registry.register(
        "postgres_transaction_retries",
        "Tries of transactions that conflicted with others before",
        TRANSACTIONS.retries.clone(),
    );
}

/// Times a try of a transaction under its name, from here until it is dropped.
#[derive(Debug)]
#[must_use = "it measures until it is dropped"]
pub struct Timer {
    name: Name,
    begun: Instant,
}

impl Timer {
    /// Begins a try of the transaction of this name.
    pub fn of(name: &'static str) -> Self {
        Self {
            name: Name { name },
            begun: Instant::now(),
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let seconds = TRANSACTIONS.seconds.get_or_create(&self.name);
        seconds.observe(self.begun.elapsed().as_secs_f64());
    }
}

/// The tries of one transaction, until it does not conflict.
#[derive(Debug)]
pub struct Tries {
    name: &'static str,
    tries: usize,
    pauses: Pauses,
}

impl Tries {
    /// Prepares the tries of the transaction of this name.
    pub fn of(name: &'static str) -> Self {
        Self {
            name,
            tries: 0,
            pauses: Pauses::between(Duration::from_millis(8), Duration::from_secs(2)),
        }
    }

    /// Begins the next try.
    pub fn timer(&mut self) -> Timer {
        self.tries += 1;
        Timer::of(self.name)
    }

    /// Waits until the next try is due, longer each time. Returns false when all tries are used up and the
    /// caller should report the conflict.
    pub async fn again(&mut self, reason: &str) -> bool {
        let (name, tries) = (self.name, self.tries);
        if tries >= TRIES {
            return false;
        }
        let pause = self.pauses.grow();
        TRANSACTIONS.retries.get_or_create(&Name { name }).inc();
        if tries >= WARNED && WARNINGS.allows(name) {
            tracing::warn!(
                transaction = name,
                tries,
                reason,
                "a transaction conflicts repeatedly; look for other writers that hold its rows"
            );
        } else {
            tracing::debug!(transaction = name, tries, reason, ?pause, "trying a transaction again");
        }
        tokio::time::sleep(pause).await;
        true
    }
}
