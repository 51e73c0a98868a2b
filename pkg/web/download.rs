//! A file that clients may take in parts, and go on with where they broke off.

use crate::{Part, Problem, is_known};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::ops::Range;

/// What is known of a file before it is read.
#[derive(Clone, Debug)]
pub struct Download {
    /// Its length in bytes.
    pub size: u64,
    /// Its strong ETag, quotes included. Without one, a client cannot go on after its part was replaced.
    pub tag: Option<String>,
    /// Its content type.
    pub kind: &'static str,
}

impl Download {
    /// Judges a request for this file. Returns the answer's status and the bytes that its body has, and adds the
    /// headers that describe them. No bytes go with 304, for a client that has the file.
    ///
    /// # Errors
    /// 416 for a range after the end.
    pub fn answer(
        &self,
        method: &Method,
        asked: &HeaderMap,
        headers: &mut HeaderMap,
    ) -> Result<(StatusCode, Range<u64>), Problem> {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(tag) = &self.tag {
            headers.insert(header::ETAG, value(tag)?);
            if is_known(asked, tag) {
                return Ok((StatusCode::NOT_MODIFIED, 0..0));
            }
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        // A range is defined for GET alone.
        let part = if method == Method::GET {
            Part::asked(asked, self.size, self.tag.as_deref())
        } else {
            Part::Whole
        };
        let (status, range) = match part {
            Part::Whole => (StatusCode::OK, 0..self.size),
            Part::Of(range) => {
                let last = range.end.saturating_sub(1);
                let of = format!("bytes {}-{last}/{}", range.start, self.size);
                headers.insert(header::CONTENT_RANGE, value(&of)?);
                (StatusCode::PARTIAL_CONTENT, range)
            }
            Part::None => {
                let detail = format!(
                    "The file has {} bytes, and the range begins after them; ask for an earlier one.",
                    self.size
                );
                let size = value(&format!("bytes */{}", self.size))?;
                return Err(Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail).header(header::CONTENT_RANGE, size));
            }
        };
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
        Ok((status, range))
    }
}

/// A store's tag as a strong ETag; none if it is weak, or has a character that an ETag cannot hold.
pub fn strong(tag: &str) -> Option<String> {
    let opaque = tag.trim_matches('"');
    let is_opaque = opaque.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    (!tag.starts_with("W/") && !opaque.is_empty() && is_opaque).then(|| format!("\"{opaque}\""))
}

fn value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(Problem::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_sent_whole_in_part_or_not_at_all() {
        let file = Download {
            size: 10,
            tag: strong("a"),
            kind: "text/plain",
        };
        for (name, value, expected, length) in [
            ("accept", "*/*", (StatusCode::OK, 0..10), Some("10")),
            ("range", "bytes=2-5", (StatusCode::PARTIAL_CONTENT, 2..6), Some("4")),
            ("if-none-match", "\"a\"", (StatusCode::NOT_MODIFIED, 0..0), None),
        ] {
            let (mut asked, mut headers) = (HeaderMap::new(), HeaderMap::new());
            asked.insert(name, value.parse().unwrap());
            assert_eq!(
                file.answer(&Method::GET, &asked, &mut headers).unwrap(),
                expected,
                "{value}"
            );
            let given = headers.get(header::CONTENT_LENGTH);
            assert_eq!(given.map(|length| length.to_str().unwrap()), length, "{value}");
        }
        let mut asked = HeaderMap::new();
        asked.insert(header::RANGE, "bytes=10-".parse().unwrap());
        let refused = file.answer(&Method::GET, &asked, &mut HeaderMap::new()).unwrap_err();
        assert_eq!(refused.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        let (status, range) = file.answer(&Method::HEAD, &asked, &mut HeaderMap::new()).unwrap();
        assert_eq!((status, range), (StatusCode::OK, 0..10));
    }

    #[test]
    fn tags_of_stores() {
        assert_eq!(strong("\"a-1\"").as_deref(), Some("\"a-1\""));
        assert_eq!(strong("a-1").as_deref(), Some("\"a-1\""));
        for bad in ["W/\"a\"", "", "\"\"", "a b", "a\"b"] {
            assert_eq!(strong(bad), None, "{bad}");
        }
    }
}
