//! What filters may name and call.

use filter::Vocabulary;

/// Names that are no sensors in filters over readings.
pub const DEVICE: &str = "device";
/// The moment.
pub const TIME: &str = "time";
/// The map that holds sensors whose names are no identifiers: `value["gear-no"]`.
pub const VALUE: &str = "value";

/// Whether the device is in an area: `inside("home")`.
pub const INSIDE: &str = "inside";
/// Whether the device is within metres of a place: `near(45.2, 13.6, 500.0)`.
pub const NEAR: &str = "near";

/// Filters over readings: each sensor by its name, `value["…"]`, `device`, `time`, `inside` and `near`.
pub fn of_readings() -> Vocabulary {
    Vocabulary::fitting(reading::is_name)
        .function(INSIDE, 1)
        .function(NEAR, 3)
        .map(VALUE)
}

/// Filters over messages: `data`, `topic`, `id`, `time` and `author`.
pub fn of_messages() -> Vocabulary {
    Vocabulary::of(["data", "topic", "id", "time", "author"])
}

/// Texts of the format `text` over events of readings: as filters, with `kind`, `state` and `since` of the event.
pub fn of_texts() -> Vocabulary {
    of_readings()
}
