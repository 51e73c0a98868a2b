//! Readings of many messages for one transaction, by series and in order of time.

use hashbrown::HashTable;
use reading::message::Message;
use reading::segment::Points;
use reading::{NameRef, Point, time};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// Readings gathered for one transaction: references into their messages, by series. Series have numbers,
/// from 0, in order of appearance.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    names: Numbers<'a>,
    /// Each with the number of its series, in order of arrival.
    runs: Vec<(usize, Points<'a>)>,
    readings: usize,
}

impl<'a> Batch<'a> {
    /// Adds the readings of a message.
    pub fn add(&mut self, message: &'a Message) {
        message.each(|_, found| {
            let number = self.names.number(NameRef {
                device: found.device,
                sensor: found.sensor,
            });
            self.readings += found.points.len();
            self.runs.push((number, found.points));
        });
    }

    /// Number of readings, repeated ones counted as often as they came.
    pub fn readings(&self) -> usize {
        self.readings
    }

    /// The names of its series, by number.
    pub fn names(&self) -> &[NameRef<'a>] {
        &self.names.names
    }

    /// Sorts the batch into the order in which it is stored. `ids` holds the id of each series, by number.
    ///
    /// # Panics
    /// With fewer ids than series.
    pub fn sorted(self, ids: Vec<i32>) -> Sorted<'a> {
        let mut order: Vec<usize> = (0..self.names.names.len()).collect();
        order.sort_unstable_by_key(|number| ids[*number]);
        // One list for all points, with a range for each series: lists that grew by themselves took twice the
        // memory.
        let mut places = vec![0; order.len()];
        for (number, points) in &self.runs {
            places[*number] += points.len();
        }
        let mut start = 0;
        for number in &order {
            let points = std::mem::replace(&mut places[*number], start);
            start += points;
        }
        let nothing = Point {
            timestamp: 0,
            value: 0.0,
        };
        let mut points = vec![nothing; self.readings];
        for (number, run) in self.runs {
            for point in run {
                points[places[number]] = point;
                places[number] += 1;
            }
        }
        let mut sorted = Sorted {
            names: self.names,
            ids,
            series: Vec::with_capacity(order.len()),
            points,
            duplicates: 0,
            conflicts: 0,
        };
        let mut start = 0;
        for number in order {
            let end = places[number];
            let kept = sorted.settle(start..end);
            sorted.series.push(Placed {
                id: sorted.ids[number],
                number,
                points: start..start + kept,
            });
            start = end;
        }
        sorted
    }
}

/// Numbers of names.
#[derive(Debug, Default)]
struct Numbers<'a> {
    names: Vec<NameRef<'a>>,
    index: HashTable<usize>,
    hasher: RandomState,
}

impl<'a> Numbers<'a> {
    fn find(&self, name: NameRef<'_>) -> Option<usize> {
        let is_it = |number: &usize| self.names[*number] == name;
        self.index.find(self.hasher.hash_one(name), is_it).copied()
    }

    /// Returns the number of this name, the next free one if it is new.
    fn number(&mut self, name: NameRef<'a>) -> usize {
        if let Some(number) = self.find(name) {
            return number;
        }
        let number = self.names.len();
        self.names.push(name);
        let Self { names, index, hasher } = self;
        index.insert_unique(hasher.hash_one(name), number, |number| hasher.hash_one(names[*number]));
        number
    }
}

/// A batch without repeated identities, series in order of id, each in order of time.
#[derive(Debug)]
pub struct Sorted<'a> {
    names: Numbers<'a>,
    /// By number.
    ids: Vec<i32>,
    series: Vec<Placed>,
    points: Vec<Point>,
    /// Readings left out because the batch holds the same ones already.
    pub duplicates: u64,
    /// Readings left out because the batch holds other values of their identities.
    pub conflicts: u64,
}

/// A series of a sorted batch.
#[derive(Clone, Debug)]
struct Placed {
    id: i32,
    number: usize,
    points: Range<usize>,
}

