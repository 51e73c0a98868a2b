//! Readings of many messages on their way into one transaction, by series and in order of time.

use super::message::Message;
use super::{Point, time};
use std::collections::HashMap;
use std::ops::Range;

/// The name of a series.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// The device's name.
    pub device: String,
    /// The sensor's name.
    pub sensor: String,
}

/// Readings gathered for one transaction.
#[derive(Debug, Default)]
pub struct Batch {
    series: HashMap<Name, Vec<Point>>,
    readings: usize,
}

impl Batch {
    /// Adds the readings of a message.
    pub fn add(&mut self, message: &Message) {
        message.each(|_, found| {
            let name = Name {
                device: found.device.to_owned(),
                sensor: found.sensor.to_owned(),
            };
            let points = self.series.entry(name).or_default();
            let before = points.len();
            points.extend(found.points);
            self.readings += points.len() - before;
        });
    }

    /// Readings in it, repeated ones counted as often as they came.
    pub fn readings(&self) -> usize {
        self.readings
    }

    /// The names of the series in it.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.series.keys()
    }

    /// The batch in the order in which it is stored. `id` tells the id of each series.
    pub fn sorted(self, id: impl Fn(&Name) -> i32) -> Sorted {
        let mut sorted = Sorted {
            series: Vec::with_capacity(self.series.len()),
            ids: HashMap::with_capacity(self.series.len()),
            duplicates: 0,
            conflicts: 0,
        };
        for (name, mut points) in self.series {
            // Stable: of two readings of one identity the one that came first stays first.
            if !points.is_sorted_by_key(|point| point.timestamp) {
                points.sort_by_key(|point| point.timestamp);
            }
            points.dedup_by(|later, first| {
                let same = later.timestamp == first.timestamp;
                if same {
                    sorted.count_repeated(later.value, first.value);
                }
                same
            });
            let id = id(&name);
            sorted.series.push((id, points));
            sorted.ids.insert(name, id);
        }
        sorted.series.sort_unstable_by_key(|(id, _)| *id);
        sorted
    }
}

/// A batch without repeated identities, series in order of id, each in order of time.
#[derive(Debug)]
pub struct Sorted {
    series: Vec<(i32, Vec<Point>)>,
    ids: HashMap<Name, i32>,
    /// Readings left out because the batch holds the same ones already.
    pub duplicates: u64,
    /// Readings left out because the batch holds other values of their identities.
    pub conflicts: u64,
}

impl Sorted {
    fn count_repeated(&mut self, later: f64, first: f64) {
        if later == first {
            self.duplicates += 1;
        } else {
            self.conflicts += 1;
        }
    }

    /// The id of a series that is in the batch.
    pub fn id(&self, name: &Name) -> Option<i32> {
        self.ids.get(name).copied()
    }

    /// The readings of a series, in order of time; none where it is not in the batch.
    pub fn points(&self, series: i32) -> &[Point] {
        let at = self.series.binary_search_by_key(&series, |(id, _)| *id);
        at.map_or(&[], |at| &self.series[at].1)
    }

    /// The parts of the batch by UTC month, earliest first; in each the series in order of id.
    pub fn months(&self) -> Vec<Month<'_>> {
        let mut parts: std::collections::BTreeMap<(i64, i64), Vec<Part<'_>>> = std::collections::BTreeMap::new();
        for (id, points) in &self.series {
            let mut rest = &points[..];
            while let Some(first) = rest.first() {
                let month = time::month_of(first.timestamp);
                let span = span_of(month);
                let inside = rest.partition_point(|point| point.timestamp < span.end);
                let (part, later) = rest.split_at(inside);
                parts.entry(month).or_default().push(Part {
                    series: *id,
                    points: part,
                });
                rest = later;
            }
        }
        parts
            .into_iter()
            .map(|((year, month), parts)| Month { year, month, parts })
            .collect()
    }
}

/// Readings of one UTC month.
#[derive(Debug)]
pub struct Month<'a> {
    /// 1 to 9999.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// By series, in order of id.
    pub parts: Vec<Part<'a>>,
}

/// Readings of one series in one month; at least one, in order of time.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The id of the series.
    pub series: i32,
    /// The readings.
    pub points: &'a [Point],
}

/// The moments of a month.
pub fn span_of((year, month): (i64, i64)) -> Range<i64> {
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let start = |(year, month)| time::days_from_civil(year, month, 1) * time::DAY;
    start((year, month))..start(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::segment::{Builder, Origin, join};

    fn message(readings: &[(&str, i64, f64)]) -> Message {
        let mut builder = Builder::default();
        for (sensor, timestamp, value) in readings {
            builder.push(
                "d",
                sensor,
                Point {
                    timestamp: *timestamp,
                    value: *value,
                },
                |_| true,
            );
        }
        let origin = Origin {
            upload: uuid::Uuid::nil(),
            correlation: String::new(),
            traceparent: String::new(),
        };
        Message::read("m", &join([builder.finish(&origin, None)].iter())).unwrap()
    }

    #[test]
    fn the_first_of_an_identity_stays_and_the_others_are_counted() {
        let mut batch = Batch::default();
        batch.add(&message(&[("b", 20, 1.0), ("b", 10, 2.0), ("a", 10, 3.0)]));
        batch.add(&message(&[("b", 10, 2.0), ("b", 20, 9.0)]));
        assert_eq!(batch.readings(), 5);
        let sorted = batch.sorted(|name| if name.sensor == "a" { 2 } else { 1 });
        assert_eq!((sorted.duplicates, sorted.conflicts), (1, 1));
        let months = sorted.months();
        assert_eq!(months.len(), 1);
        let found: Vec<_> = months[0]
            .parts
            .iter()
            .map(|part| (part.series, part.points.to_vec()))
            .collect();
        let point = |timestamp, value| Point { timestamp, value };
        assert_eq!(
            found,
            [(1, vec![point(10, 2.0), point(20, 1.0)]), (2, vec![point(10, 3.0)])]
        );
    }

    #[test]
    fn months_come_in_order() {
        let mut batch = Batch::default();
        let (april, may, december) = (1_335_205_543_511_000, 1_335_830_400_000_000, 1_356_998_399_999_999);
        batch.add(&message(&[
            ("a", december, 1.0),
            ("b", may, 1.0),
            ("b", may - 1, 1.0),
            ("a", april, 1.0),
        ]));
        let sorted = batch.sorted(|name| i32::from(name.sensor.as_bytes()[0]));
        let months = sorted.months();
        let found: Vec<_> = months
            .iter()
            .map(|month| (month.year, month.month, month.parts.len()))
            .collect();
        assert_eq!(found, [(2012, 4, 2), (2012, 5, 1), (2012, 12, 1)]);
    }
}
