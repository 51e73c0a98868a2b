//! Readiness as a set of latches: each part of a program reports whether it can work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The conditions under which a program is ready.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    stopping: bool,
    latches: BTreeMap<&'static str, bool>,
}

impl Health {
    /// Adds a condition that is not met yet.
    pub fn latch(&self, name: &'static str) -> Latch {
        self.lock().latches.insert(name, false);
        Latch {
            name,
            health: self.clone(),
        }
    }

    /// Makes the program unready for good: it is ending.
    pub fn stop(&self) {
        self.lock().stopping = true;
    }

    /// Names of the unmet conditions; empty when the program is ready.
    pub fn unready(&self) -> Vec<&'static str> {
        let state = self.lock();
        let mut unready: Vec<_> = state
            .latches
            .iter()
            .filter(|(_, met)| !**met)
            .map(|(name, _)| *name)
            .collect();
        if state.latches.is_empty() {
            // A program without latches yet is still starting.
            unready.push("starting");
        }
        if state.stopping {
            unready.push("shutting down");
        }
        unready
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One condition of readiness.
#[derive(Clone, Debug)]
pub struct Latch {
    name: &'static str,
    health: Health,
}

impl Latch {
    /// Sets the condition to met or unmet.
    pub fn set(&self, met: bool) {
        self.health.lock().latches.insert(self.name, met);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_not_ready() {
        let health = Health::default();
        assert_eq!(health.unready(), ["starting"]);
        let (bus, database) = (health.latch("event bus"), health.latch("database"));
        assert_eq!(health.unready(), ["database", "event bus"]);
        bus.set(true);
        assert_eq!(health.unready(), ["database"]);
        database.set(true);
        assert!(health.unready().is_empty());
        health.stop();
        assert_eq!(health.unready(), ["shutting down"]);
    }
}
