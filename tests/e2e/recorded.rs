//! Every question over real recordings is answered as by a plain computation over their lines, written from the API's
//! description: with late readings, duplicates and gaps, and in several zones.

mod fleet;
mod live;
mod places;
mod readings;
mod track;
mod trends;
mod trips;
mod values;
mod zones;

/// A second, in microseconds, as all times here.
const SECOND: i64 = 1_000_000;

/// A span of microseconds in seconds.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^52")]
fn seconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1e6
}

/// Whether two sums are equal, but for the order in which their parts were added up.
fn is_close(found: &serde_json::Value, expected: f64) -> bool {
    let found = found.as_f64();
    found.is_some_and(|found| (found - expected).abs() <= 1e-6 * expected.abs().max(1.0))
}

/// The unit of a sensor, as the API's description has it.
fn unit(sensor: &str) -> Option<&'static str> {
    match sensor {
        "speed" => Some("km/h"),
        "fuel" => Some("%"),
        "engine_temperature" => Some("degC"),
        "location_latitude" | "location_longitude" => Some("degrees"),
        _ => None,
    }
}
