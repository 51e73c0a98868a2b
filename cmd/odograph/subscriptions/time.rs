//! Times as people write and read them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Reads a time, or how long ago it was: `2026-11-01T00:00:00Z`, `30d`, or `-30d` as some write.
pub(super) fn ago(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let help = "write a time such as 2026-11-01T00:00:00Z, or how long ago, such as 12h or 30d";
    let span = service::duration(text.strip_prefix('-').unwrap_or(text)).map_err(|_| help.to_owned())?;
    let span = SignedDuration::try_from(span).map_err(|_| help.to_owned())?;
    Timestamp::now().checked_sub(span).map_err(|_| help.to_owned())
}

/// How long before `now` this was, in its largest unit: `3m ago`.
pub(super) fn since(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(time).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s ago"),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..86_400 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

/// A time on the clock of this machine, to the second.
pub(super) fn local(time: Timestamp, zone: TimeZone) -> String {
    time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_there_and_back() {
        assert_eq!(ago("1970-01-01T00:00:00Z"), Ok(Timestamp::UNIX_EPOCH));
        let then = ago("1d").unwrap();
        let day = Timestamp::now().duration_since(then).as_secs();
        assert!(day >= 86_400, "{day}");
        assert!(ago("-1d").unwrap() >= then);
        assert!(ago("yesterday").unwrap_err().contains("30d"));
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        for (time, expected) in [
            ("2026-11-26T12:00:01Z", "0s ago"),
            ("2026-11-26T11:59:01Z", "59s ago"),
            ("2026-11-26T11:58:01Z", "1m ago"),
            ("2026-11-26T09:58:01Z", "2h ago"),
            ("2026-11-22T09:58:01Z", "4d ago"),
        ] {
            assert_eq!(since(time.parse().unwrap(), now), expected);
        }
        let rome = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(local(now, rome), "2026-11-26 13:00:00");
    }
}
