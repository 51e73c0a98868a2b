//! Fuel that a trip has used, and was given.
//!
//! Fuel sloshes, so its level is the median of a window of time. Windows follow one another from the trip's start. A
//! rise of a refuelling or more from window to window is refuelling if the vehicle stood or was silent in them or in
//! between. All other changes add up to what was used: a small rise takes back the falls before it, and no more.

use super::thresholds::Rules;

/// Most readings of a window, and most readings after the last moving moment; further ones are left out.
const MOST: usize = 8192;

/// No level is greater: sums of levels stay numbers.
const GREATEST: f64 = 1e6;

/// The fuel of a trip, in percent of the tank.
#[derive(Clone, Debug)]
pub(super) struct Fuel {
    start: i64,
    window: i64,
    refuel: f64,
    /// Readings after the last moving moment, and stops without a level: they are the trip's only if it goes on.
    after: Vec<(i64, Option<f64>)>,
    /// The number of the open window, and its readings.
    number: i64,
    open: Vec<f64>,
    /// The last closed window that had a level: its number, and the level.
    level: Option<(i64, f64)>,
    /// The window of the last stop.
    stop: Option<i64>,
    used: f64,
    refuelled: f64,
    /// Whether two windows were compared.
    known: bool,
}

impl Fuel {
    pub(super) fn new(start: i64, rules: &Rules) -> Self {
        Self {
            start,
            window: rules.fuel_window,
            refuel: rules.refuel,
            after: Vec::new(),
            number: 0,
            open: Vec::new(),
            level: None,
            stop: None,
            used: 0.0,
            refuelled: 0.0,
            known: false,
        }
    }

    pub(super) fn take(&mut self, time: i64, value: f64) {
        if self.after.len() < MOST && value.abs() <= GREATEST {
            self.after.push((time, Some(value)));
        }
    }

    /// Tells that the vehicle stood at this time, or was silent until then.
    pub(super) fn stopped(&mut self, time: i64) {
        // The first and the last one between two readings will do.
        if let [.., (_, None), (last, None)] = self.after.as_mut_slice() {
            *last = time;
        } else if self.after.len() < MOST {
            self.after.push((time, None));
        }
    }

    /// Tells that the vehicle moved at this time: readings up to then are the trip's.
    pub(super) fn moved(&mut self, time: i64) {
        let until = self.after.partition_point(|(taken, _)| *taken <= time);
        let taken: Vec<(i64, Option<f64>)> = self.after.drain(..until).collect();
        for (taken, value) in taken {
            let number = (taken - self.start) / self.window;
            if number != self.number {
                self.close();
                self.number = number;
            }
            match value {
                Some(value) if self.open.len() < MOST => self.open.push(value),
                Some(_) => {}
                None => self.stop = Some(number),
            }
        }
    }

    /// What was used, and what was refuelled; none without the level of two windows.
    pub(super) fn finish(mut self) -> (Option<f64>, Option<f64>) {
        self.close();
        (self.known.then_some(self.used), self.known.then_some(self.refuelled))
    }

    fn close(&mut self) {
        let Some(level) = median(&mut self.open) else {
            return;
        };
        self.open.clear();
        if let Some((window, before)) = self.level.replace((self.number, level)) {
            self.known = true;
            if level - before >= self.refuel && self.stop.is_some_and(|stop| stop >= window) {
                self.refuelled += level - before;
            } else {
                self.used = (self.used + before - level).max(0.0);
            }
        }
    }
}

/// The middle value, of an even number the greater of the two.
fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let (_, median, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*median)
}
