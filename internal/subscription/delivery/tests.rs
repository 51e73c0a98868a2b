//! The sender with a real database and real endpoints.

mod endpoint;
mod failures;
mod fixture;
mod formats;
mod order;
mod restart;
