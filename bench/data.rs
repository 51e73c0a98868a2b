//! The readings of the benchmarks: six sensors at 10 Hz, within one UTC day.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::PathBuf;
use tempfile::TempDir;

pub(crate) use crate::sensors::SENSORS;

/// The day of all readings, the first of its month, and that month's partition.
pub(crate) const DAY: &str = "2024-05-15";
pub(crate) const MONTH: &str = "2024-05-01";
pub(crate) const PARTITION: &str = "reading_2024_05";

/// Microseconds from 2000-01-01 to the day, as PostgreSQL counts.
pub(crate) const DAY_START: i64 = 769_046_400_000_000;
/// Milliseconds between two readings of a sensor: 10 Hz.
const STEP_MILLIS: usize = 100;

/// Head and end of each file in PostgreSQL's binary COPY format.
pub(crate) const COPY_HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
pub(crate) const COPY_END: &[u8] = &[0xff, 0xff];

/// One reading of the one device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Its index in [`SENSORS`].
    pub(crate) sensor: usize,
    /// Microseconds since 2000-01-01.
    pub(crate) moment: i64,
    pub(crate) value: f64,
}

/// Files of the same readings.
pub(crate) struct Data {
    _folder: TempDir,
    /// For uploads: NDJSON in order of time.
    pub(crate) ndjson: PathBuf,
    /// For PostgreSQL's binary COPY, sorted by series.
    pub(crate) copy: PathBuf,
    /// Number of readings.
    pub(crate) readings: usize,
}

impl Data {
    pub(crate) fn make(readings: usize) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (ndjson, copy) = (
            folder.path().join("readings.ndjson"),
            folder.path().join("readings.copy"),
        );
        let ticks = readings / SENSORS.len();
        let mut lines = BufWriter::new(File::create(&ndjson)?);
        for tick in 0..ticks {
            let time = time(tick);
            for (at, sensor) in SENSORS.iter().enumerate() {
                let value = value(at, tick);
                writeln!(
                    lines,
                    r#"{{"sensor":"{sensor}","value":{value},"timestamp":"{DAY}T{time}Z","device":"lada"}}"#
                )?;
            }
        }
        lines.flush()?;
        let mut rows = BufWriter::new(File::create(&copy)?);
        rows.write_all(COPY_HEAD)?;
        for (at, series) in (1_i32..).take(SENSORS.len()).enumerate() {
            for (tick, moment) in (DAY_START..).step_by(STEP_MILLIS * 1000).take(ticks).enumerate() {
                copy_row(&mut rows, series, moment, value(at, tick))?;
            }
        }
        rows.write_all(COPY_END)?;
        rows.flush()?;
        Ok(Self {
            _folder: folder,
            ndjson,
            copy,
            readings: ticks * SENSORS.len(),
        })
    }

    /// The readings in the order of the NDJSON.
    pub(crate) fn in_order_of_time(&self) -> impl Iterator<Item = Reading> {
        let ticks = self.readings / SENSORS.len();
        in_order_of_time(0..SENSORS.len(), DAY_START, STEP_MILLIS * 1000, ticks)
    }
}

/// Readings of these sensors: their number of each, and microseconds between them.
pub(crate) fn in_order_of_time(
    sensors: Range<usize>,
    start: i64,
    step: usize,
    ticks: usize,
) -> impl Iterator<Item = Reading> {
    let moments = (start..).step_by(step).take(ticks).enumerate();
    moments.flat_map(move |(tick, moment)| {
        sensors.clone().map(move |sensor| Reading {
            sensor,
            moment,
            value: value(sensor, tick),
        })
    })
}

/// Writes a row for PostgreSQL's binary COPY.
pub(crate) fn copy_row(to: &mut impl Write, series: i32, moment: i64, value: f64) -> io::Result<()> {
    to.write_all(&[0, 3, 0, 0, 0, 4])?;
    to.write_all(&series.to_be_bytes())?;
    to.write_all(&[0, 0, 0, 8])?;
    to.write_all(&moment.to_be_bytes())?;
    to.write_all(&[0, 0, 0, 8])?;
    to.write_all(&value.to_be_bytes())
}

/// Hours, minutes, seconds and milliseconds of a tick.
fn time(tick: usize) -> String {
    let millis = tick * STEP_MILLIS;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    format!(
        "{:02}:{:02}:{:02}.{millis:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// A value that moves, with as many decimals as a sensor has.
#[expect(clippy::cast_precision_loss, reason = "ticks of a day are far below 2^52")]
fn value(sensor: usize, tick: usize) -> f64 {
    let wave = (tick as f64 / (40.0 + 7.0 * sensor as f64)).sin();
    match sensor {
        2 => ((45.2 + wave / 50.0) * 1e6).round() / 1e6,
        3 => ((13.7 + wave / 50.0) * 1e6).round() / 1e6,
        4 => (2000.0 + 900.0 * wave).round(),
        _ => ((60.0 + 30.0 * wave) * 10.0).round() / 10.0,
    }
}
