//! Shared by all questions: names, times, buckets, queries, dropped days, and answers to failures.

mod answer;
pub(crate) mod bucket;
mod described;
mod dropped;
mod format;
mod name;
pub(crate) mod page;
pub(crate) mod places;
pub(crate) mod reach;
pub(crate) mod readings;
mod shared;
pub(crate) mod simplify;
mod span;
mod time;
mod unit;
mod zone;

pub(crate) use ::postgres::Database;
pub(crate) use answer::{Answer, json, problem, respond};
pub(crate) use described::Failure;
pub(crate) use dropped::{DroppedDay, dropped};
pub(crate) use format::Format;
pub(crate) use name::{Device, Name};
pub(crate) use shared::Questions;
pub(crate) use span::{EMPTY, Ends, FIRST};
pub(crate) use time::{Time, When};
pub(crate) use unit::unit;
pub(crate) use zone::Zone;
