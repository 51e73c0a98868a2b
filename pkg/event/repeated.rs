//! Repeated log texts: each is logged once in five minutes, not at each try.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a logged text is not logged again.
const LOG_INTERVAL: Duration = Duration::from_secs(300);

/// Texts remembered at the most; the oldest is forgotten first.
const REMEMBERED: usize = 64;

/// Whether to log this text: the process has not asked for it lately. Several parts of a program retry
/// on their own and fail for the same reason.
pub(crate) fn should_log(text: &str) -> bool {
    static LOGGED: Mutex<Logged> = Mutex::new(Logged(Vec::new()));
    LOGGED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .should_log(text, Instant::now())
}

/// Texts and when they were logged, the oldest first.
struct Logged(Vec<(String, Instant)>);

impl Logged {
    fn should_log(&mut self, text: &str, now: Instant) -> bool {
        self.0.retain(|(_, when)| now.duration_since(*when) < LOG_INTERVAL);
        if self.0.iter().any(|(said, _)| said == text) {
            return false;
        }
        if self.0.len() == REMEMBERED {
            self.0.remove(0);
        }
        self.0.push((text.to_owned(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_logged_once_an_interval() {
        let mut said = Logged(Vec::new());
        let start = Instant::now();
        assert!(said.should_log("a", start));
        assert!(said.should_log("b", start));
        assert!(!said.should_log("a", start + LOG_INTERVAL / 2), "it was said");
        assert!(said.should_log("a", start + LOG_INTERVAL));
        for number in 0..REMEMBERED * 2 {
            assert!(said.should_log(&number.to_string(), start + LOG_INTERVAL));
        }
        assert_eq!(said.0.len(), REMEMBERED);
    }
}
