//! Any bytes as a line of a body: every accepted reading is a valid one.

#![no_main]

use reading::Bounds;
use reading::decode::{decode};
use reading::is_name;
use libfuzzer_sys::fuzz_target;

const BOUNDS: Bounds = Bounds {
    oldest: 946_684_800_000_000,
    newest: 4_102_444_800_000_000,
};

fuzz_target!(|line: &[u8]| {
    let reading = match decode(line, BOUNDS) {
        Ok(reading) => reading,
        Err(reason) => return assert!(!reason.is_empty() && !reason.contains(" at line ")),
    };
    assert!(is_name(&reading.sensor) && reading.device.as_deref().is_none_or(is_name));
    assert!(reading.value.is_finite());
    assert!((BOUNDS.oldest..=BOUNDS.newest).contains(&reading.timestamp));
    // A general JSON parser finds the same reading. It refuses deep nesting in skipped fields, and too
    // large numbers in unknown ones.
    if let Ok(object) = serde_json::from_slice::<serde_json::Value>(line) {
        assert_eq!(object["sensor"].as_str(), Some(&*reading.sensor));
        assert_eq!(
            object.get("device").and_then(|device| device.as_str()),
            reading.device.as_deref()
        );
        assert_eq!(
            object["value"].as_f64().map(f64::to_bits),
            Some(reading.value.to_bits())
        );
        assert!(object["timestamp"].is_string());
    }
});
