//! The results, as a table for the terminal and for BENCHMARKS.md.

use crate::size::Size;
use crate::system::cpu;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use testutil::Process;

/// One figure over several runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figure(Vec<f64>);

impl Figure {
    /// Adds a run's rate: `count` in this time.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(crate) fn add_rate(&mut self, count: usize, time: Duration) {
        self.0.push(count as f64 / time.as_secs_f64());
    }

    /// Adds the value of a run.
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Adds a run that took this long, in milliseconds.
    pub(crate) fn add_time(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1e3);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    /// The median of the runs' ratios.
    fn by(&self, other: &Self) -> f64 {
        Self(self.0.iter().zip(&other.0).map(|(this, other)| this / other).collect()).median()
    }

    /// Median, lowest and highest.
    pub(crate) fn cell(&self) -> String {
        let (low, high) = self.0.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
            (low.min(*value), high.max(*value))
        });
        format!("{} ({} to {})", short(self.median()), short(low), short(high))
    }
}

/// All results.
pub(crate) struct Report {
    size: Size,
    rows: Vec<String>,
    services: BTreeMap<(&'static str, &'static str), (u64, f64)>,
    notes: Vec<String>,
}

impl Report {
    pub(crate) fn new(size: Size) -> Self {
        Self {
            size,
            rows: Vec::new(),
            services: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a workload beside its rival, run by run, with the goal for their ratio.
    pub(crate) fn ratio(&mut self, name: &str, unit: &str, ours: &Figure, rival_name: &str, rival: &Figure, goal: f64) {
        self.row(name, unit, ours, (rival_name, rival), Some((ours.by(rival), goal)));
    }

    /// As [`Report::ratio`], for times. The ratio is one of speeds, too: above 1, ours is faster.
    pub(crate) fn times(&mut self, name: &str, ours: &Figure, rival_name: &str, rival: &Figure, goal: f64) {
        self.row(name, "ms", ours, (rival_name, rival), Some((rival.by(ours), goal)));
    }

    /// As [`Report::ratio`], without a goal.
    pub(crate) fn beside(&mut self, name: &str, unit: &str, ours: &Figure, rival_name: &str, rival: &Figure) {
        self.row(name, unit, ours, (rival_name, rival), None);
    }

    /// Adds a figure with an upper limit.
    pub(crate) fn limit(&mut self, name: &str, unit: &str, ours: &Figure, limit: f64) {
        // Judged by the worst run, not the median.
        let missed = missed(ours.0.iter().any(|value| *value >= limit));
        self.add(format!(
            "| {name} | {} {unit} | | | below {limit:.0} {unit}{missed} |",
            ours.cell()
        ));
    }

    /// Adds a figure whose median may be as large as the limit. Without a unit, the text is empty.
    pub(crate) fn at_most(&mut self, name: &str, unit: &str, ours: &Figure, limit: f64) {
        let missed = missed(ours.median() > limit);
        let [ours, limit] = [ours.cell(), limit.to_string()].map(|text| format!("{text} {unit}"));
        let (ours, limit) = (ours.trim_end(), limit.trim_end());
        self.add(format!("| {name} | {ours} | | | at most {limit}{missed} |"));
    }

    fn row(
        &mut self,
        name: &str,
        unit: &str,
        ours: &Figure,
        (rival_name, rival): (&str, &Figure),
        ratio_and_goal: Option<(f64, f64)>,
    ) {
        let (ratio, goal) = match ratio_and_goal {
            Some((ratio, goal)) => (ratio, format!("{goal:.2}{}", missed(ratio < goal))),
            None => (ours.by(rival), "none".to_owned()),
        };
        let (ours, rival) = (ours.cell(), rival.cell());
        self.add(format!(
            "| {name} | {ours} {unit} | {rival_name}: {rival} | {ratio:.2} | {goal} |"
        ));
    }

    fn add(&mut self, row: String) {
        say(&row);
        self.rows.push(row);
    }

    /// Adds a service's use of memory and processor so far; the report shows the maximum of all runs.
    pub(crate) fn service(&mut self, name: &'static str, workload: &'static str, process: &Process) {
        let entry = self.services.entry((name, workload)).or_default();
        *entry = (entry.0.max(process.peak_memory()), entry.1.max(cpu(process)));
    }

    pub(crate) fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    pub(crate) fn print(&self) {
        say(&self.text());
    }

    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        let head = format!("# Benchmarks\n\n{}\n", include_str!("head.md"));
        std::fs::write(path, format!("{head}{}\n{}", self.text(), include_str!("notes.md")))
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{} readings of 6 sensors at 10 Hz, {} runs; {}.\n",
            self.size.readings,
            self.size.runs,
            machine()
        );
        let _ = writeln!(
            text,
            "| workload | Odograph | compared to | ratio | goal |\n|---|---|---|---|---|"
        );
        for row in &self.rows {
            let _ = writeln!(text, "{row}");
        }
        let _ = writeln!(
            text,
            "\n| service | workload | peak memory | processor |\n|---|---|---|---|"
        );
        for ((name, workload), (memory, cpu)) in &self.services {
            let cpu = if *cpu > 0.0 {
                format!("{cpu:.1} s")
            } else {
                "not measured".to_owned()
            };
            let _ = writeln!(text, "| {name} | {workload} | {} MiB | {cpu} |", memory >> 20);
        }
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}");
        }
        text
    }
}

/// Three digits, or all of them before the point.
fn short(value: f64) -> String {
    let digits = match value {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

fn missed(missed: bool) -> &'static str {
    if missed { " (missed)" } else { "" }
}

/// The machine and the programs' versions, as far as they report them.
fn machine() -> String {
    let first = |name: &str, flag: &str| {
        // From the install scripts' folder, else from PATH.
        let ours = testutil::workspace().join(".tools/bin").join(name);
        let command = if ours.is_file() { ours } else { name.into() };
        let output = Command::new(command).arg(flag).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().next().map(str::to_owned)
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("", |(_, name)| name);
    // wrk prints its version before its help.
    let versions = [
        ("psql", "--version"),
        ("nats-server", "--version"),
        ("influxd", "version"),
        ("wrk", "--version"),
        ("chromium", "--version"),
    ];
    let versions: Vec<String> = versions
        .iter()
        .filter_map(|(name, flag)| first(name, flag))
        .filter(|version| !version.is_empty())
        .collect();
    format!("{cores} cores ({model}), {}", versions.join(", "))
}

/// Prints a line.
pub(crate) fn say(text: &str) {
    // Ignores a closed standard output.
    let _ = writeln!(std::io::stdout(), "{text}");
}
