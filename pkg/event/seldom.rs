//! What a log is told: one sentence of one trouble, and not at each try.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a text that was logged is not worth another line.
const SELDOM: Duration = Duration::from_secs(300);

/// Texts remembered; beyond, the oldest is forgotten.
const REMEMBERED: usize = 64;

/// Whether this text is worth a line in the log: the process has not asked for it lately. Several
/// parts of a program try again by themselves, and meet the same trouble.
pub(crate) fn is_news(text: &str) -> bool {
    static SAID: Mutex<Said> = Mutex::new(Said(Vec::new()));
    SAID.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .is_news(text, Instant::now())
}

/// Texts and when they were said, the oldest first.
struct Said(Vec<(String, Instant)>);

impl Said {
    fn is_news(&mut self, text: &str, now: Instant) -> bool {
        self.0.retain(|(_, when)| now.duration_since(*when) < SELDOM);
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
    fn a_text_is_news_once_and_then_seldom() {
        let mut said = Said(Vec::new());
        let start = Instant::now();
        assert!(said.is_news("a", start));
        assert!(said.is_news("b", start));
        assert!(!said.is_news("a", start + SELDOM / 2), "it was said");
        assert!(said.is_news("a", start + SELDOM));
        for number in 0..REMEMBERED * 2 {
            assert!(said.is_news(&number.to_string(), start + SELDOM));
        }
        assert_eq!(said.0.len(), REMEMBERED);
    }
}
