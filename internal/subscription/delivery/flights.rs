//! Tries on their way.

use super::plan::Plan;
use super::queue::Place;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// A request that is older counts as one of a slow endpoint.
pub(super) const SLOW: Duration = Duration::from_secs(2);

/// A try on its way.
#[derive(Clone)]
pub(super) struct Flight {
    pub(super) subscription: Uuid,
    pub(super) epoch: u64,
    pub(super) place: Place,
    /// Which try it is, from 1.
    pub(super) attempt: i32,
    /// Tries before the last redrive.
    pub(super) base: i32,
    pub(super) plan: Arc<Plan>,
    pub(super) slow: bool,
}

/// A try whose data is to be read again before it is sent.
#[derive(Clone, Copy)]
pub(super) struct Stale {
    /// Of its flight.
    pub(super) number: u64,
    pub(super) subscription: Uuid,
    pub(super) place: Place,
    /// When the delivery was made, in microseconds since 1970.
    pub(super) at: i64,
}

/// Tries on their way, oldest first.
#[derive(Default)]
pub(super) struct Flights {
    flights: HashMap<u64, Flight>,
    ages: VecDeque<(Instant, u64)>,
    count: u64,
}

impl Flights {
    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    /// Adds one, and returns its number.
    pub(super) fn add(&mut self, flight: Flight, now: Instant) -> u64 {
        self.count += 1;
        self.flights.insert(self.count, flight);
        self.ages.push_back((now + SLOW, self.count));
        self.count
    }

    pub(super) fn get(&self, number: u64) -> Option<&Flight> {
        self.flights.get(&number)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Flight> {
        self.flights.remove(&number)
    }

    /// The next one that has become slow.
    pub(super) fn next_slow(&mut self, now: Instant) -> Option<Flight> {
        while self
            .ages
            .front()
            .is_some_and(|(slow, number)| *slow <= now || !self.flights.contains_key(number))
        {
            let (_, number) = self.ages.pop_front()?;
            if let Some(flight) = self.flights.get_mut(&number) {
                flight.slow = true;
                return Some(flight.clone());
            }
        }
        None
    }

    /// When the next one becomes slow.
    pub(super) fn slow_at(&self) -> Option<Instant> {
        self.ages.front().map(|(slow, _)| *slow)
    }
}
