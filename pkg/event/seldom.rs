//! Repeated log texts: each is logged once in five minutes, not at each try.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a logged text is not logged again.
const SELDOM: Duration = Duration::from_secs(300);

/// Texts remembered at the most; the oldest is forgotten first.
const REMEMBERED: usize = 64;

/// Whether to log this text: the process has not asked for it lately. Several parts of a program retry
/// on their own and fail for the same reason.
pub(crate) fn is_news(text: &str) -> bool {
    static SAID: Mutex<Said> = Mutex::new(Said(Vec::new()));
    SAID.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .is_news(text, Instant::now())
}

/// Texts and when they were logged, the oldest first.
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
