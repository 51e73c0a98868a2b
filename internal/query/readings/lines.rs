//! The lines of a stream: NDJSON as dumps have it, or CSV.

use super::{Row, Series};
use crate::words::unit;
use reading::time::DAY;
use reading::{CSV_HEAD, CsvLine, Line};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ndjson,
    Csv,
}

impl Kind {
    /// What an answer begins with.
    pub(super) fn head(self) -> &'static str {
        match self {
            Self::Ndjson => "",
            Self::Csv => CSV_HEAD,
        }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

/// Writes lines; those of a series on a day share their constant parts.
#[derive(Debug)]
pub(super) struct Lines {
    kind: Kind,
    prepared: Option<Prepared>,
}

/// The lines of a series on a day.
#[derive(Debug)]
struct Prepared {
    series: i32,
    /// Days since 1970-01-01.
    day: i64,
    line: Written,
}

#[derive(Debug)]
enum Written {
    Ndjson(Line),
    Csv(CsvLine),
}

impl Lines {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, prepared: None }
    }

    /// Appends the line of a reading, whose value is finite.
    pub(super) fn write(&mut self, series: &Series, row: Row, to: &mut Vec<u8>) {
        let day = row.timestamp.div_euclid(DAY);
        let prepared = self
            .prepared
            .take()
            .filter(|prepared| prepared.series == series.id && prepared.day == day)
            .unwrap_or_else(|| Prepared {
                series: series.id,
                day,
                line: Written::of(self.kind, series, row.timestamp),
            });
        match &prepared.line {
            Written::Ndjson(line) => line.write(row.timestamp, row.value, to),
            Written::Csv(line) => line.write(row.timestamp, row.value, to),
        }
        self.prepared = Some(prepared);
    }
}

impl Written {
    fn of(kind: Kind, series: &Series, day: i64) -> Self {
        let (device, sensor) = (series.device.as_str(), series.sensor.as_str());
        match kind {
            Kind::Ndjson => Self::Ndjson(Line::new(day, Some(device), sensor)),
            Kind::Csv => Self::Csv(CsvLine::new(day, device, sensor, unit(sensor))),
        }
    }
}
