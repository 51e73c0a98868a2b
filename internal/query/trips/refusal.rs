//! Why trips are not found.

use crate::words::problem;
use ::postgres::Error;
use web::{Problem, wrong};

/// Most readings that one answer reads. Bounds its time.
pub(super) const READINGS: usize = 50_000_000;

/// Most readings and places that are held to look ahead. Bounds the memory.
pub(super) const HELD: usize = 200_000;

/// Most trips, places in their paths and silences of one answer. Bounds the memory.
pub(super) const PLACES: usize = 200_000;

/// Why trips are not found.
#[derive(Debug)]
pub(super) enum Refusal {
    Database(Error),
    /// That takes too many readings.
    Readings,
    /// Too many readings lie within a few seconds.
    Dense,
    /// The trips have too many places.
    Places,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Database(error) => problem(error),
            Refusal::Readings => wrong(
                "from",
                format!("finding these trips takes more than {READINGS} readings; ask for a shorter span"),
            ),
            Refusal::Dense => wrong(
                "from",
                format!("more than {HELD} readings of this span lie within a few seconds; ask for a span without them"),
            ),
            Refusal::Places => wrong(
                "with",
                format!(
                    "the paths have more than {PLACES} places; ask without paths, for fewer trips or a shorter span"
                ),
            ),
        }
    }
}
