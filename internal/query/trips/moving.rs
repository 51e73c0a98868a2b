//! What a vehicle did at each moment: how fast it was and where, from speeds or else from places.

use super::thresholds::{Rules, speed};
use crate::words::places::{Event, Reading};
use reading::pairing::Pair;
use std::collections::VecDeque;

/// The number of the sensor of speeds. The one after it is that of fuel.
pub(super) const SPEED: usize = 2;

/// A moment at which something is known of a vehicle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    /// Microseconds since 1970-01-01 UTC, as all times here.
    pub(super) time: i64,
    pub(super) place: Option<Pair>,
    /// In km/h: a reading, or from place to place where no reading is near. None where it is unknown.
    pub(super) speed: Option<f64>,
    /// After a silence, the first place close in time.
    pub(super) after: Option<Pair>,
}

/// A moment, or the fuel at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    Moment(Moment),
    Fuel { time: i64, value: f64 },
}

/// Makes steps of events. It looks ahead by [`Rules::near`], and holds no more events than lie in there.
#[derive(Debug)]
pub(super) struct Moving {
    rules: Rules,
    /// All events before this were taken.
    reached: i64,
    held: VecDeque<Event>,
    /// The times of the speeds that are held.
    speeds: VecDeque<i64>,
    last_speed: Option<i64>,
    /// The last moment told.
    last: Option<i64>,
    /// The last place that is [`Rules::apart`] from the last one, and those since.
    places: VecDeque<Pair>,
}

impl Moving {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            reached: i64::MIN,
            held: VecDeque::new(),
            speeds: VecDeque::new(),
            last_speed: None,
            last: None,
            places: VecDeque::new(),
        }
    }

    /// Takes the next event in order of time. A speed that is none is left out.
    pub(super) fn take(&mut self, event: Event) {
        self.reach(event.time());
        if let Event::Reading(reading) = event
            && reading.sensor == SPEED
        {
            if !(0.0..=self.rules.fastest).contains(&reading.value) {
                return;
            }
            self.speeds.push_back(reading.time);
        }
        self.held.push_back(event);
    }

    /// How many events and places are held.
    pub(super) fn held(&self) -> usize {
        self.held.len() + self.places.len()
    }

    /// Tells that no event before `time` will come.
    pub(super) fn reach(&mut self, time: i64) {
        self.reached = self.reached.max(time);
    }

    /// The next step that is certain.
    pub(super) fn pop(&mut self) -> Option<Step> {
        let certain = self.reached.saturating_sub(self.rules.near);
        self.held.front().filter(|event| event.time() < certain)?;
        let event = self.held.pop_front()?;
        let (place, speed) = match event {
            Event::Reading(Reading {
                sensor: SPEED,
                time,
                value,
            }) => {
                self.speeds.pop_front();
                self.last_speed = Some(time);
                (None, Some(value))
            }
            Event::Reading(Reading { time, value, .. }) => return Some(Step::Fuel { time, value }),
            Event::Place(place) => (Some(place), self.speed_at(place)),
        };
        let time = event.time();
        let silent = self.last.is_some_and(|last| time - last > self.rules.short_silence);
        self.last = Some(time);
        Some(Step::Moment(Moment {
            time,
            place,
            speed,
            after: if silent {
                place.or_else(|| self.next_place(time))
            } else {
                None
            },
        }))
    }

    /// The first held place close to a moment.
    fn next_place(&self, time: i64) -> Option<Pair> {
        let until = time + self.rules.near;
        let mut near = self.held.iter().take_while(|event| event.time() <= until);
        near.find_map(|event| match event {
            Event::Place(place) => Some(*place),
            Event::Reading(_) => None,
        })
    }

    /// The speed that places tell, unless a reading is near.
    fn speed_at(&mut self, place: Pair) -> Option<f64> {
        let latest = place.time - self.rules.apart;
        while self.places.get(1).is_some_and(|next| next.time <= latest) {
            self.places.pop_front();
        }
        self.places.push_back(place);
        let near = self.rules.near;
        if self.last_speed.is_some_and(|last| place.time - last <= near)
            || self.speeds.front().is_some_and(|next| *next <= place.time + near)
        {
            return None;
        }
        let before = self.places.front()?;
        let time = place.time - before.time;
        if time < self.rules.apart || time > self.rules.silence {
            return None;
        }
        Some(speed(before.distance_to(place), time)).filter(|speed| *speed <= self.rules.fastest)
    }
}
