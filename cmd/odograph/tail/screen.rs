//! Values on a terminal: a line for each sensor.

use super::value::Value;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// Most lines; values of further sensors are not shown.
const LINES: usize = 1_000;

/// A line for each sensor, in the order of devices and sensors.
pub(super) struct Screen {
    all: MultiProgress,
    lines: BTreeMap<(String, String), ProgressBar>,
    zone: TimeZone,
    is_coloured: bool,
}

impl Screen {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()),
            lines: BTreeMap::new(),
            zone,
            is_coloured: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }

    /// Draws the line of a value again.
    pub(super) fn show(&mut self, value: &Value) {
        let key = (value.device.clone(), value.sensor.clone());
        let line = match self.lines.get(&key) {
            Some(line) => line.clone(),
            None if self.lines.len() >= LINES => return,
            None => {
                let line = self.line(&key);
                self.lines.insert(key, line.clone());
                line
            }
        };
        line.set_message(value.columns(&self.zone, self.is_coloured));
    }

    /// Leaves the lines as they are.
    pub(super) fn leave(self) {
        for line in self.lines.values() {
            line.abandon();
        }
    }

    /// A new line, at its place in the order.
    fn line(&self, key: &(String, String)) -> ProgressBar {
        let place = self.lines.range::<(String, String), _>(..key).count();
        let line = self.all.insert(place, ProgressBar::new_spinner());
        // The template is right: a test draws it.
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            line.set_style(style);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_right() {
        assert!(ProgressStyle::with_template("{wide_msg}").is_ok());
    }
}
