//! Locks of what a store remembers.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex. What it holds is whole also after a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
