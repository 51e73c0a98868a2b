//! Keys by their digests.

use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use subtle::ConstantTimeEq;

/// Keys by their digests. The place of a digest depends on a random number of this process, and the entry is
/// compared in constant time. So the time of a look-up reveals nothing of the keys, and does not grow with
/// their number.
pub(super) type Table = HashMap<Digest, Key>;

/// Whom a key lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// Any device.
    Any,
    Device(Arc<str>),
    /// A user of the journal, who writes of any device, or of this one alone.
    User(Arc<str>, Option<Arc<str>>),
    /// Reads, of every device; writes nothing.
    Reads,
}

pub(super) struct Key {
    pub(super) id: Arc<str>,
    pub(super) binding: Binding,
    /// Seconds since 1970; 0 before the first use.
    pub(super) used: Arc<AtomicI64>,
}

impl Key {
    pub(super) fn new(id: &str, binding: Binding) -> Self {
        Self {
            id: id.into(),
            binding,
            used: Arc::default(),
        }
    }
}

/// The SHA-256 of a key.
pub(crate) struct Digest(pub(super) [u8; 32]);

impl Digest {
    pub(crate) fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl std::hash::Hash for Digest {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}
