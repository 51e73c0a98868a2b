//! Texts of clients, encoded so that every database takes them.
//!
//! A LATIN1 database cannot hold most characters, and no encoding can hold a NUL. So such texts are
//! percent-encoded: printable ASCII.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Encoded characters, beside all that are not ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// Encodes a text for a column.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Decodes the text of a column. Earlier versions stored texts as they were, so a `%` that begins no escape
/// stays.
pub fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
