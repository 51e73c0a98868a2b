//! The rules of trips, as a state machine over the moments of one vehicle.
//!
//! ```text
//!             moving                    stood, or a silence
//!   standing ─────────> driving ────────────────────────────> standing, a trip told
//!                        │   ^
//!                        └───┘ a shorter silence is bridged
//! ```

use super::drive::Drive;
use super::moving::{Moment, Step};
use super::thresholds::Rules;
use super::trip::{Last, Trip};
use reading::pairing::Pair;

/// Finds the trips in the steps of one vehicle, which come in order of time.
#[derive(Debug)]
pub(super) struct Machine {
    rules: Rules,
    /// Where the steps begin; before it, the vehicle may have moved or stood.
    since: i64,
    drive: Option<Drive>,
    still: Option<Still>,
    /// As `still`, within half the distance, of known times only: see [`Machine::is_settled_by`].
    rest: Option<Still>,
    /// The last moment.
    last: Option<i64>,
    last_place: Option<Pair>,
    /// The last speed that a reading or places told.
    last_speed: Option<f64>,
    ended: Vec<Trip>,
    /// What those that have ended hold.
    weight: usize,
    /// From this moment on, trips do not depend on what was before the steps.
    settled: Option<i64>,
}

/// Since when a vehicle has not moved.
#[derive(Clone, Copy, Debug)]
struct Still {
    since: i64,
    place: Option<Pair>,
}

impl Still {
    /// Takes a place. From one too far from the first on, it may stand anew.
    fn place(&mut self, place: Pair, radius: f64) {
        match self.place {
            None => self.place = Some(place),
            Some(stood) if stood.distance_to(place) > radius => {
                *self = Self {
                    since: place.time,
                    place: Some(place),
                };
            }
            Some(_) => {}
        }
    }
}

impl Machine {
    pub(super) fn new(since: i64, rules: Rules) -> Self {
        Self {
            rules,
            since,
            drive: None,
            still: None,
            rest: None,
            last: None,
            last_place: None,
            last_speed: None,
            ended: Vec::new(),
            weight: 0,
            settled: None,
        }
    }

