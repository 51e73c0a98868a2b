//! Subscriptions: notices what somebody wants to be told, and sends it.
//!
//! The page `docs/internals/subscriptions.md` tells the flow. PostgreSQL is the only queue: `change` and `published`
//! lead in, `delivery` and `attempt` lead out.

mod partition;
pub mod publish;
pub mod subscription;
mod term;
#[cfg(test)]
mod tests;

pub use subscription::Subscription;
pub use term::Term;
