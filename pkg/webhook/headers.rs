//! Headers that a subscriber adds to its webhooks.

use crate::Error;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;

/// Most headers.
const MOST: usize = 64;
/// Most bytes of names and values together.
const MOST_BYTES: usize = 16 * 1024;

/// Names that the HTTP client sets, or that concern one connection only (RFC 9110, 7.6.1).
const OURS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
];
/// How names begin that are reserved for the signature, for CloudEvents, and for proxies.
const OUR_BEGINNINGS: [&str; 3] = ["webhook-", "ce-", "proxy-"];

/// Headers that a subscriber adds to its webhooks. They can hold credentials, so `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(HeaderMap);

impl Headers {
    /// Takes names and values; a name may come several times.
    ///
    /// # Errors
    /// [`Error::Header`] names the header that HTTP cannot send or that only the sender sets: `Host`,
    /// `Content-Length`, `Expect`, `webhook-*`, `ce-*`, and what concerns one connection.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let mut headers = HeaderMap::new();
        let mut bytes = 0;
        for (name, value) in pairs {
            let wrong = |wrong| Error::Header {
                name: name.chars().filter(|c| !c.is_control()).take(64).collect(),
                wrong,
            };
            let Ok(key) = HeaderName::from_bytes(name.as_bytes()) else {
                return Err(wrong("is no name; use letters, digits and -"));
            };
            if OURS.contains(&key.as_str()) || OUR_BEGINNINGS.iter().any(|ours| key.as_str().starts_with(ours)) {
                return Err(wrong("is set by the sender; leave it out"));
            }
            let Ok(mut value) = HeaderValue::from_str(value) else {
                return Err(wrong("has a value with a character that HTTP cannot send; use ASCII"));
            };
            value.set_sensitive(true);
            bytes += key.as_str().len() + value.len();
            if headers.len() == MOST || bytes > MOST_BYTES {
                return Err(wrong("is one too many; send at most 64, of 16 KiB together"));
            }
            headers.append(key, value);
        }
        Ok(Self(headers))
    }

    pub(crate) fn map(&self) -> &HeaderMap {
        &self.0
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sender_sets_some_headers() {
        for name in [
            "Host",
            "host",
            "HOST",
            "Connection",
            "Keep-Alive",
            "Proxy-Authorization",
            "Proxy-Connection",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "transfer-encoding",
            "Upgrade",
            "Content-Length",
            "Expect",
            "webhook-id",
            "Webhook-Signature",
            "webhook-anything",
            "ce-id",
            "Ce-Type",
            "",
            "a b",
            "a:b",
            "a\r\nHost",
            "Ho\u{17f}t",
            "é",
        ] {
            let error = Headers::new([("Fine", "x"), (name, "x")]).unwrap_err();
            let Error::Header { name: named, .. } = &error else {
                panic!("{error}")
            };
            assert_eq!(*named, name.replace(['\r', '\n'], ""), "{error}");
        }
        for value in ["a\r\nHost: b", "a\nb", "\0", "a\u{7f}"] {
            let error = Headers::new([("X-Any", value)]).unwrap_err().to_string();
            assert!(error.starts_with("the header X-Any has a value"), "{error}");
        }
    }

    #[test]
    fn others_are_taken_and_never_shown() {
        let pairs = [
            ("Authorization", "Bearer hunter2"),
            ("Content-Type", "text/plain"),
            ("X-Two", "1"),
            ("X-Two", "2"),
            ("Hostname", "x"),
            ("webhooks", "x"),
            ("Cookie", "a=b"),
        ];
        let headers = Headers::new(pairs).unwrap();
        assert_eq!(headers.map().len(), 7);
        assert!(!format!("{headers:?}").contains("hunter2"));
        assert!(format!("{headers:?}").contains("authorization"));
    }

    #[test]
    fn there_are_not_too_many() {
        let names: Vec<String> = (0..65).map(|number| format!("x-{number}")).collect();
        let many = |count| Headers::new(names.iter().take(count).map(|name| (name.as_str(), "x")));
        assert!(many(64).is_ok());
        assert!(many(65).is_err());
        assert!(Headers::new([("x", "y".repeat(16 * 1024).as_str())]).is_err());
    }
}
