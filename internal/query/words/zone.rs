//! Time zones in requests.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::Deserialize;
use std::sync::LazyLock;

/// The zones that the program brings along, the same on every server.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A zone of the IANA's database, as the parameter `tz`. It is UTC unless a request names one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Zone(pub(crate) TimeZone);

impl Zone {
    /// The zone's name.
    pub(crate) fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The first moment of a day here; none beyond the calendar.
    pub(crate) fn first_of(&self, date: Date) -> Option<Timestamp> {
        let midnight = date.to_zoned(self.0.clone()).ok()?;
        Some(midnight.timestamp())
    }

    /// The day of a moment, given in microseconds since 1970-01-01 UTC.
    pub(crate) fn day(&self, moment: i64) -> Date {
        let moment = Timestamp::from_microsecond(moment).unwrap_or(Timestamp::MAX);
        self.0.to_datetime(moment).date()
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl TryFrom<String> for Zone {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        // Of the names that are found, one stands for no zone.
        let zone = ZONES.get(&name).ok().filter(|zone| zone.iana_name().is_some());
        zone.map(Self)
            .ok_or("not a time zone: write a name such as Europe/Berlin, or UTC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names() {
        for (text, name) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("UTC", "UTC"),
        ] {
            assert_eq!(Zone::try_from(text.to_owned()).unwrap().name(), name);
        }
        assert_eq!(Zone::default().name(), "UTC");
        for wrong in [
            "",
            "Berlin",
            "+02:00",
            "../etc/passwd",
            "Etc/Unknown",
            "Europe/Berlin\0",
        ] {
            assert!(Zone::try_from(wrong.to_owned()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_moment_has_another_day_in_each_zone() {
        let moment = "2026-03-28T23:30:00Z".parse::<Timestamp>().unwrap().as_microsecond();
        for (name, expected) in [
            ("UTC", "2026-03-28"),
            ("Europe/Berlin", "2026-03-29"),
            ("America/New_York", "2026-03-28"),
            ("Pacific/Kiritimati", "2026-03-29"),
        ] {
            let zone = Zone::try_from(name.to_owned()).unwrap();
            assert_eq!(zone.day(moment).to_string(), expected, "{name}");
        }
    }
}
