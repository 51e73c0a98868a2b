//! What is a trip: each threshold a flag.

use reading::time::{SECOND, micros};
use std::time::Duration;

/// The thresholds of trips, as flags.
#[derive(clap::Args, Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Trips: the least speed at which a vehicle is moving, in km/h
    #[arg(long, env, default_value_t = 5.0, value_parser = number, value_name = "KM/H")]
    pub trip_moving_speed: f64,

    /// Trips: speeds above this are errors of the receiver, in km/h
    #[arg(long, env, default_value_t = 250.0, value_parser = number, value_name = "KM/H")]
    pub trip_top_speed: f64,

    /// Trips: without a speed this close in time, places tell whether the vehicle moves
    #[arg(long, env, default_value = "10s", value_parser = service::duration, value_name = "DURATION")]
    pub trip_speed_tolerance: Duration,

    /// Trips: the least time between two places from which a speed is computed
    #[arg(long, env, default_value = "30s", value_parser = service::duration, value_name = "DURATION")]
    pub trip_place_interval: Duration,

    /// Trips: how far a standing vehicle's places may be from the first of them, in metres
    #[arg(long, env, default_value_t = 100.0, value_parser = number, value_name = "METRES")]
    pub trip_standing_radius: f64,

    /// Trips: how long a vehicle must stand for its trip to end
    #[arg(long, env, default_value = "5m", value_parser = service::duration, value_name = "DURATION")]
    pub trip_standing_time: Duration,

    /// Trips: a longer silence ends a trip
    #[arg(long, env, default_value = "30m", value_parser = service::duration, value_name = "DURATION")]
    pub trip_silence: Duration,

    /// Trips: a longer silence ends a trip if the vehicle has not moved meanwhile
    #[arg(long, env, default_value = "5m", value_parser = service::duration, value_name = "DURATION")]
    pub trip_standing_silence: Duration,

    /// Trips: how far apart the places on both sides of such a silence may be, in metres
    #[arg(long, env, default_value_t = 200.0, value_parser = number, value_name = "METRES")]
    pub trip_silence_radius: f64,

    /// Trips: a drive that never leaves this distance around its start is no trip, in metres
    #[arg(long, env, default_value_t = 150.0, value_parser = number, value_name = "METRES")]
    pub trip_min_radius: f64,

    /// Trips: the least distance of a trip, in metres
    #[arg(long, env, default_value_t = 300.0, value_parser = number, value_name = "METRES")]
    pub trip_min_distance: f64,

    /// Trips: the least duration of a trip
    #[arg(long, env, default_value = "1m", value_parser = service::duration, value_name = "DURATION")]
    pub trip_min_duration: Duration,

    /// Trips: the least step between two places that adds to a distance, in metres
    #[arg(long, env, default_value_t = 15.0, value_parser = number, value_name = "METRES")]
    pub trip_min_step: f64,

    /// Trips: the level of the fuel is the median over this time
    #[arg(long, env, default_value = "2m", value_parser = service::duration, value_name = "DURATION")]
    pub trip_fuel_window: Duration,

    /// Trips: the least rise of the fuel that counts as refuelling, in percent of the tank
    #[arg(long, env, default_value_t = 5.0, value_parser = number, value_name = "PERCENT")]
    pub trip_refuel: f64,

    /// Trips: how far a path may be from its places, in metres
    #[arg(long, env, default_value_t = 20.0, value_parser = number, value_name = "METRES")]
    pub trip_path_tolerance: f64,
}

impl Default for Thresholds {
    /// Those of the flags.
    fn default() -> Self {
        Self {
            trip_moving_speed: 5.0,
            trip_top_speed: 250.0,
            trip_speed_tolerance: Duration::from_secs(10),
            trip_place_interval: Duration::from_secs(30),
            trip_standing_radius: 100.0,
            trip_standing_time: Duration::from_secs(300),
            trip_silence: Duration::from_secs(1800),
            trip_standing_silence: Duration::from_secs(300),
            trip_silence_radius: 200.0,
            trip_min_radius: 150.0,
            trip_min_distance: 300.0,
            trip_min_duration: Duration::from_secs(60),
            trip_min_step: 15.0,
            trip_fuel_window: Duration::from_secs(120),
            trip_refuel: 5.0,
            trip_path_tolerance: 20.0,
        }
    }
}

/// Parses a finite number above 0.
fn number(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "write a number above 0".to_owned())
}

/// The longest time that a flag gives, in microseconds.
const LONGEST: i64 = 86_400 * SECOND;

/// The thresholds as the rules use them: times in microseconds, speeds in km/h, distances in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rules {
    pub(super) moving: f64,
    pub(super) fastest: f64,
    pub(super) near: i64,
    pub(super) apart: i64,
    pub(super) standing_radius: f64,
    pub(super) standing: i64,
    pub(super) silence: i64,
    pub(super) short_silence: i64,
    pub(super) silence_radius: f64,
    pub(super) least_radius: f64,
    pub(super) least_distance: f64,
    pub(super) least_duration: i64,
    pub(super) step: f64,
    pub(super) fuel_window: i64,
    pub(super) refuel: f64,
    pub(super) path: f64,
    /// Of the two readings of a place.
    pub(super) pairing: i64,
}

impl Rules {
    /// The rules by these thresholds, and by the tolerance of a place.
    pub(super) fn new(of: &Thresholds, pairing: Duration) -> Self {
        let time = |span: Duration| micros(span).clamp(1, LONGEST);
        Self {
            moving: of.trip_moving_speed,
            fastest: of.trip_top_speed,
            near: time(of.trip_speed_tolerance),
            apart: time(of.trip_place_interval),
            standing_radius: of.trip_standing_radius,
            standing: time(of.trip_standing_time),
            silence: time(of.trip_silence),
            short_silence: time(of.trip_standing_silence),
            silence_radius: of.trip_silence_radius,
            least_radius: of.trip_min_radius,
            least_distance: of.trip_min_distance,
            least_duration: time(of.trip_min_duration),
            step: of.trip_min_step,
            fuel_window: time(of.trip_fuel_window),
            refuel: of.trip_refuel,
            path: of.trip_path_tolerance,
            pairing: micros(pairing).clamp(0, LONGEST),
        }
    }

    /// The same for trips whose path is not wanted: it has both ends only.
    pub(super) fn without_path(self) -> Self {
        Self {
            path: f64::INFINITY,
            ..self
        }
    }

    /// How far back of a moment its readings may be.
    pub(super) fn reach(&self) -> i64 {
        self.silence.max(self.short_silence).max(self.apart).max(self.near) + 2 * self.pairing
    }

    /// How far behind the readings the moments of a vehicle may be.
    pub(super) fn lag(&self) -> i64 {
        self.near + self.pairing + 2
    }
}

/// The speed of a distance in a span, in km/h.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^52")]
pub(super) fn speed(metres: f64, microseconds: i64) -> f64 {
    metres * 3.6e6 / microseconds as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        thresholds: Thresholds,
    }

    #[test]
    fn the_defaults_are_those_of_the_flags() {
        assert_eq!(Flags::parse_from(["api"]).thresholds, Thresholds::default());
        for wrong in ["0", "-1", "inf", "NaN", "fast"] {
            let flags = ["api".to_owned(), format!("--trip-moving-speed={wrong}")];
            assert!(Flags::try_parse_from(flags).is_err(), "{wrong}");
        }
    }
}
