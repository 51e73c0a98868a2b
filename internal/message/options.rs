//! How messages are kept.

use std::time::Duration;

/// The shortest time that messages are kept: epochs are a seventh of it.
const SHORTEST: Duration = Duration::from_secs(60);

/// The longest time: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// How messages are kept. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long, from their arrival.
    pub retention: Duration,
    /// The longest request.
    pub max_request: usize,
    /// The longest answer for several ids.
    pub max_answer: usize,
    /// Messages, or ids, in a request.
    pub max_batch: usize,
    /// The longest message.
    pub max_message: usize,
    /// Requests at once.
    pub max_in_flight: usize,
    /// Bytes on the database's disk; none: as many as there are.
    pub max_store: Option<u64>,
    /// Takes only what is all that CloudEvents 1.0 asks for.
    pub strict: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(168 * 3600),
            max_request: 4 << 20,
            max_answer: 4 << 20,
            max_batch: 10_000,
            max_message: 1 << 20,
            max_in_flight: 256,
            max_store: None,
            strict: false,
        }
    }
}

/// Parses a retention such as `168h`.
///
/// # Errors
/// What to write instead.
pub fn retention(text: &str) -> Result<Duration, String> {
    let retention = service::duration(text)?;
    if retention < SHORTEST {
        return Err("it is less than a minute; write 1m or more".to_owned());
    }
    if retention > LONGEST {
        return Err("it is more than a hundred years; write 36500d or less".to_owned());
    }
    Ok(retention)
}
