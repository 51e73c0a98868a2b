//! Texts of clients, encoded so that every database takes them.
//!
//! A LATIN1 database cannot hold most characters, and no encoding can hold a NUL. So such texts are
//! percent-encoded: printable ASCII.

/// Encodes a text for a column.
pub fn encoded(text: &str) -> String {
    percent::encode_text(text)
}

/// Decodes the text of a column. Earlier versions stored texts as they were, so a `%` that begins no escape
/// stays.
pub fn decoded(text: &str) -> String {
    percent::decode_text(text)
}
