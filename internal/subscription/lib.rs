//! Subscriptions: finds events in stored readings and published messages, and sends them as webhooks.
//!
//! ```no_run
//! # async fn run(pool: postgres::Pool, options: subscription::Options, service: service::Service) -> Result<(), webhook::Error> {
//! let notifier = subscription::Notifier::new(pool, &options, &service)?;
//! let routes = notifier.routes();
//! notifier.run(&service).await;
//! # Ok(())
//! # }
//! ```
//!
//! The page `docs/internals/subscriptions.md` describes the flow. PostgreSQL is the only queue: the tables `change` and
//! `published` hold what comes in, `delivery` and `attempt` what goes out.
//!
//! Deliberately not here: the bus, the language of filters (`filter`), and the client that sends (`webhook`).

mod answer;
pub mod area;
mod cost;
pub mod delivery;
mod devices;
mod evaluator;
mod event;
mod gap;
mod judge;
mod lent;
pub mod manage;
mod message;
mod notifier;
mod options;
mod partition;
pub mod publish;
mod rehearsal;
mod replay;
mod retention;
mod rule;
mod rules;
pub mod subscription;
mod term;
#[cfg(test)]
mod tests;
mod trial;
pub mod vocabulary;

pub use evaluator::{Evaluator, Outputs, Settings};
pub use notifier::Notifier;
pub use options::Options;
pub use subscription::Subscription;
pub use term::Term;
