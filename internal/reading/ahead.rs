//! Why an event time in the future is rejected.

use crate::decode::Bounds;
use crate::time::{self, SECOND, text};

/// Why a time beyond these bounds is not believed: by how much, and by whose clock.
pub(crate) fn too_far_ahead(timestamp: i64, bounds: &Bounds) -> String {
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
