//! The buckets of an answer, as a list of objects or as arrays.

use super::functions::name;
use crate::words::bucket::{Buckets, Column, Fill, Function, Values};
use crate::words::{FIRST, Time};
use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

/// How an answer has its buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Layout {
    /// A list of objects: `timestamp`, and a member for each function.
    #[default]
    Rows,
    /// One object: an array `timestamp`, and one for each function.
    Columns,
}

/// Buckets in order of time, with the values of the requested functions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    layout: Layout,
    functions: Vec<Function>,
    /// Where each bucket begins. The first bucket may begin before the span, and holds only the readings since then.
    starts: Vec<Time>,
    /// Of each function. In the sensor's unit, except a count. Null without readings, unless filled.
    columns: Vec<Column>,
}

impl Table {
    /// The buckets of a span; with [`Fill::None`], only those with readings.
    pub(super) fn of_buckets(
        buckets: &Buckets,
        functions: &[Function],
        values: Values,
        fill: Fill,
        layout: Layout,
    ) -> Self {
        let Values { held, columns } = values;
        let told: Vec<bool> = held.iter().map(|held| *held || fill != Fill::None).collect();
        let starts = buckets.starts().zip(&told);
        let starts = starts
            .filter(|(_, told)| **told)
            .map(|(start, _)| Time(start.max(FIRST)));
        let column = |column: Column| -> Column {
            let values = column.into_iter().zip(&told);
            values.filter(|(_, told)| **told).map(|(value, _)| value).collect()
        };
        Self {
            layout,
            functions: functions.to_vec(),
            starts: starts.collect(),
            columns: columns.into_iter().map(column).collect(),
        }
    }

    /// Readings as they are, each a bucket of its own.
    pub(super) fn of_readings(readings: &[(Timestamp, f64)], functions: &[Function], layout: Layout) -> Self {
        let column = |function: &Function| -> Column {
            let values = readings.iter().map(|(_, value)| match function {
                Function::Count => Some(1.0),
                Function::Stddev => None,
                _ => Some(*value),
            });
            values.collect()
        };
        Self {
            layout,
            functions: functions.to_vec(),
            starts: readings.iter().map(|(time, _)| Time(*time)).collect(),
            columns: functions.iter().map(column).collect(),
        }
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.layout {
            Layout::Rows => serializer.collect_seq((0..self.starts.len()).map(|at| Row { table: self, at })),
            Layout::Columns => {
                let mut table = serializer.serialize_map(Some(1 + self.functions.len()))?;
                table.serialize_entry("timestamp", &self.starts)?;
                for (function, column) in self.functions.iter().zip(&self.columns) {
                    table.serialize_entry(name(*function), &Cells(*function, column))?;
                }
                table.end()
            }
        }
    }
}

/// A bucket as an object.
struct Row<'a> {
    table: &'a Table,
    at: usize,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { table, at } = *self;
        let mut row = serializer.serialize_map(Some(1 + table.functions.len()))?;
        row.serialize_entry("timestamp", &table.starts[at])?;
        for (function, column) in table.functions.iter().zip(&table.columns) {
            row.serialize_entry(name(*function), &Cell(*function, column[at]))?;
        }
        row.end()
    }
}

/// The values of a function.
struct Cells<'a>(Function, &'a Column);

impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.1.iter().map(|value| Cell(self.0, *value)))
    }
}

/// One value of a function.
struct Cell(Function, Option<f64>);

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1) {
            #[expect(clippy::cast_possible_truncation, reason = "rows are counted in whole numbers")]
            (Function::Count, Some(count)) => serializer.serialize_i64(count as i64),
            (_, value) => value.serialize(serializer),
        }
    }
}
