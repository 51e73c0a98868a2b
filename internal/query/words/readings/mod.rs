//! Readings of a device in order of time, in constant memory.
//!
//! They are read in windows of time, of all sensors at once. A window is as wide as its readings are sparse, so an
//! answer of the database has a bounded number of them, and a long silence costs few statements.

mod postgres;

pub(crate) use self::postgres::{Device, devices};

use super::Database;
use super::places::Reading;
use ::postgres::Error;
use reading::time::{DAY, SECOND};
use std::vec::IntoIter;

/// Most readings of a sensor in a window.
const MOST: usize = 16_384;

/// The first window, and the widest one, in microseconds.
const FIRST: i64 = 3600 * SECOND;
const WIDEST: i64 = 32 * DAY;

/// Reads a span of a device.
pub(crate) struct Readings<'a> {
    database: &'a Database,
    /// The number of each sensor, and its series; only sensors that the device has.
    sensors: Vec<(usize, i32)>,
    /// Everything before this was read.
    since: i64,
    /// Exclusive.
    before: i64,
    width: i64,
    count: usize,
}

impl<'a> Readings<'a> {
    /// Reads these series, each by the number of its sensor, from `since` up to but not including `before`.
    pub(crate) fn new(database: &'a Database, series: &[Option<i32>], since: i64, before: i64) -> Self {
        let sensors = series.iter().enumerate();
        Self {
            database,
            sensors: sensors.filter_map(|(sensor, id)| Some((sensor, (*id)?))).collect(),
            since,
            before,
            width: FIRST,
            count: 0,
        }
    }

    /// Goes on up to a later moment.
    pub(crate) fn extend(&mut self, before: i64) {
        self.before = self.before.max(before);
        self.width = FIRST;
    }

    /// How many readings were read.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Everything before this was read.
    pub(crate) fn reached(&self) -> i64 {
        self.since
    }

    /// Reads the next window; none at the end of the span.
    ///
    /// # Errors
    /// As [`Database::query`].
    pub(crate) async fn next(&mut self) -> Result<Option<Window>, Error> {
        if self.since >= self.before || self.sensors.is_empty() {
            self.since = self.since.max(self.before);
            return Ok(None);
        }
        let until = self.before.min(self.since.saturating_add(self.width));
        let series: Vec<i32> = self.sensors.iter().map(|(_, series)| *series).collect();
        let pages = postgres::pages(self.database, &series, self.since, until, MOST).await?;
        let longest = pages.iter().map(Vec::len).max().unwrap_or(0);
        // Behind the last reading of a full page, some are missing.
        let full = pages.iter().filter(|page| page.len() >= MOST);
        let ends = full.filter_map(|page| page.last()).map(|(time, _)| time + 1);
        let known = ends.min().unwrap_or(until).min(until);
        if longest >= MOST {
            self.width = (self.width / 2).max(SECOND);
        } else if longest < MOST / 4 {
            self.width = (self.width * 2).min(WIDEST);
        }
        self.since = known;
        self.count += pages.iter().map(Vec::len).sum::<usize>();
        let numbers = self.sensors.iter().map(|(sensor, _)| *sensor);
        Ok(Some(Window {
            pages: numbers
                .zip(pages)
                .map(|(sensor, page)| (sensor, page.into_iter()))
                .collect(),
            until: known,
        }))
    }
}

/// The readings of a window, in order of time, at equal times by number of the sensor.
pub(crate) struct Window {
    /// By number of the sensor.
    pages: Vec<(usize, IntoIter<(i64, f64)>)>,
    /// Where the window ends, exclusive.
    pub(crate) until: i64,
}

impl Iterator for Window {
    type Item = Reading;

    fn next(&mut self) -> Option<Reading> {
        let mut next: Option<(i64, usize)> = None;
        for (at, (_, page)) in self.pages.iter().enumerate() {
            if let Some((time, _)) = page.as_slice().first()
                && next.is_none_or(|(least, _)| *time < least)
            {
                next = Some((*time, at));
            }
        }
        let (_, at) = next.filter(|(time, _)| *time < self.until)?;
        let (sensor, page) = self.pages.get_mut(at)?;
        let (time, value) = page.next()?;
        Some(Reading {
            sensor: *sensor,
            time,
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_in_order_and_ends() {
        let window = Window {
            pages: vec![
                (0, vec![(1, 0.1), (3, 0.3), (9, 0.9)].into_iter()),
                (1, vec![].into_iter()),
                (3, vec![(1, 3.1), (2, 3.2), (8, 3.8)].into_iter()),
            ],
            until: 8,
        };
        let told: Vec<(usize, i64)> = window.map(|reading| (reading.sensor, reading.time)).collect();
        assert_eq!(told, [(0, 1), (3, 1), (3, 2), (0, 3)]);
    }
}
