//! The sensors of the benchmarks' readings.

/// In order of their names.
pub(crate) const SENSORS: [&str; 6] = [
    "engine_temperature",
    "fuel",
    "location_latitude",
    "location_longitude",
    "revolution",
    "speed",
];
