//! Trips of vehicles, found in their speeds and places when they are asked for.
//!
//! ```text
//!   find ──> words::places ──> moving ──> rules ──> drive, fuel, path ──> trip
//! ```
//!
//! `find` reads the readings around a span, `moving` says what the vehicle did at each moment, `rules` finds where
//! trips begin and end, `drive` adds up on the way. `cache` keeps the trips of a span until a day that was read
//! changes. docs/internals/trips.md has the rules.
//!
//! Deliberately not here: storing trips. A late reading may join two of them, or cut one.

mod answer;
mod cache;
mod days;
mod drive;
mod find;
mod fuel;
mod http;
mod moving;
mod path;
mod postgres;
mod refusal;
mod rules;
#[cfg(test)]
mod tests;
mod thresholds;
mod trip;

pub(crate) use http::routes;
pub use thresholds::Thresholds;
