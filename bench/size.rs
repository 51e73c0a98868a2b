//! The sizes of the workloads.

/// The sizes of the workloads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Readings in a bulk.
    pub(crate) readings: usize,
    /// Runs of each workload; the report shows the median.
    pub(crate) runs: usize,
    /// Readings of a stored history of twelve months.
    pub(crate) history: usize,
    /// Seconds and runs of the load of small posts.
    pub(crate) live_seconds: u64,
    pub(crate) live_runs: usize,
    /// Seconds of each load of questions.
    pub(crate) asking_seconds: u64,
    /// Days of history in a trend.
    pub(crate) days: usize,
    /// Webhooks in a measurement of their rate.
    pub(crate) deliveries: usize,
    /// Runs beside a snapshot, and the seconds that it is held before.
    pub(crate) held_runs: usize,
    pub(crate) held_seconds: u64,
    /// Deliveries that wait while a notifier's memory is measured.
    pub(crate) queued: usize,
    /// Messages that are stored while others are put.
    pub(crate) messages: usize,
    /// Entries of the journal.
    pub(crate) entries: usize,
    /// Seconds in which the heap of the page may grow.
    pub(crate) heap_seconds: u64,
}
