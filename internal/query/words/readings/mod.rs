//! Readings of a device in order of time, in constant memory.
//!
//! They are read in windows of time, of all sensors at once. A window is as wide as its readings are sparse, so an
//! answer of the database has a bounded number of them, and a long silence costs few statements. The database reads the
//! next window while the caller works on the last one.

mod postgres;

pub(crate) use self::postgres::{Device, devices};

use super::Database;
use super::places::Reading;
use ::postgres::Error;
use reading::time::{DAY, SECOND};
use std::panic::resume_unwind;
use std::vec::IntoIter;
use tokio_util::task::AbortOnDropHandle;

/// Most readings of a sensor in a window.
const MOST: usize = 16_384;

/// The first window, and the widest one, in microseconds.
const FIRST: i64 = 3600 * SECOND;
const WIDEST: i64 = 32 * DAY;

/// The readings of a sensor in a window: times in microseconds, and values.
type Page = Vec<(i64, f64)>;

/// Reads a span of a device.
pub(crate) struct Readings {
    database: Database,
    /// The number of each sensor, and its series; only sensors that the device has.
    sensors: Vec<(usize, i32)>,
    /// Everything before this was read.
    since: i64,
    /// Exclusive.
    before: i64,
    width: i64,
    count: usize,
    /// The next window, while it is read ahead.
    asked: Option<Asked>,
    /// Whether windows are read ahead.
    ahead: bool,
}

/// A window that the database is asked for.
struct Asked {
    /// Exclusive.
    until: i64,
    /// A dropped question is cancelled.
    pages: AbortOnDropHandle<Result<Vec<Page>, Error>>,
}

impl Readings {
    /// Reads these series, each by the number of its sensor, from `since` up to but not including `before`.
    pub(crate) fn new(database: &Database, series: &[Option<i32>], since: i64, before: i64) -> Self {
        let sensors = series.iter().enumerate();
        Self {
            database: database.clone(),
            sensors: sensors.filter_map(|(sensor, id)| Some((sensor, (*id)?))).collect(),
            since,
            before,
            width: FIRST,
            count: 0,
            asked: None,
            ahead: true,
        }
    }

    /// Goes on up to a later moment. Few of these windows will be wanted, so none is read ahead.
    pub(crate) fn extend(&mut self, before: i64) {
        self.before = self.before.max(before);
        self.width = FIRST;
        self.ahead = false;
    }

    /// How many readings were read, without those that are read ahead.
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
        let Some(Asked { until, pages }) = self.asked.take().or_else(|| self.ask()) else {
            self.since = self.since.max(self.before);
            return Ok(None);
        };
        let pages = match pages.await {
            Ok(pages) => pages?,
            // It is not aborted while it is awaited.
            Err(panicked) => resume_unwind(panicked.into_panic()),
        };
        let longest = pages.iter().map(Vec::len).max().unwrap_or(0);
        // Behind the last reading of a full page, some are missing.
        let full = pages.iter().filter(|page| page.len() >= MOST);
        let ends = full.filter_map(|page| page.last()).map(|(time, _)| time + 1);
        let known = ends.min().unwrap_or(until).min(until);
        if longest >= MOST {
            self.width = (self.width / 2).max(SECOND);
        } else if longest < MOST / 2 {
            self.width = (self.width * 2).min(WIDEST);
        }
        self.since = known;
        self.count += pages.iter().map(Vec::len).sum::<usize>();
        if self.ahead {
            self.asked = self.ask();
        }
        let numbers = self.sensors.iter().map(|(sensor, _)| *sensor);
        Ok(Some(Window {
            pages: numbers
                .zip(pages)
                .map(|(sensor, page)| (sensor, page.into_iter()))
                .collect(),
            until: known,
        }))
    }

    /// Asks for the next window, in a task of its own; none at the end of the span.
    fn ask(&self) -> Option<Asked> {
        if self.since >= self.before || self.sensors.is_empty() {
            return None;
        }
        let (database, since) = (self.database.clone(), self.since);
        let until = self.before.min(since.saturating_add(self.width));
        let series: Vec<i32> = self.sensors.iter().map(|(_, series)| *series).collect();
        let read = async move { postgres::pages(&database, &series, since, until, MOST).await };
        Some(Asked {
            until,
            pages: AbortOnDropHandle::new(tokio::spawn(read)),
        })
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
    use crate::tests::Api;
    use jiff::Timestamp;
    use service::Service;
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// Ten readings of one sensor each second, which fill pages, and one of another each minute.
    #[tokio::test]
    async fn each_reading_once_with_windows_read_ahead() {
        let api = Api::start().await;
        api.add(&[("other", "rpm", "2021-03-01T00:00:00Z", 1.0)]).await;
        let start = "2021-03-01T00:00:00Z".parse::<Timestamp>().unwrap().as_microsecond();
        let series = |count: i32, step: i64| -> BTreeMap<i64, f64> {
            let points = (0..count).map(|at| (start + i64::from(at) * step, f64::from(at)));
            points.collect()
        };
        let (speeds, fuel) = (series(40_000, SECOND / 10), series(67, 60 * SECOND));
        api.add_series("lada", "speed", &speeds).await;
        api.add_series("lada", "fuel", &fuel).await;
        let pool = ::postgres::open(&api.database_url(), 2, Duration::from_secs(30)).unwrap();
        let database = Database::new(pool, Service::new("test", Duration::from_secs(25)));
        let sensors = ["speed", "fuel"];
        let found = devices(&database, Some("lada"), &sensors, &sensors, start, 1)
            .await
            .unwrap();

        let (middle, end) = (start + 3000 * SECOND, start + DAY);
        let mut readings = Readings::new(&database, &found[0].series, start, middle);
        let (mut told, mut windows) = (Vec::new(), 0);
        while let Some(window) = readings.next().await.unwrap() {
            assert_eq!(window.until, readings.reached());
            assert_eq!(readings.asked.is_some(), window.until < middle);
            told.extend(window);
            windows += 1;
        }
        assert!(windows > 1 && readings.count() >= told.len(), "{windows} windows");
        assert_eq!(readings.reached(), middle);
        readings.extend(end);
        while let Some(window) = readings.next().await.unwrap() {
            assert!(readings.asked.is_none());
            told.extend(window);
        }
        let mut expected: Vec<Reading> = Vec::new();
        for (sensor, points) in [&speeds, &fuel].into_iter().enumerate() {
            expected.extend(points.iter().map(|(time, value)| Reading {
                sensor,
                time: *time,
                value: *value,
            }));
        }
        expected.sort_by_key(|reading| (reading.time, reading.sensor));
        assert!(told == expected, "{} readings, not {}", told.len(), expected.len());
        assert_eq!(readings.reached(), end);
    }

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
