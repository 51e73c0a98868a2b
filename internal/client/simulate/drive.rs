//! A drive: its readings in order of time, and the lines that they are written as.

use std::num::NonZeroU8;
use std::sync::Arc;

use jiff::Timestamp;
use reading::Line;

use super::car::Car;
use super::roads::Road;

/// The options of a drive.
#[derive(Clone, Debug)]
pub struct Options {
    /// The random seed: the same seed gives the same drive.
    pub seed: u64,
    /// The device in every line; without one, the receiver takes the credentials' device.
    pub device: Option<String>,
    /// The time of the first readings, cut to the microsecond.
    pub start: Timestamp,
    /// Readings of each sensor in a second; the position always comes once a second.
    pub rate: NonZeroU8,
    /// The road.
    pub road: Road,
    /// The fuel at the start, in per cent; without it, the seed decides.
    pub fuel: Option<f64>,
}

/// One reading of one sensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// One of the six names that the platform knows.
    pub sensor: &'static str,
    /// In the sensor's unit: km/h, per cent, turns a minute, degrees Celsius, degrees.
    pub value: f64,
    /// The time of the reading, in whole microseconds.
    pub timestamp: Timestamp,
    /// The device, if the options name one.
    pub device: Option<Arc<str>>,
}

/// A drive: all its readings in order of time. On [`Road::Loop`] it has no end.
pub struct Drive {
    car: Car,
    device: Option<Arc<str>>,
    start: i64,
    rate: NonZeroU8,
    tick: i64,
    /// Whether the car had parked at the last tick.
    is_over: bool,
    /// The readings of the present tick, last first.
    ready: Vec<Reading>,
}

impl Drive {
    /// Starts the drive, before the first reading.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            car: Car::new(options.seed, options.road, options.fuel),
            device: options.device.as_deref().map(Arc::from),
            start: options.start.as_microsecond(),
            rate: options.rate,
            tick: 0,
            is_over: false,
            ready: Vec::with_capacity(6),
        }
    }

    /// Reads every sensor that is due at this tick. `None` at the end of time.
    fn read(&mut self) -> Option<()> {
        let rate = i64::from(self.rate.get());
        let micros = self.tick.checked_mul(1_000_000)? / rate;
        let timestamp = Timestamp::from_microsecond(self.start.checked_add(micros)?).ok()?;
        let mut due = |sensor, value: f64, decimals: f64| {
            self.ready.push(Reading {
                sensor,
                value: (value * decimals).round() / decimals,
                timestamp,
                device: self.device.clone(),
            });
        };
        if self.tick % rate == 0 {
            let (latitude, longitude) = self.car.fix();
            due("location_longitude", longitude, 1e6);
            due("location_latitude", latitude, 1e6);
        }
        due("fuel", self.car.fuel(), 1e2);
        due("engine_temperature", self.car.temperature(), 1e1);
        due("revolution", self.car.revolutions(), 1e0);
        due("speed", self.car.speed(), 1e1);
        Some(())
    }

    /// Advances to the next tick, in steps fine enough for the physics at any rate.
    fn go_on(&mut self) {
        let rate = self.rate.get();
        let steps = 10_u8.div_ceil(rate);
        for _ in 0..steps {
            self.car.step(1.0 / (f64::from(rate) * f64::from(steps)));
        }
        self.tick += 1;
    }
}

impl Iterator for Drive {
    type Item = Reading;

    fn next(&mut self) -> Option<Reading> {
        if self.ready.is_empty() {
            if self.is_over {
                return None;
            }
            // A parked car is read once more: it stands.
            self.is_over = self.car.is_parked();
            self.read()?;
            self.go_on();
        }
        self.ready.pop()
    }
}

/// Appends a reading as one line of a dump: fixed order of keys, no spaces, shortest numbers.
pub fn write_line(line: &mut Vec<u8>, reading: &Reading) {
    let timestamp = reading.timestamp.as_microsecond();
    Line::new(timestamp, reading.device.as_deref(), reading.sensor).write(timestamp, reading.value, line);
}
