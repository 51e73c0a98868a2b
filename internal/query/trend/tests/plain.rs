//! Buckets by a plain computation over all readings, for tests: nothing of the API's, no SQL and no database of zones.

use jiff::civil::{Date, date};
use jiff::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Names of the functions, in the order of [`Values`].
pub(crate) const NAMES: [&str; 10] = [
    "avg", "min", "max", "sum", "count", "first", "last", "stddev", "p50", "p95",
];

/// Values of a bucket's functions.
pub(crate) type Values = [Option<f64>; 10];

/// A reading: microseconds since 1970, device, value.
pub(crate) type Point<'a> = (i64, &'a str, f64);

/// A zone, with its offsets from UTC in seconds since each moment. They are right in 2017, 2020 and 2026 only.
pub(crate) struct Zone {
    pub(crate) name: &'static str,
    offsets: &'static [(&'static str, i64)],
}

const BEFORE: &str = "0001-01-01T00:00:00Z";

pub(crate) const ZONES: [Zone; 4] = [
    Zone {
        name: "UTC",
        offsets: &[(BEFORE, 0)],
    },
    Zone {
        name: "Europe/Berlin",
        offsets: &[
            (BEFORE, 3600),
            ("2017-03-26T01:00:00Z", 7200),
            ("2017-10-29T01:00:00Z", 3600),
            ("2026-03-29T01:00:00Z", 7200),
            ("2026-10-25T01:00:00Z", 3600),
        ],
    },
    Zone {
        name: "America/St_Johns",
        offsets: &[
            (BEFORE, -12_600),
            ("2017-03-12T05:30:00Z", -9000),
            ("2017-11-05T04:30:00Z", -12_600),
            ("2026-03-08T05:30:00Z", -9000),
            ("2026-11-01T04:30:00Z", -12_600),
        ],
    },
    Zone {
        name: "Australia/Lord_Howe",
        offsets: &[
            (BEFORE, 39_600),
            ("2017-04-01T15:00:00Z", 37_800),
            ("2017-09-30T15:30:00Z", 39_600),
            ("2026-04-04T15:00:00Z", 37_800),
            ("2026-10-03T15:30:00Z", 39_600),
        ],
    },
];

/// The width of buckets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Seconds(i64),
    Days,
    Weeks,
    Months(i8),
    All,
}

impl Unit {
    /// As a question has it.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Seconds(seconds) => format!("{seconds}s"),
            Self::Days => "1d".to_owned(),
            Self::Weeks => "1w".to_owned(),
            Self::Months(months) => format!("{months}mo"),
            Self::All => "all".to_owned(),
        }
    }
}

