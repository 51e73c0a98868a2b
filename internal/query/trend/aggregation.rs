//! Widths of buckets in a request.

use crate::words::Zone;
use crate::words::bucket::{Buckets, Calendar, Width};
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};
use reading::time::SECOND;
use serde::Deserialize;

/// The widest bucket in microseconds: a hundred years.
pub(super) const WIDEST: i64 = 36_500 * 86_400 * SECOND;

/// The most months of a bucket: a hundred years, too.
const MOST_MONTHS: i64 = 1200;

/// The widths to which a number of points leads.
const WIDTHS: [&str; 18] = [
    "1s", "2s", "5s", "10s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "1w",
];

/// The width of buckets: a span of time such as `30s`, `15m`, `1h` or `1d`, or of the calendar, such as `1mo`; or
/// `all`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Aggregation {
    pub(super) text: String,
    width: Meant,
}

/// What a width means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meant {
    All,
    /// Microseconds: hours and shorter.
    Time(i64),
    /// Days or weeks, and as many microseconds where they have 24 hours each.
    Days(i64, Calendar),
    /// Days or weeks, with other units.
    Mixed(i64),
    Months(Calendar),
}

impl Default for Aggregation {
    fn default() -> Self {
        Self {
            text: "15m".to_owned(),
            width: Meant::Time(15 * 60 * SECOND),
        }
    }
}

impl TryFrom<String> for Aggregation {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const HELP: &str = "write a span of time such as 30s, 15m, 1h, 1d, 1mo or 1y, from 1s to 36500d, or all";
        if text == "all" {
            return Ok(Self {
                text,
                width: Meant::All,
            });
        }
        let span: Span = text.parse().map_err(|_| HELP)?;
        let width = if span.get_years() != 0 || span.get_months() != 0 {
            months(span)?
        } else {
            // Without a zone, days have 24 hours.
            let duration = span
                .to_duration(SpanRelativeTo::days_are_24_hours())
                .map_err(|_| HELP)?;
            let microseconds = i64::try_from(duration.as_micros()).map_err(|_| HELP)?;
            if !(SECOND..=WIDEST).contains(&microseconds) {
                return Err(HELP);
            }
            if duration.subsec_nanos() % 1000 != 0 {
                return Err("readings have microseconds: write a span of whole ones, such as 1500ms");
            }
            days(span, microseconds)
        };
        Ok(Self { text, width })
    }
}

impl Aggregation {
    /// The width in a zone. Without one, days and weeks are aligned to the Unix epoch as all spans of time are, and
    /// months and years are those of UTC.
    pub(super) fn width(&self, zone: Option<&Zone>) -> Result<Width, &'static str> {
        match (self.width, zone) {
            (Meant::All, _) => Ok(Width::All),
            (Meant::Time(width) | Meant::Days(width, _) | Meant::Mixed(width), None)
            | (Meant::Time(width), Some(_)) => Ok(Width::Every(width)),
            (Meant::Days(_, units) | Meant::Months(units), Some(zone)) => Ok(Width::Calendar(units, zone.0.clone())),
            (Meant::Months(units), None) => Ok(Width::Calendar(units, TimeZone::UTC)),
            (Meant::Mixed(_), Some(_)) => Err(
                "a day of a zone may have 23 or 25 hours: write days or weeks alone, such as 2d, or hours, such as 36h",
            ),
        }
    }
}

/// The narrowest buckets of a span of which there are at most `most`, with their width; none if a week is too narrow.
pub(super) fn fitting(
    from: Timestamp,
    to: Timestamp,
    zone: Option<&Zone>,
    most: usize,
) -> Option<(Aggregation, Buckets)> {
    WIDTHS.iter().find_map(|text| {
        let aggregation = Aggregation::try_from((*text).to_owned()).ok()?;
        let buckets = Buckets::new(from, to, &aggregation.width(zone).ok()?, most).ok()?;
        (buckets.len() <= most).then_some((aggregation, buckets))
    })
}

fn months(span: Span) -> Result<Meant, &'static str> {
    const HELP: &str =
        "months and years stand alone: write 1mo, 2mo, 3mo, 4mo, 6mo, or whole years such as 1y, to 100y";
    let alone = Span::new().years(span.get_years()).months(span.get_months());
    let months = i64::from(span.get_years()) * 12 + i64::from(span.get_months());
    let divides = |months: i64| 12 % months == 0 || months % 12 == 0;
    if span.fieldwise() != alone.fieldwise() || !(1..=MOST_MONTHS).contains(&months) || !divides(months) {
        return Err(HELP);
    }
    Ok(Meant::Months(Calendar::Months(months)))
}

fn days(span: Span, microseconds: i64) -> Meant {
    let (days, weeks) = (span.get_days(), span.get_weeks());
    if days == 0 && weeks == 0 {
        Meant::Time(microseconds)
    } else if span.fieldwise() == Span::new().days(days).fieldwise() {
        Meant::Days(microseconds, Calendar::Days(i64::from(days)))
    } else if span.fieldwise() == Span::new().weeks(weeks).fieldwise() {
        Meant::Days(microseconds, Calendar::Weeks(i64::from(weeks)))
    } else {
        Meant::Mixed(microseconds)
    }
}
