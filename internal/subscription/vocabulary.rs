//! What the filters of readings and of messages may name and call.

use filter::Vocabulary;

/// Whether a point is in an area: `inside("home")`.
pub const INSIDE: &str = "inside";

/// Whether a point is near another: `near(45.2, 13.6, 500.0)`, in degrees and metres.
pub const NEAR: &str = "near";

/// The map of sensors whose names are no identifiers: `value["gear-no"]`.
pub const VALUE: &str = "value";

/// The device of a moment.
pub const DEVICE: &str = "device";

/// The time of a moment, or of a message.
pub const TIME: &str = "time";

/// The sensors whose readings make places.
pub(crate) const LATITUDE: &str = "location_latitude";
pub(crate) const LONGITUDE: &str = "location_longitude";

/// Filters over readings: the name of each sensor, `value["…"]`, `device`, `time`, `inside(area)` and
/// `near(latitude, longitude, metres)`.
#[must_use]
pub fn readings() -> Vocabulary {
    Vocabulary::fitting(is_of_readings)
        .map(VALUE)
        .function(INSIDE, 1)
        .function(NEAR, 3)
}

/// Filters over messages: `data`, `topic`, `id`, `time` and `author`.
#[must_use]
pub fn messages() -> Vocabulary {
    Vocabulary::of(["data", "topic", "id", TIME, "author"])
}

/// The vocabulary of a topic's filters.
#[must_use]
pub fn of(topic: &str) -> Vocabulary {
    if topic == crate::subscription::READINGS {
        readings()
    } else {
        messages()
    }
}

/// What texts of a topic may name: over readings sensors and the members of an event, over messages what they hold.
#[must_use]
pub fn of_texts(topic: &str) -> Vocabulary {
    if topic == crate::subscription::READINGS {
        Vocabulary::fitting(is_of_readings).map(VALUE)
    } else {
        Vocabulary::of(["data", "topic", "id", TIME, "key"])
    }
}

/// Any name of a sensor. `device` and `time` are names of sensors, too, and mean the moment's.
fn is_of_readings(name: &str) -> bool {
    name != VALUE && reading::is_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use filter::Filter;

    #[test]
    fn filters_name_what_there_is() {
        for text in [
            "speed > 120",
            r#"int(value["gear-no"])"#,
            r#"device == "lada" && time > timestamp("2026-01-01T00:00:00Z")"#,
            r#"inside("home")"#,
            "near(45.2, 13.6, 500.0) && speed > 50",
            r#"device + " is hot: " + string(engine_temperature)"#,
        ] {
            assert!(Filter::compile(text, &readings()).is_ok(), "{text}");
        }
        for text in ["_speed > 1", "inside()", "near(1, 2)", "outside(\"home\")", "value > 1"] {
            assert!(Filter::compile(text, &readings()).is_err(), "{text}");
        }
        assert!(Filter::compile(r#"data.body.x == 1 && topic == "t1""#, &of("t1")).is_ok());
        for text in ["speed > 120", r#"inside("home")"#, r#"value["x"] > 1"#] {
            assert!(Filter::compile(text, &of("t1")).is_err(), "{text}");
            assert!(Filter::compile(text, &of("odograph.readings")).is_ok(), "{text}");
        }
    }
}