    /// Takes the next step.
    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Fuel { time, value } => {
                if let Some(drive) = &mut self.drive {
                    drive.fuel(time, value);
                }
            }
            Step::Moment(moment) => self.moment(moment),
        }
    }

    /// Whether trips from `moment` on do not depend on what was before the steps.
    ///
    /// Once it has moved, it is under way, however it had come there, and only where that trip began is unknown. Since
    /// when a vehicle stands depends on where it stood first. Within half the distance, and so long that standing may
    /// begin anew in between, it stands wherever that was.
    pub(super) fn is_settled_by(&self, moment: i64) -> bool {
        match self.settled {
            Some(settled) => settled <= moment,
            None => self.last.is_none() && moment - self.since > self.rules.silence,
        }
    }

    /// Whether what is told of this time does not depend on places before the steps.
    fn is_known(&self, time: i64) -> bool {
        time - self.since > self.rules.reach()
    }

    /// Tells that what was before the steps does not matter from `moment` on.
    fn settle(&mut self, moment: i64) {
        if self.is_known(moment) {
            self.settled.get_or_insert(moment);
        }
    }

    /// The end of the silence that would end a trip which began before `moment`; none if there is no such trip.
    pub(super) fn waits(&self, moment: i64) -> Option<i64> {
        let drive = self.drive.as_ref().filter(|drive| drive.start < moment);
        drive.and_then(|_| Some(self.last? + self.rules.silence))
    }

    /// What the trips hold so far.
    pub(super) fn weight(&self) -> usize {
        self.weight + self.drive.as_ref().map_or(0, Drive::weight)
    }

    /// The trips in order of time, and the last one if it has not ended.
    pub(super) fn finish(self) -> (Vec<Trip>, Option<Last>) {
        let deadline = self.deadline();
        let trip = self.drive.and_then(Drive::finish);
        (self.ended, trip.map(|trip| Last { trip, deadline }))
    }

    fn moment(&mut self, moment: Moment) {
        self.silence(&moment);
        let speed = moment.speed;
        let is_read = moment.place.is_none();
        if let (Some(drive), Some(speed)) = (&mut self.drive, speed) {
            drive.speed(moment.time, speed, is_read);
        }
        if let Some(place) = moment.place {
            self.place(place);
        }
        if let Some(speed) = speed {
            self.last_speed = Some(speed);
            if speed >= self.rules.moving {
                self.moves(moment.time, speed, is_read);
            } else {
                let still = Still {
                    since: moment.time,
                    // An older one says nothing of where it stands.
                    place: self.place_before(moment.time),
                };
                self.still.get_or_insert(still);
                if self.is_known(moment.time) {
                    self.rest.get_or_insert(still);
                }
            }
        }
        if self
            .still
            .is_some_and(|still| moment.time - still.since >= self.rules.standing)
        {
            self.end();
        }
        if self
            .rest
            .is_some_and(|rest| moment.time - rest.since >= 2 * self.rules.standing + self.rules.short_silence)
        {
            self.settle(moment.time);
        }
        self.last = Some(moment.time);
    }

    fn moves(&mut self, time: i64, speed: f64, is_read: bool) {
        (self.still, self.rest) = (None, None);
        let drive = self.drive.get_or_insert_with(|| {
            let near = self.last_place.filter(|place| time - place.time <= self.rules.apart);
            let mut drive = Drive::new(time, near, self.rules);
            drive.speed(time, speed, is_read);
            drive
        });
        drive.moved(time);
        // A trip that begins at this moment may have begun before.
        self.settle(time + 1);
    }

    fn place(&mut self, place: Pair) {
        if let Some(drive) = &mut self.drive {
            drive.place(place);
        }
        let radius = self.rules.standing_radius;
        if let Some(still) = &mut self.still {
            still.place(place, radius);
        }
        if let Some(rest) = &mut self.rest {
            rest.place(place, radius / 2.0);
        }
        self.last_place = Some(place);
    }

    /// Ends or bridges at the silence before this moment, if there is one.
    fn silence(&mut self, moment: &Moment) {
        let before = self.last.unwrap_or(self.since);
        let gap = moment.time - before;
        if gap > self.rules.silence {
            (self.still, self.rest) = (None, None);
            self.end();
            let over = (before + self.rules.silence).max(self.since + self.rules.reach()) + 1;
            if over <= moment.time {
                self.settle(over);
            }
        } else if gap > self.rules.short_silence && self.last.is_some() {
            let stood = match (self.place_before(before), moment.after) {
                (Some(one), Some(other)) => one.distance_to(other) <= self.rules.silence_radius,
                _ => self.last_stood(),
            };
            if let Some(drive) = &mut self.drive {
                if stood {
                    self.end();
                } else {
                    drive.bridge(before, moment.time);
                }
            }
            // Nothing is known of the time between.
            (self.still, self.rest) = (None, None);
        }
    }

    /// The last place, if it was close to the last moment.
    fn place_before(&self, last: i64) -> Option<Pair> {
        self.last_place.filter(|place| last - place.time <= self.rules.near)
    }

    fn last_stood(&self) -> bool {
        self.last_speed.is_some_and(|speed| speed < self.rules.moving)
    }

    fn deadline(&self) -> i64 {
        let last = self.last.unwrap_or(self.since);
        let stood = self.place_before(last).is_none() && self.last_stood();
        last + if stood {
            self.rules.short_silence
        } else {
            self.rules.silence
        }
    }

    /// Ends the trip, if there is one.
    fn end(&mut self) {
        if let Some(trip) = self.drive.take().and_then(Drive::finish) {
            self.weight += trip.weight();
            self.ended.push(trip);
        }
    }
}