pub(crate) fn micros(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

impl Zone {
    fn offset(&self, moment: i64) -> i64 {
        let mut since = self.offsets.iter().filter(|(since, _)| micros(since) <= moment);
        since.next_back().unwrap().1 * SECOND
    }

    /// The moment at which a day begins here.
    fn midnight(&self, day: i64) -> i64 {
        let moments = self.offsets.iter().map(|(_, offset)| day * DAY - offset * SECOND);
        let mut right = moments.filter(|moment| moment + self.offset(*moment) == day * DAY);
        right.next().unwrap()
    }

    /// Where the bucket of a moment begins.
    fn start(&self, unit: Unit, from: i64, moment: i64) -> i64 {
        let mut day = (moment + self.offset(moment)).div_euclid(DAY);
        let mut back_to = |begins: &dyn Fn(Date) -> bool| {
            while !begins(date(1970, 1, 1).checked_add(Span::new().days(day)).unwrap()) {
                day -= 1;
            }
            self.midnight(day)
        };
        match unit {
            Unit::Seconds(seconds) => moment - moment.rem_euclid(seconds * SECOND),
            Unit::All => from,
            Unit::Days => back_to(&|_: Date| true),
            Unit::Weeks => back_to(&|date: Date| date.weekday() == jiff::civil::Weekday::Monday),
            Unit::Months(months) => back_to(&|date: Date| date.day() == 1 && (date.month() - 1) % months == 0),
        }
    }
}

/// All buckets of a span with their readings' functions; none for an empty one.
pub(crate) fn buckets(
    points: &[Point<'_>],
    (from, to): (i64, i64),
    unit: Unit,
    zone: &Zone,
) -> BTreeMap<i64, Option<Values>> {
    let step = match unit {
        Unit::Seconds(seconds) => seconds.min(900) * SECOND,
        _ => 900 * SECOND,
    };
    let moments = (0..)
        .map(|number| from + number * step)
        .take_while(|moment| *moment < to);
    let moments = moments.chain([to - 1]);
    let starts: BTreeSet<i64> = moments.map(|moment| zone.start(unit, from, moment)).collect();
    let mut held: BTreeMap<i64, Vec<Point<'_>>> = BTreeMap::new();
    for point in points.iter().filter(|(time, ..)| (from..to).contains(time)) {
        held.entry(zone.start(unit, from, point.0)).or_default().push(*point);
    }
    assert!(held.keys().all(|start| starts.contains(start)));
    let values = |start: i64| (start, held.get(&start).map(|points| functions(points)));
    starts.into_iter().map(values).collect()
}

/// The functions of some readings.
fn functions(points: &[Point<'_>]) -> Values {
    let mut points = points.to_vec();
    points.sort_by_key(|(time, device, _)| (*time, *device));
    let mut values: Vec<f64> = points.iter().map(|(.., value)| *value).collect();
    let count = f64::from(u32::try_from(values.len()).unwrap());
    let sum: f64 = values.iter().sum();
    let average = sum / count;
    let squares: f64 = values.iter().map(|value| (value - average).powi(2)).sum();
    let deviation = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
    let latest = points.last().unwrap().0;
    let last = points.iter().find(|(time, ..)| *time == latest).unwrap();
    values.sort_by(f64::total_cmp);
    let percentile = |percent: usize| {
        // In whole hundredths of a place.
        let place = percent * (values.len() - 1);
        let (low, high) = (values[place / 100], values[place.div_ceil(100)]);
        low + (high - low) * f64::from(u32::try_from(place % 100).unwrap()) / 100.0
    };
    [
        Some(average),
        Some(values[0]),
        Some(values[values.len() - 1]),
        Some(sum),
        Some(count),
        Some(points[0].2),
        Some(last.2),
        deviation,
        Some(percentile(50)),
        Some(percentile(95)),
    ]
}

/// The values of one function in all buckets, filled. `before` is the last value before the span.
pub(crate) fn filled(
    buckets: &BTreeMap<i64, Option<Values>>,
    function: usize,
    fill: &str,
    before: Option<f64>,
) -> Vec<Option<f64>> {
    let buckets: Vec<Option<Option<f64>>> = buckets.values().map(|values| values.map(|all| all[function])).collect();
    let told = |at: usize| {
        if let Some(value) = buckets[at] {
            return value;
        }
        let earlier = (0..at).rev().find_map(|at| Some((at, buckets[at]??)));
        let later = (at..buckets.len()).find_map(|at| Some((at, buckets[at]??)));
        match (fill, NAMES[function]) {
            ("zero", _) | ("previous" | "linear", "count" | "sum") => Some(0.0),
            ("previous" | "linear", "stddev") => None,
            ("previous", _) => earlier.map(|(_, value)| value).or(before),
            ("linear", _) => {
                let ((from, first), (to, last)) = (earlier?, later?);
                let [way, whole] = [at - from, to - from].map(|steps| f64::from(u32::try_from(steps).unwrap()));
                Some(first + (last - first) * way / whole)
            }
            _ => None,
        }
    };
    (0..buckets.len()).map(told).collect()
}

/// Whether two values are equal, but for the order in which readings were added up.
pub(crate) fn is_near(found: Option<f64>, expected: Option<f64>) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1000.0),
        (None, None) => true,
        _ => false,
    }
}
