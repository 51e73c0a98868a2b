//! The part of a file that a client asks for by `Range` (RFC 9110, section 14).

use axum::http::{HeaderMap, header};
use std::ops::Range;

/// What a client gets of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it: 200.
    Whole,
    /// These bytes, at least one: 206.
    Of(Range<u64>),
    /// Nothing, because the file ends before: 416.
    None,
}

impl Part {
    /// The part that these headers ask for, of a file of `size` bytes with this strong ETag.
    ///
    /// A client that asks for several ranges, or for something that is no range of bytes, gets the whole file. So does
    /// one whose `If-Range` has another tag, or a date: its part is of another file.
    pub fn asked(headers: &HeaderMap, size: u64, tag: Option<&str>) -> Self {
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if headers.contains_key(header::IF_RANGE) && (tag.is_none() || text(header::IF_RANGE) != tag) {
            return Self::Whole;
        }
        match text(header::RANGE).and_then(parse) {
            None => Self::Whole,
            Some(Wanted::Last(0)) => Self::None,
            Some(Wanted::Last(_)) if size == 0 => Self::None,
            Some(Wanted::Last(count)) => Self::Of(size.saturating_sub(count)..size),
            Some(Wanted::From(first, _)) if first >= size => Self::None,
            Some(Wanted::From(first, last)) => {
                let end = last.map_or(size, |last| last.saturating_add(1).min(size));
                Self::Of(first..end)
            }
        }
    }
}

/// A range as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// From the first byte to the last one, which is included; to the end without one.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

/// Reads one range of bytes.
fn parse(text: &str) -> Option<Wanted> {
    let (unit, range) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // Beyond every file.
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    match (first, last) {
        ("", last) => number(last).map(Wanted::Last),
        (first, "") => Some(Wanted::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Wanted::From(first, Some(last)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(name.clone(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-0", Part::Of(0..1)),
            ("bytes=0-9", Part::Of(0..10)),
            ("bytes=2-5", Part::Of(2..6)),
            ("bytes=2-", Part::Of(2..10)),
            ("bytes=9-100", Part::Of(9..10)),
            ("bytes=-3", Part::Of(7..10)),
            ("bytes=-100", Part::Of(0..10)),
            ("Bytes = 2-5", Part::Of(2..6)),
            ("bytes=2-99999999999999999999999", Part::Of(2..10)),
            ("bytes=10-", Part::None),
            ("bytes=99999999999999999999999-", Part::None),
            ("bytes=-0", Part::None),
            ("bytes=5-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=1-2", Part::Whole),
            ("1-2", Part::Whole),
        ] {
            let asked = Part::asked(&headers(&[(header::RANGE, range)]), 10, Some("\"a\""));
            assert_eq!(asked, expected, "{range}");
        }
        assert_eq!(Part::asked(&HeaderMap::new(), 10, None), Part::Whole);
        for range in ["bytes=0-", "bytes=0-9", "bytes=-1"] {
            let empty = Part::asked(&headers(&[(header::RANGE, range)]), 0, None);
            assert_eq!(empty, Part::None, "{range}");
        }
    }

    #[test]
    fn a_range_of_another_file() {
        for (condition, tag, expected) in [
            ("\"a\"", Some("\"a\""), Part::Of(2..6)),
            ("\"b\"", Some("\"a\""), Part::Whole),
            ("W/\"a\"", Some("\"a\""), Part::Whole),
            ("\"a\"", None, Part::Whole),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some("\"a\""), Part::Whole),
        ] {
            let headers = headers(&[(header::RANGE, "bytes=2-5"), (header::IF_RANGE, condition)]);
            assert_eq!(Part::asked(&headers, 10, tag), expected, "{condition}");
        }
    }
}
