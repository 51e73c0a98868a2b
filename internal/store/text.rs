//! Texts that clients wrote, as every database takes them.
//!
//! A database in LATIN1 has no place for most characters, and one in any encoding none for a NUL. So such
//! texts are percent-encoded: printable ASCII.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What is encoded of a text, beside all that is not ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// The text as a column holds it.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The text in a column. Rows of earlier versions hold their texts as they were: a `%` that begins no
/// escape stays.
pub fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
