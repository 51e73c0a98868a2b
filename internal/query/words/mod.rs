//! The words that all questions share: parameters are read ([`Parameters`], [`Name`]), times read and
//! written ([`Moment`]), readings gathered over time ([`bucket`]), the database asked and its failures
//! told in one way.

mod answer;
pub(crate) mod bucket;
mod database;
mod moment;
mod name;
mod parameters;
pub(crate) mod reach;
mod shared;

pub(crate) use answer::{Answer, json, problem, respond};
pub(crate) use database::{Database, query, query_series};
pub(crate) use moment::Moment;
pub(crate) use name::{Device, Name};
pub(crate) use parameters::Parameters;
pub(crate) use shared::Questions;
