//! Units of sensors.

/// The unit of a sensor that the platform knows.
pub(crate) fn unit(sensor: &str) -> Option<&'static str> {
    match sensor {
        "speed" => Some("km/h"),
        "fuel" => Some("%"),
        "revolution" => Some("rpm"),
        "engine_temperature" => Some("degC"),
        "location_latitude" | "location_longitude" => Some("degrees"),
        _ => None,
    }
}
