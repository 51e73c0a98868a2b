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

/// Characters of both names on a terminal of 80 columns, and on the narrowest.
const NAMES: usize = 40;
const LEAST_NAMES: usize = 12;

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

    /// For people, in columns that fit in 79 together. On a narrower terminal, names get less.
    pub(super) fn columns(&self, zone: &TimeZone, is_coloured: bool, width: usize) -> String {
        let names = NAMES.saturating_sub(80_usize.saturating_sub(width)).max(LEAST_NAMES);
        let of_device = names * 2 / 5;
        let of_sensor = names - of_device;
        let (device, sensor) = (cut(&self.device, of_device), cut(&self.sensor, of_sensor));
        let value = short(self.value);
        let unit = cut(self.unit.as_deref().unwrap_or_default(), 7);
        let time = self
            .timestamp
            .to_zoned(zone.clone())
            .strftime("%m-%d %H:%M:%S")
            .to_string();
        if is_coloured {
            format!(
                "{DEVICE}{device:of_device$}{END} {sensor:of_sensor$} {VALUE}{value:>14}{END} {unit:7} {FAINT}{time}{END}"
            )
        } else {
            format!("{device:of_device$} {sensor:of_sensor$} {value:>14} {unit:7} {time}")
        }
    }
}

/// A number in at most 14 characters.
fn short(number: f64) -> String {
    let text = number.to_string();
    // A cut behind the point leaves enough.
    let is_cut_well = number.abs() >= 0.001 && text.find('.').is_some_and(|point| point < 12);
    if text.len() <= 14 || is_cut_well {
        return cut(&text, 14);
    }
    format!("{number:.6e}")
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
        let line = value.columns(&zone, false, 80);
        assert!(line.chars().count() < 80, "{line}");
        assert!(line.ends_with("05-01 14:00:00"), "{line}");
        assert!(line.contains("-1.250000e-300"), "{line}");
        let narrow = value.columns(&zone, false, 60);
        assert_eq!(narrow.chars().count(), 59, "{narrow}");
        assert!(narrow.ends_with("05-01 14:00:00"), "{narrow}");
        let coloured = value.columns(&zone, true, 80);
        let bare = [DEVICE, VALUE, FAINT, END]
            .iter()
            .fold(coloured, |line, escape| line.replace(escape, ""));
        assert_eq!(bare, line);
    }

    #[test]
    fn a_number_keeps_its_exponent() {
        for (number, expected) in [
            (55.5, "55.5"),
            (-0.25, "-0.25"),
            (12_345_678_901_234.0, "12345678901234"),
            (123_456_789_012_345.0, "1.234568e14"),
            (59.407_000_000_000_046, "59.4070000000\u{2026}"),
            (-1e-300, "-1.000000e-300"),
        ] {
            assert_eq!(short(number), expected);
        }
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
