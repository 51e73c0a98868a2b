//! Warnings on the terminal.

use std::io::Write as _;

/// Warns that a fault is not tested.
pub(crate) fn warn(text: &str) {
    // Ignores a closed standard error.
    let _ = writeln!(std::io::stderr(), "\n*** {text} ***\n");
}
