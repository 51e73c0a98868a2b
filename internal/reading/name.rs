//! The names of devices, sensors and series.

/// Most bytes of a device's or sensor's name.
pub const MAX_NAME: usize = 64;

/// The device of readings where neither the line nor the credentials name one.
pub const DEFAULT_DEVICE: &str = "default";

/// The name of a series.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// The device's name.
    pub device: String,
    /// The sensor's name.
    pub sensor: String,
}

/// The name of a series, borrowed from a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameRef<'a> {
    /// The device's name.
    pub device: &'a str,
    /// The sensor's name.
    pub sensor: &'a str,
}

/// Whether this is a valid sensor name: 1 to 64 of `A-Z a-z 0-9 _ . : -`, a letter first.
pub fn is_name(name: &str) -> bool {
    is_device(name) && name.as_bytes()[0].is_ascii_alphabetic()
}

/// Whether this is a valid device name: as a sensor, but a digit may be first, as in an IMEI or a VIN.
pub fn is_device(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=MAX_NAME).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["speed", "S", "obd:0x0C-rpm_1.a", &"x".repeat(64)] {
            assert!(is_name(good), "{good:?}");
        }
        for bad in ["", "_x", "-1", "sp eed", "größe", "a\0b", "a\"b", &"x".repeat(65)] {
            assert!(!is_name(bad) && !is_device(bad), "{bad:?}");
        }
        for device in ["356000000000017", "5ABCD12E3FG000017", "1", "lada"] {
            assert!(is_device(device), "{device:?}");
        }
        assert!(!is_name("1speed"));
    }
}
