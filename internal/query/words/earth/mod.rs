//! Distances on the earth, and lines of fewer points.

mod distance;
mod simplify;

pub(crate) use distance::distance;
pub(crate) use simplify::{Simplifier, kept, kept_at_most};
