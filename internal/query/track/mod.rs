//! The tracks of vehicles: their places in segments, each without a gap.
//!
//! `words::places` finds the places, `words::simplify` leaves points out.
//!
//! Deliberately not here: trips, which need speeds and rules of their own.

mod formats;
mod gather;
mod http;
mod points;
mod segments;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;