impl Sorted<'_> {
    /// Sorts the points of one series by time, the first of each timestamp in front. Returns how many those
    /// are.
    fn settle(&mut self, place: Range<usize>) -> usize {
        let points = &mut self.points[place];
        // Stable: of two readings of one identity, the first to arrive stays first.
        if !points.is_sorted_by_key(|point| point.timestamp) {
            points.sort_by_key(|point| point.timestamp);
        }
        let mut kept = 0;
        for at in 0..points.len() {
            let point = points[at];
            if kept > 0 && points[kept - 1].timestamp == point.timestamp {
                if points[kept - 1].value == point.value {
                    self.duplicates += 1;
                } else {
                    self.conflicts += 1;
                }
            } else {
                points[kept] = point;
                kept += 1;
            }
        }
        kept
    }

    fn placed(&self, series: i32) -> Option<&Placed> {
        let at = self.series.binary_search_by_key(&series, |placed| placed.id);
        at.ok().map(|at| &self.series[at])
    }

    /// The numbers of the series, in order of id.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        self.series.iter().map(|placed| placed.number)
    }

    /// The id of a series that is in the batch.
    pub fn id(&self, name: NameRef<'_>) -> Option<i32> {
        self.ids.get(self.names.find(name)?).copied()
    }

    /// The number of the series of this id.
    ///
    /// # Panics
    /// Where it is not in the batch.
    pub fn number_of(&self, series: i32) -> usize {
        self.placed(series)
            .expect("only series of the batch are asked for")
            .number
    }

    /// The names of the series, by number.
    pub fn names(&self) -> &[NameRef<'_>] {
        &self.names.names
    }

    /// The readings of a series, in order of time; none where it is not in the batch.
    pub fn points(&self, series: i32) -> &[Point] {
        self.placed(series)
            .map_or(&[], |placed| &self.points[placed.points.clone()])
    }

    /// The parts of the batch by UTC month, earliest first; in each month the series in order of id.
    pub fn months(&self) -> Vec<Month<'_>> {
        let mut parts: std::collections::BTreeMap<(i64, i64), Vec<Part<'_>>> = std::collections::BTreeMap::new();
        for placed in &self.series {
            let mut rest = &self.points[placed.points.clone()];
            while let Some(first) = rest.first() {
                let month = time::month_of(first.timestamp);
                let span = span_of(month);
                let inside = rest.partition_point(|point| point.timestamp < span.end);
                let (part, later) = rest.split_at(inside);
                parts.entry(month).or_default().push(Part {
                    series: placed.id,
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

/// The span of a month, in microseconds since 1970.
pub fn span_of((year, month): (i64, i64)) -> Range<i64> {
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let start = |(year, month)| time::days_from_civil(year, month, 1) * time::DAY;
    start((year, month))..start(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reading::segment::{Builder, Origin, join};

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
        let messages = [
            message(&[("b", 20, 1.0), ("b", 10, 2.0), ("a", 10, 3.0)]),
            message(&[("b", 10, 2.0), ("b", 20, 9.0)]),
        ];
        let mut batch = Batch::default();
        for message in &messages {
            batch.add(message);
        }
        assert_eq!(batch.readings(), 5);
        let sorted = batch.sorted(vec![1, 2]);
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
        let (april, may, december) = (1_335_205_543_511_000, 1_335_830_400_000_000, 1_356_998_399_999_999);
        let message = message(&[
            ("a", december, 1.0),
            ("b", may, 1.0),
            ("b", may - 1, 1.0),
            ("a", april, 1.0),
        ]);
        let mut batch = Batch::default();
        batch.add(&message);
        let sorted = batch.sorted(vec![1, 2]);
        let months = sorted.months();
        let found: Vec<_> = months
            .iter()
            .map(|month| (month.year, month.month, month.parts.len()))
            .collect();
        assert_eq!(found, [(2012, 4, 2), (2012, 5, 1), (2012, 12, 1)]);
    }
}
