//! Signs webhooks, and says when one that failed is tried again.

mod error;
mod keys;
mod schedule;

pub use error::Error;
pub use keys::{Keys, Secret, Signature};
pub use schedule::Schedule;
