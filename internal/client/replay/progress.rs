//! Shows the progress of a replay on standard error: a bar on a terminal, a line at intervals elsewhere.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, FormattedDuration, HumanCount, ProgressBar, ProgressStyle};

use super::summary::Summary;

/// Least time between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// Columns of a reason beside a bar; the narrowest terminal has 80 columns.
const REASON: usize = 40;

/// How a replay shows its progress.
pub struct Progress {
    shown: Shown,
    total: Option<u64>,
    began: Instant,
    /// When the last message was written, apart from the bar.
    said: Option<Instant>,
    /// Whether the server's absence was reported.
    away: bool,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines,
}

impl Progress {
    /// Makes a progress that shows nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Shown::Nothing)
    }

    /// Makes a bar, for a terminal of 80 columns or more.
    #[must_use]
    pub fn bar() -> Self {
        Self::new(Shown::Bar(ProgressBar::no_length()))
    }

    /// Makes a line every few seconds, for a log.
    #[must_use]
    pub fn lines() -> Self {
        Self::new(Shown::Lines)
    }

    fn new(shown: Shown) -> Self {
        Self {
            shown,
            total: None,
            began: Instant::now(),
            said: None,
            away: false,
        }
    }

    /// Begins; `total` is the size of all inputs in bytes, if known.
    pub(super) fn start(&mut self, total: Option<u64>) {
        self.total = total.filter(|total| *total > 0);
        self.began = Instant::now();
        if let Shown::Bar(bar) = &self.shown {
            let template = match self.total {
                Some(total) => {
                    bar.set_length(total);
                    "{wide_bar:.cyan/blue} {percent:>3}% {msg}"
                }
                None => "{spinner:.cyan} {msg}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.enable_steady_tick(Duration::from_millis(200));
        }
    }

    /// Shows the counts after a chunk, and the position in the inputs.
    pub(super) fn advanced(&mut self, summary: &Summary, position: u64) {
        let state = || state(summary, self.began, self.total, position);
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_position(position);
                bar.set_message(state());
            }
            Shown::Lines if self.said.unwrap_or(self.began).elapsed() >= LINE_INTERVAL => {
                let state = state();
                self.say(state.trim_start());
            }
            Shown::Lines => {}
        }
    }

    /// Reports that the server does not take the chunk now; the next try comes after `pause`.
    pub(super) fn waiting(&mut self, reason: &str, pause: Duration) {
        let next = format!("next try in {:.1} s", pause.as_secs_f64());
        let quiet = self.said.is_none_or(|said| said.elapsed() >= LINE_INTERVAL);
        if let Shown::Bar(bar) = &self.shown {
            bar.set_message(format!("{}; {next}", shortened(reason)));
            if quiet && !self.away {
                self.say(&format!("waiting for the server: {reason}"));
                self.away = true;
            }
        } else if quiet {
            self.say(&format!("waiting for the server: {reason}; {next}"));
            self.away = true;
        }
    }

    /// Notes that the server has taken a chunk.
    pub(super) fn answered(&mut self) {
        if std::mem::take(&mut self.away) {
            self.say("the server answers again");
        }
    }

    /// Clears the bar, so that later output stands by itself.
    pub(super) fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    fn say(&mut self, line: &str) {
        self.said = Some(Instant::now());
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.println(line),
            Shown::Lines => {
                // A closed standard error must not stop the replay.
                let _unread = writeln!(io::stderr().lock(), "{line}");
            }
        }
    }
}

/// Readings, bytes, readings a second and the time left, in fixed columns: at most 60.
fn state(summary: &Summary, began: Instant, total: Option<u64>, position: u64) -> String {
    let elapsed = began.elapsed();
    let readings = summary.accepted + summary.rejected;
    let rate = readings as f64 / elapsed.as_secs_f64().max(0.001);
    let mut state = format!(
        "{:>11} readings {:>10} {:>9}/s",
        HumanCount(readings).to_string(),
        BinaryBytes(summary.bytes).to_string(),
        indicatif::HumanFloatCount(rate.round()).to_string(),
    );
    if let Some(total) = total.filter(|_| position > 0) {
        let left = total.saturating_sub(position) as f64 / position as f64;
        let left = elapsed.mul_f64(left.min(1e6));
        state.push_str(&format!(" {:>8} left", FormattedDuration(left).to_string()));
    }
    state
}

fn shortened(reason: &str) -> String {
    if reason.chars().count() <= REASON {
        return reason.to_owned();
    }
    reason.chars().take(REASON - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_line_fits_beside_a_bar_in_80_columns() {
        let summary = Summary {
            accepted: 99_999_999,
            bytes: 900 << 30,
            ..Summary::default()
        };
        let began = Instant::now().checked_sub(Duration::from_secs(5)).expect("up for 5 s");
        let wide = state(&summary, began, Some(1_000_000), 10).chars().count();
        let reason = shortened(&"no connection ".repeat(100));
        let waiting = format!("{reason}; next try in 300.0 s").chars().count();
        for message in [wide, waiting] {
            // Leaves ten for the bar and the spaces and five for the percentage.
            assert!(message <= 65, "{message} columns");
        }
    }
}
