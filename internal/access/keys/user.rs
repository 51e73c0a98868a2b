//! Users, whose keys write in the journal.

use std::sync::Arc;

/// A user of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id of the key, safe to log.
    pub key: Arc<str>,
    /// Who it is; see [`is_user`].
    pub name: Arc<str>,
    /// The only device that the key may write of.
    pub device: Option<Arc<str>>,
}

/// Whether this may be the name of a user: 1 to 64 characters, of which none is a control character.
#[must_use]
pub fn is_user(name: &str) -> bool {
    let mut length = 0;
    let is_text = name.chars().inspect(|_| length += 1).all(|ch| !ch.is_control());
    is_text && (1..=64).contains(&length)
}
