//! The result of a run, as a table.

use super::disk::{Disk, Measure};
use super::shared::Shared;
use super::wrong::Kind;
use crate::report::{Cell, faults_table, table};
use crate::schedule::Faults;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) seed: u64,
    pub(super) seconds: Duration,
    pub(super) faults: Faults,
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Arc<Disk>,
    pub(super) measure: Measure,
    /// From the last fault's end until every call of the writers was answered.
    pub(super) settled: Duration,
    /// Rows that were compared with the model.
    pub(super) rows: usize,
    /// From the last put until no message was on the disk.
    pub(super) gone: Duration,
    pub(super) wrong: Vec<String>,
}

impl Report {
    /// All mistakes; empty for a good run. Of each kind, the first ones.
    #[must_use]
    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    /// Formats runs as one Markdown table, a column each.
    #[must_use]
    pub fn table(reports: &[Self]) -> String {
        let rows: [(&str, Cell<Self>); 28] = [
            ("seed", |run| run.seed.to_string()),
            ("seconds under faults", |run| run.seconds.as_secs().to_string()),
            ("faults that were felt", |run| run.faults.count().to_string()),
            ("kinds of fault", |run| run.faults.happened.len().to_string()),
            ("longest until both servers answered again", |run| {
                format!("{} ms", shown(&run.shared.counts.recovery))
            }),
            ("calls tried", |run| shown(&run.shared.counts.tries)),
            ("puts and deletes tried again", |run| shown(&run.shared.counts.again)),
            ("messages acknowledged", |run| shown(&run.shared.counts.acknowledged)),
            ("of them under the name of an earlier one", |run| {
                shown(&run.shared.counts.anew)
            }),
            ("messages deleted", |run| shown(&run.shared.counts.deleted)),
            ("puts refused for a conflict, as they had to be", |run| {
                shown(&run.shared.counts.conflicts)
            }),
            ("puts at both servers at once: the same, others", |run| {
                let counts = &run.shared.counts;
                format!("{}, {}", shown(&counts.same), shown(&counts.different))
            }),
            ("gets answered, messages in them", |run| {
                let counts = &run.shared.counts;
                format!("{}, {}", shown(&counts.gets), shown(&counts.found))
            }),
            ("messages that had to be in an answer", |run| {
                shown(&run.shared.counts.had)
            }),
            ("messages that must not be in one", |run| {
                shown(&run.shared.counts.had_not)
            }),
            ("calls of Clean, messages that they removed", |run| {
                let counts = &run.shared.counts;
                format!("{}, {}", shown(&counts.cleans), shown(&counts.removed))
            }),
            ("seconds until every call was answered", |run| {
                run.settled.as_secs().to_string()
            }),
            ("rows compared", |run| run.rows.to_string()),
            ("seconds until none was on the disk", |run| {
                run.gone.as_secs().to_string()
            }),
            ("looks at the disk, judged", |run| {
                format!("{}, {}", shown(&run.disk.looks), shown(&run.disk.judged))
            }),
            ("bytes of a message, most on the disk", |run| {
                let most = run.disk.most.load(Ordering::Relaxed);
                format!("{}, {} MiB", run.measure.of_one(), most >> 20)
            }),
            ("most on the disk, of what was live", |run| {
                let worst = run.disk.worst.load(Ordering::Relaxed);
                format!("{}.{:02}", worst / 100, worst % 100)
            }),
            ("**missing before their time**", |run| run.count(Kind::Missing)),
            ("**answered after their time**", |run| run.count(Kind::Late)),
            ("**answered after a delete or a refusal**", |run| run.count(Kind::Gone)),
            ("**twice, or unasked**", |run| run.count(Kind::Twice)),
            ("**with another content**", |run| run.count(Kind::Other)),
            ("**wrong answers to calls, looks above 1.3, ended programs**", |run| {
                let kinds = [Kind::Answer, Kind::Disk, Kind::Program];
                kinds.map(|kind| run.count(kind)).join(", ")
            }),
        ];
        table(&rows, reports)
    }

    /// Formats the faults of runs, by name, as a Markdown table.
    #[must_use]
    pub fn faults_table(reports: &[Self]) -> String {
        let runs: Vec<(u64, &Faults)> = reports.iter().map(|run| (run.seed, &run.faults)).collect();
        faults_table(&runs)
    }

    fn count(&self, kind: Kind) -> String {
        self.shared.wrong.count(kind).to_string()
    }
}

fn shown(count: &AtomicU64) -> String {
    count.load(Ordering::Relaxed).to_string()
}
