//! Values on a terminal: a line for each sensor.

use super::value::Value;
use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::io::Write;

/// Most sensors; values of further ones are not shown.
const SENSORS: usize = 1_000;

/// A line for each sensor, in the order of devices and sensors. Where the terminal has too few, the last line tells how
/// many are missing.
pub(super) struct Screen {
    terminal: Term,
    all: MultiProgress,
    lines: Vec<ProgressBar>,
    /// By device and sensor.
    values: BTreeMap<(String, String), Value>,
    zone: TimeZone,
    is_coloured: bool,
    /// Rows and columns when the lines were drawn last.
    size: (u16, u16),
}

impl Screen {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self {
            terminal: Term::stdout(),
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()),
            lines: Vec::new(),
            values: BTreeMap::new(),
            zone,
            is_coloured: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            size: (0, 0),
        }
    }

    /// Draws the line of a value again, and those behind it where they move.
    pub(super) fn show(&mut self, value: &Value) {
        let key = (value.device.clone(), value.sensor.clone());
        let is_known = self.values.contains_key(&key);
        if !is_known && self.values.len() >= SENSORS {
            return;
        }
        let place = self.values.range::<(String, String), _>(..&key).count();
        self.values.insert(key, value.clone());
        let size = self.terminal.size();
        if size != self.size {
            self.size = size;
            self.draw(0, usize::MAX);
        } else if is_known {
            self.draw(place, 1);
        } else {
            self.draw(place, usize::MAX);
        }
    }

    /// Prints all lines, of all sensors.
    pub(super) fn leave(self) {
        for line in &self.lines {
            line.finish_and_clear();
        }
        let mut out = std::io::stdout();
        for value in self.values.values() {
            let line = value.columns(&self.zone, self.is_coloured, usize::from(self.size.1));
            // A closed terminal takes no more lines.
            if writeln!(out, "{line}").is_err() {
                return;
            }
        }
    }

    /// Draws so many lines from this one on.
    fn draw(&mut self, place: usize, number: usize) {
        let (rows, columns) = (usize::from(self.size.0), usize::from(self.size.1));
        let shown = shown(self.values.len(), rows);
        let missing = self.values.len() - shown;
        let lines = shown + usize::from(missing > 0);
        while self.lines.len() < lines {
            let line = self.line();
            self.lines.push(line);
        }
        for line in self.lines.drain(lines..) {
            line.finish_and_clear();
            self.all.remove(&line);
        }
        let values = self.values.values().take(shown);
        for (line, value) in self.lines.iter().zip(values).skip(place).take(number) {
            line.set_message(value.columns(&self.zone, self.is_coloured, columns));
        }
        if let Some(last) = self.lines.get(shown) {
            last.set_message(format!("\u{2026} and {missing} more: name --device or --sensor"));
        }
    }

    /// A new line, behind the others.
    fn line(&self) -> ProgressBar {
        let line = self.all.add(ProgressBar::new_spinner());
        // The template is right: a test draws it.
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            line.set_style(style);
        }
        line
    }
}

/// How many of these sensors have a line on so many rows; one row tells of the others.
fn shown(sensors: usize, rows: usize) -> usize {
    if sensors <= rows {
        sensors
    } else {
        rows.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_right() {
        assert!(ProgressStyle::with_template("{wide_msg}").is_ok());
    }

    #[test]
    fn the_last_row_tells_of_sensors_without_one() {
        assert_eq!(shown(3, 24), 3);
        assert_eq!(shown(24, 24), 24);
        assert_eq!(shown(25, 24), 23);
        assert_eq!(shown(2, 0), 0);
    }

    #[test]
    fn values_are_shown_in_order() {
        let mut screen = Screen::new(TimeZone::UTC);
        screen.all.set_draw_target(ProgressDrawTarget::hidden());
        for sensor in ["speed", "fuel", "speed"] {
            let data = serde_json::json!({
                "device": "lada", "sensor": sensor, "value": 1, "unit": null, "timestamp": "2024-05-01T12:00:00Z",
            });
            screen.show(&Value::parse(&data.to_string()).unwrap());
        }
        let lines: Vec<String> = screen.lines.iter().map(ProgressBar::message).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains("fuel") && lines[1].contains("speed"), "{lines:?}");
    }
}
