//! What changes, as it changes: server-sent events of latest values, days, uploads and journal entries.
//!
//! Events are state, not history: a client gets the last value of each series, and perhaps none of those before it.
//! One task of the process asks the database for changes, on one connection, while there are listeners. It keeps what
//! has changed in memory, each thing once, and every listener reads there at its own pace. So a slow listener costs
//! no memory. The id of an event is a snapshot of the database: which transactions have been seen. Every process can
//! go on from it.
//!
//! Deliberately not here: LISTEN and NOTIFY, which poolers do not pass on.

mod event;
mod filter;
mod http;
mod hub;
mod listener;
mod metrics;
mod options;
mod poller;
mod position;
mod postgres;
#[cfg(test)]
mod tests;

pub(crate) use http::routes;
pub use options::LiveOptions;
