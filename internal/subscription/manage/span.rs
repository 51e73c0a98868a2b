//! Spans of time as texts: `30s`, `1h30m`, `7d`.

use reading::time::{DAY, SECOND, micros};
use std::ops::RangeInclusive;

/// Ten years: longer spans are mistakes, and sums of instants and spans stay small.
pub(super) const LONGEST: i64 = 3650 * DAY;

/// Reads a span into microseconds.
///
/// # Errors
/// A phrase on what to write instead.
pub(super) fn parse(text: &str, range: RangeInclusive<i64>) -> Result<i64, String> {
    let span = micros(service::duration(text)?);
    if range.contains(&span) {
        return Ok(span);
    }
    Err(format!(
        "write a span from {} to {}",
        self::text(*range.start()),
        self::text(*range.end())
    ))
}

/// Writes a span of microseconds, as [`parse`] reads it.
pub(super) fn text(span: i64) -> String {
    if span >= DAY && span % DAY == 0 {
        return format!("{}d", span / DAY);
    }
    let mut rest = span;
    let mut text = String::new();
    for (unit, length) in [
        ("h", 3600 * SECOND),
        ("m", 60 * SECOND),
        ("s", SECOND),
        ("ms", 1000),
        ("us", 1),
    ] {
        if rest >= length {
            text += &format!("{}{unit}", rest / length);
            rest %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_short_texts() {
        for (span, expected) in [
            (0, "0s"),
            (30 * SECOND, "30s"),
            (5400 * SECOND, "1h30m"),
            (DAY, "1d"),
            (7 * DAY, "7d"),
            (DAY + SECOND, "24h1s"),
            (250_000, "250ms"),
            (1_000_001, "1s1us"),
        ] {
            assert_eq!(text(span), expected);
        }
        assert_eq!(parse("2m", 0..=SECOND), Err("write a span from 0s to 1s".to_owned()));
        assert!(parse("-2m", 0..=SECOND).is_err());
        assert!(parse("2 fortnights", 0..=SECOND).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(span in 0..=LONGEST) {
            prop_assert_eq!(parse(&text(span), 0..=LONGEST), Ok(span));
        }
    }
}
