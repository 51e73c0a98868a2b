//! A key that opens one thing, for everyone who has it.

use crate::keys::{Digest, LONGEST};
use secrecy::{ExposeSecret, SecretString};

/// A key that opens one thing, for everyone who has it. Holds its digest alone.
pub struct SingleKey(Digest);

impl SingleKey {
    /// Takes a key.
    #[must_use]
    pub fn new(key: &SecretString) -> Self {
        Self(Digest::of(key.expose_secret()))
    }

    /// Whether a text is the key. The time that it takes tells nothing of the key.
    #[must_use]
    pub fn fits(&self, given: &str) -> bool {
        given.len() <= LONGEST && self.0 == Digest::of(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_fits() {
        let key = SingleKey::new(&"secret".into());
        assert!(key.fits("secret"));
        for other in ["", "secre", "secrets", "Secret"] {
            assert!(!key.fits(other), "{other}");
        }
        let longest = "x".repeat(LONGEST);
        assert!(SingleKey::new(&longest.clone().into()).fits(&longest));
        let longer = "x".repeat(LONGEST + 1);
        assert!(!SingleKey::new(&longer.clone().into()).fits(&longer));
    }
}
