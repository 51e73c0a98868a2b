//! Subscriptions: notices what somebody wants to be told, and sends it.
//!
//! The page `docs/internals/subscriptions.md` tells the flow. PostgreSQL is the only queue: `change` and `published`
//! lead in, `delivery` and `attempt` lead out.

mod area;
mod evaluator;
mod event;
mod judge;
mod message;
mod partition;
mod quiet;
mod rule;
mod rules;
mod spans;
pub mod subscription;
mod take;
mod term;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use evaluator::{Evaluator, Outputs, Settings};
pub use subscription::Subscription;
pub use term::Term;
