//! The reasons that reject event times.

use crate::bounds::Bounds;
use crate::time::{self, SECOND, text};

/// Why [`time::parse`] refuses this text.
pub fn malformed(text: &str) -> &'static str {
    let shape: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_digit() {
                '0'
            } else {
                c.to_ascii_uppercase()
            }
        })
        .collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else {
        return "not an RFC 3339 time with an offset, such as 2012-04-23T18:25:43.511Z";
    };
    let rest = rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches('0'));
    match rest {
        "" => "no offset (RFC 3339 wants Z, or one such as +02:00, at the end)",
        "Z" | "+00:00" | "-00:00" if &text[17..19] == "60" => "second 60 (a leap second) is not taken; write second 59",
        "Z" | "+00:00" | "-00:00" => "no such day or time of day (RFC 3339)",
        _ => "not an RFC 3339 time with an offset, such as 2012-04-23T18:25:43.511Z",
    }
}

/// Why a time outside these bounds is rejected; nothing for one within them.
#[cold]
pub(crate) fn outside(timestamp: i64, bounds: &Bounds) -> Option<String> {
    if timestamp < bounds.oldest {
        Some("timestamp: too old; was the device's clock set?".into())
    } else if timestamp <= bounds.newest {
        None
    } else if timestamp >= time::END {
        Some("timestamp: the year 9999 stands for no time at all; leave such readings out".into())
    } else {
        Some(too_far_ahead(timestamp, bounds))
    }
}

/// By how much, and by whose clock.
fn too_far_ahead(timestamp: i64, bounds: &Bounds) -> String {
    let ahead = span(timestamp.saturating_sub(bounds.newest));
    format!(
        "timestamp: too far in the future, {ahead} further ahead than --max-future allows; by this server's clock it is {}",
        text(time::now())
    )
}

/// A span of microseconds in its two largest units.
fn span(micros: i64) -> String {
    let seconds = micros.max(0) / SECOND;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days} d {} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {} min", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes} min {} s", seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_the_distance_and_the_clock() {
        let bounds = Bounds { oldest: 0, newest: 0 };
        for (ahead, expected) in [
            (1, "0 s"),
            (59 * SECOND, "59 s"),
            (192 * SECOND, "3 min 12 s"),
            (192 * 60 * SECOND, "3 h 12 min"),
            (400 * 86_400 * SECOND + 3600 * SECOND, "400 d 1 h"),
        ] {
            let reason = too_far_ahead(ahead, &bounds);
            let clock = text(time::now());
            assert!(
                reason.starts_with(&format!(
                    "timestamp: too far in the future, {expected} further ahead than --max-future"
                )) && reason.contains(&clock[..15]),
                "{reason}"
            );
        }
        too_far_ahead(
            i64::MAX,
            &Bounds {
                oldest: 0,
                newest: i64::MIN,
            },
        );
    }
}
