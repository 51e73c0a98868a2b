//! Log lines that would repeat.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Texts remembered at the most; the oldest is forgotten first.
const REMEMBERED: usize = 64;

/// Limits how often each text is logged. Several tasks may fail for one reason, and each retries on its own.
#[derive(Debug)]
pub struct LogLimit {
    interval: Duration,
    /// Texts and when they were logged, the oldest first.
    logged: Mutex<Vec<(String, Instant)>>,
}

impl LogLimit {
    /// Allows each text once an interval.
    pub const fn every(interval: Duration) -> Self {
        Self {
            interval,
            logged: Mutex::new(Vec::new()),
        }
    }

    /// Whether to log this text: it was not allowed within the interval before. Call it only to log.
    pub fn allows(&self, text: &str) -> bool {
        self.allows_at(text, Instant::now())
    }

    /// Forgets all texts. Returns whether any was allowed since the last call.
    pub fn reset(&self) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let any = !logged.is_empty();
        logged.clear();
        any
    }

    fn allows_at(&self, text: &str, now: Instant) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.retain(|(_, when)| now.duration_since(*when) < self.interval);
        if logged.iter().any(|(known, _)| known == text) {
            return false;
        }
        if logged.len() == REMEMBERED {
            logged.remove(0);
        }
        logged.push((text.to_owned(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_logged_once_an_interval() {
        let interval = Duration::from_secs(300);
        let (limit, start) = (LogLimit::every(interval), Instant::now());
        assert!(limit.allows_at("a", start));
        assert!(limit.allows_at("b", start));
        assert!(!limit.allows_at("a", start + interval / 2), "it was logged");
        assert!(limit.allows_at("a", start + interval));
        assert!(limit.reset() && !limit.reset());
        assert!(limit.allows_at("a", start + interval));
        for number in 0..REMEMBERED * 2 {
            assert!(limit.allows_at(&number.to_string(), start + interval));
        }
        assert_eq!(limit.logged.lock().unwrap().len(), REMEMBERED);
    }
}
