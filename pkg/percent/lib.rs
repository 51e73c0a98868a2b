//! Percent-encoding, of URLs and of texts that must become ASCII. In a URL a `%` begins two hex digits, and any
//! other `%` is an error.
//!
//! ```
//! assert_eq!(percent::encode(b"a b"), "a%20b");
//! assert_eq!(percent::decode("a%20b"), Ok("a b".to_owned()));
//! assert_eq!(percent::decode("100%"), Err(percent::Error::Escape));
//! ```
//!
//! Deliberately not here: parsing of URLs.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};

/// All but the unreserved characters (RFC 3986, 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same without the slash, so that paths stay legible.
const RESERVED_BUT_SLASH: &AsciiSet = &RESERVED.remove(b'/');

/// What a text encodes, beside all that is not ASCII.
const UNPRINTABLE: &AsciiSet = &CONTROLS.add(b'%');

/// Why a text is not percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Write `%25` for a `%` itself.
    #[error("a % is not followed by two hex digits (a % itself is written %25)")]
    Escape,
    /// Encode UTF-8.
    #[error("it is not UTF-8 after percent-decoding")]
    Utf8,
}

/// Undoes percent-encoding.
///
/// # Errors
/// See [`Error`].
pub fn decode(text: &str) -> Result<String, Error> {
    let decoded: Vec<u8> = percent_decode_str(text).collect();
    // The library leaves a malformed % as it is; each decoded escape turned three bytes into one.
    if decoded.len() + 2 * text.matches('%').count() != text.len() {
        return Err(Error::Escape);
    }
    String::from_utf8(decoded).map_err(|_| Error::Utf8)
}

/// Encodes bytes for the query of a URL.
pub fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, RESERVED).to_string()
}

/// Encodes a path for the query of a URL; slashes stay.
pub fn encode_path(bytes: &[u8]) -> String {
    percent_encode(bytes, RESERVED_BUT_SLASH).to_string()
}

/// Encodes a text as printable ASCII: control characters, `%` and all characters that are not ASCII.
pub fn encode_text(text: &str) -> String {
    utf8_percent_encode(text, UNPRINTABLE).to_string()
}

/// Undoes [`encode_text`]. A `%` that begins no escape stays, and bytes that are not UTF-8 become U+FFFD: it also
/// reads texts that were never encoded.
pub fn decode_text(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_or_says_what_is_wrong() {
        for (text, expected) in [
            ("", Ok("")),
            ("/etc/ca.pem", Ok("/etc/ca.pem")),
            ("%2Fetc%2fca%20one.pem", Ok("/etc/ca one.pem")),
            ("p%40ss+word", Ok("p@ss+word")),
            ("100%25", Ok("100%")),
            ("%2525", Ok("%25")),
            ("%00", Ok("\0")),
            ("%C3%A9 é", Ok("é é")),
            ("100%", Err(Error::Escape)),
            ("%2", Err(Error::Escape)),
            ("%+1", Err(Error::Escape)),
            ("%zz%41", Err(Error::Escape)),
            ("%%41", Err(Error::Escape)),
            ("%é1", Err(Error::Escape)),
            ("%FF", Err(Error::Utf8)),
        ] {
            assert_eq!(decode(text), expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        assert_eq!(encode("a b/c&d%e=é~".as_bytes()), "a%20b%2Fc%26d%25e%3D%C3%A9~");
        assert_eq!(encode_path(b"/run/a b&c"), "/run/a%20b%26c");
        let all: String = (0..0x180).filter_map(char::from_u32).collect();
        assert_eq!(decode(&encode(all.as_bytes())), Ok(all));
    }
}
