//! The result of a run, as a table.

use crate::check::Checked;
use crate::events::Events;
use crate::schedule::Faults;
use std::fmt::Write as _;
use std::time::Duration;

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) seed: u64,
    pub(crate) seconds: Duration,
    /// From the last fault's end until all readings were stored.
    pub(crate) settled: Duration,
    pub(crate) clients: u32,
    pub(crate) faults: Faults,
    pub(crate) posts: u64,
    pub(crate) bodies: u64,
    pub(crate) again: u64,
    pub(crate) cut: u64,
    pub(crate) readings: u64,
    pub(crate) retries: u64,
    pub(crate) refused: u64,
    /// Bodies of the flood with deferred readings.
    pub(crate) deferred: u64,
    pub(crate) looks: u64,
    pub(crate) events: Events,
    pub(crate) checked: Checked,
    pub(crate) wrong: Vec<String>,
}

impl Report {
    /// All mistakes; empty for a good run.
    #[must_use]
    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    /// Number of faults that had an effect.
    #[must_use]
    pub fn faults(&self) -> u32 {
        self.faults.count()
    }

    /// How often a fault of this name happened.
    #[must_use]
    pub fn happened(&self, name: &str) -> u32 {
        self.faults.happened.get(name).copied().unwrap_or(0)
    }

    /// Acknowledged readings that were checked.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.checked.rows
    }

    /// Events that reached the endpoint.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.checked.taken
    }

    /// Formats runs as one Markdown table, a column each.
    #[must_use]
    pub fn table(reports: &[Self]) -> String {
        let rows: [(&str, Cell<Self>); 29] = [
            ("seed", |run| run.seed.to_string()),
            ("seconds under faults", |run| run.seconds.as_secs().to_string()),
            ("faults that were felt", |run| run.faults.count().to_string()),
            ("kinds of fault", |run| run.faults.happened.len().to_string()),
            ("clients", |run| run.clients.to_string()),
            ("requests sent", |run| run.posts.to_string()),
            ("of them tried again", |run| run.retries.to_string()),
            ("answered 503", |run| run.refused.to_string()),
            ("bodies of another key with names deferred", |run| {
                run.deferred.to_string()
            }),
            ("broken off by the client", |run| run.cut.to_string()),
            ("uploads acknowledged", |run| run.bodies.to_string()),
            ("of them once more", |run| run.again.to_string()),
            ("readings acknowledged", |run| run.readings.to_string()),
            ("of them a second, on average", |run| {
                let seconds = run.seconds.as_secs().max(1);
                (run.readings / seconds).to_string()
            }),
            ("seconds until nothing waited", |run| run.settled.as_secs().to_string()),
            ("readings checked", |run| run.checked.rows.to_string()),
            ("**lost**", |run| run.checked.lost.to_string()),
            ("**twice**", |run| run.checked.twice.to_string()),
            ("**never sent**", |run| run.checked.unsent.to_string()),
            ("answers, dumps and rejected lines compared", |run| {
                let checked = &run.checked;
                format!("{}, {}, {}", checked.answers, checked.dumps, checked.dead_lines)
            }),
            ("looks at the latest, none older than before", |run| {
                run.looks.to_string()
            }),
            ("receipts that add up", |run| run.checked.receipts.to_string()),
            ("messages published", |run| run.events.messages.to_string()),
            ("webhooks that the endpoint got", |run| {
                run.events.served.requests.to_string()
            }),
            ("of them answered 503, not, closed, slowly", |run| {
                let served = &run.events.served;
                format!(
                    "{}, {}, {}, {}",
                    served.refused, served.hung, served.closed, served.slow
                )
            }),
            ("of them of an event that it had, with its id", |run| {
                run.events.served.again.to_string()
            }),
            ("events taken, of at least", |run| {
                let checked = &run.events.checked;
                format!("{}, {}", checked.taken, checked.expected)
            }),
            ("seconds until no event waited", |run| {
                run.events.settled.as_secs().to_string()
            }),
            ("**events missing**", |run| run.events.checked.missing.to_string()),
        ];
        table(&rows, reports)
    }

    /// Formats the faults of runs, by name, as a Markdown table.
    #[must_use]
    pub fn faults_table(reports: &[Self]) -> String {
        let runs: Vec<(u64, &Faults)> = reports.iter().map(|run| (run.seed, &run.faults)).collect();
        faults_table(&runs)
    }

    /// Further notes for the reader.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        vec![format!(
            "seed {}: {} of the readings there are of uploads that were broken off for good; {} faults were not felt by anybody and are not counted",
            self.seed, self.checked.of_abandoned, self.faults.unfelt
        )]
    }
}

/// What a row of a table says of a run.
pub(crate) type Cell<T> = fn(&T) -> String;

/// Formats runs as a Markdown table, a column each.
pub(crate) fn table<T>(rows: &[(&str, Cell<T>)], runs: &[T]) -> String {
    let mut text = String::new();
    for (index, (name, cell)) in rows.iter().enumerate() {
        let cells: Vec<String> = runs.iter().map(cell).collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|---|{}", "---:|".repeat(cells.len()));
        }
    }
    text
}

/// Formats the faults of runs, each with its seed, as a Markdown table.
pub(crate) fn faults_table(runs: &[(u64, &Faults)]) -> String {
    let mut names: Vec<&String> = runs.iter().flat_map(|(_, faults)| faults.happened.keys()).collect();
    names.sort();
    names.dedup();
    let seeds: Vec<String> = runs.iter().map(|(seed, _)| seed.to_string()).collect();
    let mut text = format!(
        "| seed | {} |\n|---|{}\n",
        seeds.join(" | "),
        "---:|".repeat(seeds.len())
    );
    for name in names {
        let count = |faults: &Faults| faults.happened.get(name).copied().unwrap_or(0);
        let counts: Vec<String> = runs.iter().map(|(_, faults)| count(faults).to_string()).collect();
        let _ = writeln!(text, "| {name} | {} |", counts.join(" | "));
    }
    text
}
