//! The lease of the evaluator, as its holder knows it.

use tokio::time::Instant;

/// What the holder of the lease may rely on. The notifier writes rows of the queue only while it
/// is in force.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// `evaluator.number` as of the last commit: greater than every number of an earlier holder.
    pub number: i64,
    /// When the lease ends, unless it is renewed. Earlier than the database's own end of it.
    pub until: Instant,
}

impl Term {
    /// Whether it has not ended.
    pub fn is_in_force(&self) -> bool {
        Instant::now() < self.until
    }
}
