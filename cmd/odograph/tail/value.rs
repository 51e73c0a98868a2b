//! A value, and how it is shown.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The latest value of a sensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) device: String,
    pub(super) sensor: String,
    value: f64,
    unit: Option<String>,
    timestamp: Timestamp,
}

/// Escapes that begin a colour, and the one that ends it.
const DEVICE: &str = "\u{1b}[36m";
const VALUE: &str = "\u{1b}[1m";
const FAINT: &str = "\u{1b}[2m";
const END: &str = "\u{1b}[0m";

impl Value {
    /// Parses the data of an event; none if it is malformed.
    pub(super) fn parse(data: &str) -> Option<Self> {
        let data: serde_json::Value = serde_json::from_str(data).ok()?;
        let text = |name: &str| data[name].as_str().map(crate::api::shown);
        Some(Self {
            device: text("device")?,
            sensor: text("sensor")?,
            value: data["value"].as_f64()?,
            unit: text("unit"),
            timestamp: data["timestamp"].as_str()?.parse().ok()?,
        })
    }

    /// For programs: five words.
    pub(super) fn plain(&self) -> String {
        let Self {
            device,
            sensor,
            value,
            timestamp,
            ..
        } = self;
        let unit = self.unit.as_deref().unwrap_or("-");
        format!("{device} {sensor} {value} {unit} {timestamp}")
    }

    /// For people, in columns that fit in 79 together.
    pub(super) fn columns(&self, zone: &TimeZone, is_coloured: bool) -> String {
        let device = cut(&self.device, 16);
        let sensor = cut(&self.sensor, 24);
        let value = cut(&self.value.to_string(), 14);
        let unit = cut(self.unit.as_deref().unwrap_or_default(), 7);
        let time = self
            .timestamp
            .to_zoned(zone.clone())
            .strftime("%m-%d %H:%M:%S")
            .to_string();
        if is_coloured {
            format!("{DEVICE}{device:16}{END} {sensor:24} {VALUE}{value:>14}{END} {unit:7} {FAINT}{time}{END}")
        } else {
            format!("{device:16} {sensor:24} {value:>14} {unit:7} {time}")
        }
    }
}

/// A text of at most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_in_80_columns() {
        let long = "x".repeat(64);
        let data = serde_json::json!({
            "device": long, "sensor": long, "value": -1.25e-300, "unit": "degrees Celsius",
            "timestamp": "2024-05-01T12:00:00.123456Z",
        });
        let value = Value::parse(&data.to_string()).unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let line = value.columns(&zone, false);
        assert!(line.chars().count() < 80, "{line}");
        assert!(line.ends_with("05-01 14:00:00"), "{line}");
        let coloured = value.columns(&zone, true);
        let bare = [DEVICE, VALUE, FAINT, END]
            .iter()
            .fold(coloured, |line, escape| line.replace(escape, ""));
        assert_eq!(bare, line);
    }

    #[test]
    fn a_plain_line_has_five_words_and_no_escapes() {
        let data = r#"{"device":"lada","sensor":"speed","value":55.5,"unit":null,"timestamp":"2024-05-01T12:00:00Z"}"#;
        let plain = Value::parse(data).unwrap().plain();
        assert_eq!(plain, "lada speed 55.5 - 2024-05-01T12:00:00Z");
        let hostile = data.replace("lada", "\\u001b[2J");
        assert!(!Value::parse(&hostile).unwrap().plain().contains('\u{1b}'));
        assert_eq!(Value::parse("{}"), None);
    }
}
