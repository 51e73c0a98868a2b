//! Reports on the comparison of a day, as text and as JSON.

use super::compare::{Compared, Difference, Disorder, Tally};
use super::damaged::Damaged;
use archive::Day;
use reading::time;
use serde_json::{Value, json};
use std::fmt;

/// One side of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Count and checksum; only of the readable part of a damaged side.
    pub tally: Tally,
    /// Why the side is unreliable.
    pub damaged: Option<String>,
}

/// The comparison of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayReport {
    /// The UTC day.
    pub day: Day,
    /// The first source.
    pub first: Side,
    /// The second source.
    pub second: Side,
    /// How they differ; meaningless if a side is damaged.
    pub difference: Difference,
}

/// Counts of all days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaysCompared {
    /// Days on which both sides are equal.
    pub equal_days: u64,
    /// Days on which they are not, or on which one cannot be read.
    pub different_days: u64,
}

impl DaysCompared {
    pub(super) fn count(&mut self, report: &DayReport) {
        if report.is_equal() {
            self.equal_days += 1;
        } else {
            self.different_days += 1;
        }
    }

    /// As a JSON object.
    pub fn json(&self) -> Value {
        json!({ "equalDays": self.equal_days, "differentDays": self.different_days })
    }
}

impl fmt::Display for DaysCompared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            equal_days,
            different_days,
        } = self;
        match (equal_days, different_days) {
            (0, 0) => f.write_str("neither side holds readings of these days: nothing was compared"),
            (days, 0) => write!(f, "{days} days compared: all equal"),
            _ => write!(
                f,
                "{} days compared: {different_days} differ",
                equal_days + different_days
            ),
        }
    }
}

impl DayReport {
    pub(super) fn new(day: Day, compared: Compared, first: Option<Damaged>, second: Option<Damaged>) -> Self {
        let side = |tally, damaged: Option<Damaged>| Side {
            tally,
            damaged: damaged.map(|Damaged(why)| why),
        };
        Self {
            day,
            first: side(compared.first, first),
            second: side(compared.second, second),
            difference: compared.difference,
        }
    }

    /// Whether both sides hold the same readings.
    pub fn is_equal(&self) -> bool {
        !self.is_damaged() && self.difference == Difference::default()
    }

    fn is_damaged(&self) -> bool {
        self.first.damaged.is_some() || self.second.damaged.is_some()
    }

    /// Whether neither side has readings or damage to report.
    pub(super) fn is_empty(&self) -> bool {
        self.is_equal() && self.first.tally.readings == 0
    }

    /// As a JSON object.
    pub fn json(&self) -> Value {
        json!({
            "date": self.day,
            "equal": self.is_equal(),
            "first": self.first.json(),
            "second": self.second.json(),
            "onlyFirst": self.difference.only_first,
            "onlySecond": self.difference.only_second,
            "otherValue": self.difference.other_value,
            "example": self.example(),
        })
    }

    fn example(&self) -> Option<String> {
        let (name, timestamp) = self.difference.example.as_ref()?;
        Some(format!("{} {} {}", name.device, name.sensor, time::exact(*timestamp)))
    }
}

impl Side {
    fn json(&self) -> Value {
        json!({
            "readings": self.tally.readings,
            "checksum": format!("{:032x}", self.tally.checksum),
            "damaged": self.damaged,
        })
    }
}

impl fmt::Display for Disorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the reading of {} {} at {} is out of order or repeated",
            self.name.device,
            self.name.sensor,
            time::exact(self.timestamp)
        )
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} readings, checksum {:032x}", self.readings, self.checksum)
    }
}

impl fmt::Display for DayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self.day;
        if self.is_damaged() {
            let sides = [("first", &self.first), ("second", &self.second)];
            let damaged = sides
                .iter()
                .filter_map(|(name, side)| Some((name, side.damaged.as_ref()?)));
            for (number, (name, why)) in damaged.enumerate() {
                if number > 0 {
                    writeln!(f)?;
                }
                write!(f, "{day} DIFFERS: the {name} cannot be relied on: {why}")?;
            }
            return Ok(());
        }
        if self.is_equal() {
            return write!(f, "{day} equal: {}", self.first.tally);
        }
        let (first, second) = (self.first.tally, self.second.tally);
        match (first.readings, second.readings) {
            (_, 0) => write!(f, "{day} DIFFERS: the second has none of {first}"),
            (0, _) => write!(f, "{day} DIFFERS: the first has none of {second}"),
            _ => {
                let Difference {
                    only_first,
                    only_second,
                    other_value,
                    ..
                } = self.difference;
                write!(
                    f,
                    "{day} DIFFERS: {first} | {second}: {only_first} only in the first, {only_second} only in the second, {other_value} with other values; the first of them: {}",
                    self.example().unwrap_or_default()
                )
            }
        }
    }
}
