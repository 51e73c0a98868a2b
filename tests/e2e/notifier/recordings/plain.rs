//! A computation of events that shares nothing with the notifier: over all readings of a device, from the first.

use std::collections::{BTreeMap, BTreeSet};

/// Microseconds of a second.
pub(super) const SECOND: i64 = 1_000_000;

/// The mean radius of the earth in metres.
const RADIUS: f64 = 6_371_008.771_4;

/// Values of one device by sensor, and by microsecond since 1970.
pub(super) type Readings = BTreeMap<String, BTreeMap<i64, f64>>;

/// When something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fire {
    Rise,
    Fall,
    Both,
    Change,
    Each,
}

/// A rule as this computation knows it.
pub(super) struct Rule {
    /// The readings at which it is judged; none for the places.
    pub(super) sensors: &'static [&'static str],
    /// The result at a moment, after a result that was 1 or not. None where a value is absent.
    pub(super) judge: fn(&At<'_>, bool) -> Option<i64>,
    pub(super) fire: Fire,
    pub(super) hold: i64,
    pub(super) silence: i64,
    pub(super) tolerance: i64,
    pub(super) every: i64,
}

/// A moment.
pub(super) struct At<'a> {
    readings: &'a Readings,
    time: i64,
    tolerance: i64,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    pub(super) moment: i64,
    pub(super) kind: &'static str,
    pub(super) state: i64,
    pub(super) since: i64,
}

/// An event that is to be told, unless a told moment from `after` to `last` stands for it.
#[derive(Clone, Debug)]
pub(super) struct Qualified {
    pub(super) event: Event,
    pub(super) after: i64,
    pub(super) last: i64,
}

/// Moments in a row with one result.
struct Run {
    state: i64,
    moments: Vec<i64>,
}

impl At<'_> {
    /// The last value of a sensor, if it is not too old.
    pub(super) fn value(&self, sensor: &str) -> Option<f64> {
        let past = self.readings.get(sensor)?.range(self.time - self.tolerance..=self.time);
        past.last().map(|(_, value)| *value)
    }

    /// The latitude and the longitude. Recordings have both at the same times.
    pub(super) fn place(&self) -> Option<(f64, f64)> {
        let of = |axis: &str| self.readings.get(axis)?.get(&self.time).copied();
        Some((of("location_latitude")?, of("location_longitude")?))
    }
}

/// The distance of two places: the angle between two vectors from the centre of the earth.
pub(super) fn distance(one: (f64, f64), other: (f64, f64)) -> f64 {
    let vector = |(latitude, longitude): (f64, f64)| {
        let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
        let around = latitude.cos();
        [around * longitude.cos(), around * longitude.sin(), latitude.sin()]
    };
    let ([a, b, c], [x, y, z]) = (vector(one), vector(other));
    let cross = [b * z - c * y, c * x - a * z, a * y - b * x];
    let length = cross.iter().map(|part| part * part).sum::<f64>().sqrt();
    RADIUS * length.atan2(a * x + b * y + c * z)
}

/// Whether a place is in an area without dents, whose corners are listed against the clock.
pub(super) fn is_within(corners: &[(f64, f64)], (latitude, longitude): (f64, f64)) -> bool {
    let next = corners.iter().cycle().skip(1);
    corners
        .iter()
        .zip(next)
        .all(|((y, x), (to_y, to_x))| (to_x - x) * (latitude - y) - (longitude - x) * (to_y - y) >= 0.0)
}

impl Rule {
    /// What happens if readings arrive in order of time.
    pub(super) fn events(&self, readings: &Readings) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for Qualified { event, .. } in self.qualified(readings) {
            let is_near = events
                .last()
                .is_some_and(|last| event.moment - last.moment < self.every);
            if !is_near {
                events.push(event);
            }
        }
        events
    }

    /// What is to be told of these readings, in order of time.
    pub(super) fn qualified(&self, readings: &Readings) -> Vec<Qualified> {
        let runs = self.runs(readings);
        let mut all = Vec::new();
        for (number, run) in runs.iter().enumerate() {
            let before = number.checked_sub(1).map(|before| &runs[before]);
            let (first, last) = (run.moments[0], run.moments[run.moments.len() - 1]);
            let after = before.map_or(i64::MIN, |before| before.moments[before.moments.len() - 1] + 1);
            let mut add = |kind, moment, since| {
                let event = Event {
                    moment,
                    kind,
                    state: run.state,
                    since,
                };
                all.push(Qualified { event, after, last });
            };
            match self.fire {
                Fire::Change if before.is_some() => add("change", first, first),
                Fire::Each if run.state == 1 => {
                    for moment in &run.moments {
                        add("each", *moment, *moment);
                    }
                }
                Fire::Change | Fire::Each => {}
                fire => {
                    if let Some(ended) = before.filter(|ended| ended.state == 1 && self.lasted(ended).is_some())
                        && fire != Fire::Rise
                    {
                        add("fall", first, ended.moments[0]);
                    }
                    if let Some(moment) = self.lasted(run).filter(|_| run.state == 1)
                        && fire != Fire::Fall
                    {
                        add("rise", moment, first);
                    }
                }
            }
        }
        if self.fire == Fire::Each {
            for one in &mut all {
                (one.after, one.last) = (one.event.moment, one.event.moment);
            }
        }
        all
    }

    fn runs(&self, readings: &Readings) -> Vec<Run> {
        let sensors = if self.sensors.is_empty() {
            &["location_latitude"]
        } else {
            self.sensors
        };
        let series = sensors.iter().filter_map(|sensor| readings.get(*sensor));
        let moments: BTreeSet<i64> = series.flat_map(BTreeMap::keys).copied().collect();
        let mut runs: Vec<Run> = Vec::new();
        for time in moments {
            let at = At {
                readings,
                time,
                tolerance: self.tolerance,
            };
            let was_on = runs.last().is_some_and(|run| run.state == 1);
            let Some(state) = (self.judge)(&at, was_on) else {
                continue;
            };
            match runs.last_mut().filter(|run| run.state == state) {
                Some(run) => run.moments.push(time),
                None => runs.push(Run {
                    state,
                    moments: vec![time],
                }),
            }
        }
        runs
    }

    /// When a run has lasted long enough.
    fn lasted(&self, run: &Run) -> Option<i64> {
        let mut clock = run.moments[0];
        let before = [run.moments[0]].into_iter().chain(run.moments.iter().copied());
        for (moment, before) in run.moments.iter().zip(before) {
            if moment - before > self.silence {
                clock = *moment;
            }
            if moment - clock >= self.hold {
                return Some(*moment);
            }
        }
        None
    }
}
