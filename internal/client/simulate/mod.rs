//! Generates a believable drive: the readings of a car on the roads of Istria.
//!
//! The engine warms up, the fuel falls and is filled up again. The driver keeps to the limits more or less,
//! stands at junctions and gets stuck behind slower cars. The same options give the same bytes on every
//! platform. A drive on the loop never ends, so the caller decides how much to take; an outing ends at home.

mod car;
mod drive;
mod play;
mod random;
mod roads;
mod route;

pub use self::drive::{Drive, Options, Reading, write_line};
pub use self::play::{as_fast_as_possible, in_real_time};
pub use self::roads::Road;

#[cfg(test)]
mod tests;
