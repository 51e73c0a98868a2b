//! Parsers of flag values that clap lacks: spans of time and sizes.

use std::time::Duration;

/// Parses a span of time such as `250ms`, `25s`, `1h30m`, `24h` or `7d` (of 24 hours each).
pub fn duration(text: &str) -> Result<Duration, String> {
    let help = "write a span of time such as 250ms, 25s, 1h30m, 24h or 7d";
    if let Some(days) = text.strip_suffix('d') {
        let days: u64 = days.trim().parse().map_err(|_| help.to_owned())?;
        let seconds = days
            .checked_mul(24 * 3600)
            .ok_or_else(|| format!("it is too long; {help}"))?;
        return Ok(Duration::from_secs(seconds));
    }
    let signed: jiff::SignedDuration = text.parse().map_err(|_| help.to_owned())?;
    Duration::try_from(signed).map_err(|_| format!("it is negative; {help}"))
}

/// Parses a size in bytes such as `65536`, `64KiB` or `2GiB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let help = || "write a size such as 65536, 64KiB, 300MiB or 2GiB".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return Err(help()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| help())?;
    number.checked_mul(unit).ok_or_else(help)
}

/// Parses a timestamp, or a date as its first moment in UTC.
pub fn moment(text: &str) -> Result<jiff::Timestamp, String> {
    let date = || {
        Some(
            text.parse::<jiff::civil::Date>()
                .ok()?
                .to_zoned(jiff::tz::TimeZone::UTC)
                .ok()?
                .timestamp(),
        )
    };
    text.parse()
        .ok()
        .or_else(date)
        .ok_or_else(|| "write a date such as 2001-01-01, or a time such as 2001-01-01T00:00:00Z".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("65536"), Ok(65536));
        assert_eq!(bytes("64KiB"), Ok(65536));
        assert_eq!(bytes("2gib"), Ok(2 << 30));
        for bad in ["", "KiB", "-1", "1.5GiB", "64 parsecs", "99999999999999TiB"] {
            assert!(bytes(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn spans() {
        assert_eq!(duration("25s"), Ok(Duration::from_secs(25)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 24 * 3600)));
        for bad in ["", "25", "-3s", "soon", "d", "-1d", "1.5d", "99999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }
}
