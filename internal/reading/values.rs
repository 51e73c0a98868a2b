//! The values of a line, each a reading or the reason for its rejection.
//!
//! A client that was cut off leaves half a value, and may write its next value on the same line. So judging
//! resumes at the next `{`. Where the braces of a bad value match, it is one value with all that is in it. A longer one
//! than dead letters keep is judged inside as well: clients wrap batches of readings in an object.

use super::bounds::{ANY, Bounds};
use super::braces::Braces;
use super::decode::{Decoded, First, Malformed, breaks_off, decode, first, not_utf8};
use super::signature::{blanks, is_blank};
use std::borrow::Cow;

/// Bytes of a line that are read once more, at most, because judging resumes behind invalid text. Without it, a line of
/// beginnings alone would be read as often as it has braces.
pub const READ_AGAIN: usize = 1 << 20;

/// Within how many bytes a bad value must end for its braces to count. A dead letter keeps as many.
const BAD: usize = 4096;

/// A value of a line.
#[derive(Debug)]
pub struct Value<'a> {
    /// Its bytes, without blanks around them.
    pub raw: &'a [u8],
    /// The reading, or the reason for its rejection.
    pub verdict: Result<Decoded<'a>, String>,
}

/// The values of a line, or of a part of one.
#[derive(Debug)]
pub struct Values<'a> {
    rest: &'a [u8],
    /// The beginning of the rest that is known to be UTF-8: each byte is checked once.
    text: &'a str,
    /// Only, perhaps, the beginning of a character follows the text.
    whole: bool,
    bounds: Bounds,
    /// Bytes that may still be read again.
    again: usize,
    exhausted: bool,
}

impl<'a> Values<'a> {
    /// Makes the values of a line. `again` is [`READ_AGAIN`], less what earlier parts of the same line have used.
    pub fn new(line: &'a [u8], bounds: Bounds, again: usize) -> Self {
        Self {
            rest: trimmed(line),
            text: "",
            whole: false,
            bounds,
            again,
            exhausted: false,
        }
    }

    /// Bytes that may still be read again behind invalid text.
    pub fn again(&self) -> usize {
        self.again
    }

    /// Whether [`READ_AGAIN`] was used up: the last value was bad, and what follows it was not judged.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// Whether only blanks are left.
    pub fn is_empty(&self) -> bool {
        blanks(self.rest) == self.rest.len()
    }

    /// Bytes at the beginning of a line that hold decided values: what follows cannot change them.
    pub fn decided(line: &'a [u8]) -> usize {
        let mut values = Self {
            rest: line,
            ..Self::new(&[], ANY, READ_AGAIN)
        };
        let mut decided = 0;
        loop {
            values.pass(blanks(values.rest));
            let end = match values.find() {
                Found::Value(_, length) | Found::Bad(_, length) => length,
                // More bytes may show that its braces match.
                Found::None(..) if values.rest.first() == Some(&b'{') && values.rest.len() < BAD && decided > 0 => {
                    return decided;
                }
                Found::None(_, cost) => match values.resume(cost) {
                    Some(length) => length,
                    None => return decided,
                },
                Found::Open => return decided,
            };
            values.pass(end);
            decided = line.len() - values.rest.len();
        }
    }

    /// Skips this many bytes.
    fn pass(&mut self, length: usize) {
        self.rest = &self.rest[length..];
        self.text = self.text.get(length..).unwrap_or_default();
    }

    /// What the rest, which begins with no blank, begins with.
    fn find(&mut self) -> Found<'a> {
        if self.rest.is_empty() {
            return Found::Open;
        }
        if self.text.is_empty() {
            (self.text, self.whole) = match std::str::from_utf8(self.rest) {
                Ok(text) => (text, true),
                Err(error) => {
                    let valid = &self.rest[..error.valid_up_to()];
                    (
                        std::str::from_utf8(valid).unwrap_or_default(),
                        error.error_len().is_none(),
                    )
                }
            };
        }
        let text = self.text;
        if !text.starts_with('{') {
            return Found::None(None, 0);
        }
        let (reason, cost, is_syntax) = match first(text, self.bounds) {
            First::Whole(Err(reason), length) if wraps(&self.rest[..length]) => (reason, length, false),
            First::Whole(verdict, length) => return Found::Value(verdict, length),
            First::Open if self.whole => return Found::Open,
            First::Open => (not_utf8(text.len()), text.len(), false),
            First::Malformed(Malformed::Field(reason)) => (reason, 0, false),
            First::Malformed(Malformed::Syntax(reason, cost)) => (reason, cost, true),
        };
        let near = &self.rest[..self.rest.len().min(BAD)];
        // The end of an array around a torn value, with readings behind it, is not its end.
        let end = Braces::default().end(near).filter(|end| near[..*end].ends_with(b"}"));
        if let Some(length) = end {
            return Found::Bad(reason, length);
        }
        let next = next_object(self.rest);
        let is_torn = is_syntax && (next.is_some() || self.rest.contains(&0));
        let reason = if is_torn {
            breaks_off(next.unwrap_or(self.rest.len()))
        } else {
            reason
        };
        Found::None(Some(reason), cost + near.len())
    }

    /// Bytes to skip as invalid before judging resumes, if it may read so many again.
    fn resume(&mut self, cost: usize) -> Option<usize> {
        let length = next_object(self.rest)?;
        match self.again.checked_sub(cost) {
            Some(again) => self.again = again,
            None => {
                self.exhausted = true;
                return None;
            }
        }
        Some(length)
    }
}

enum Found<'a> {
    /// A whole value of this many bytes.
    Value(Result<Decoded<'a>, String>, usize),
    /// Not a value, and why; but its braces match behind this many bytes.
    Bad(String, usize),
    /// Not a value, and why if that is known; and how many bytes it took to see.
    None(Option<String>, usize),
    /// The beginning of a value, up to the end of the rest.
    Open,
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        loop {
            self.pass(blanks(self.rest));
            if self.rest.is_empty() {
                return None;
            }
            let (reason, cost) = match self.find() {
                Found::Value(verdict, length) => {
                    let raw = &self.rest[..length];
                    self.pass(length);
                    return Some(Value { raw, verdict });
                }
                Found::Bad(reason, length) => {
                    let raw = &self.rest[..length];
                    self.pass(length);
                    let verdict = Err(reason);
                    return Some(Value { raw, verdict });
                }
                Found::None(reason, cost) => (reason, cost),
                Found::Open => (Some(breaks_off(trimmed(self.rest).len())), self.rest.len()),
            };
            let length = self.resume(cost).unwrap_or(self.rest.len());
            let raw = trimmed(&self.rest[..length]);
            self.pass(length);
            if raw.iter().all(|byte| b",[]".contains(byte) || is_blank(*byte)) {
                // Between readings of an array.
                continue;
            }
            let reason = reason.or_else(|| decode(raw, self.bounds).err());
            let verdict = Err(reason.unwrap_or_else(|| "not a JSON object".into()));
            return Some(Value { raw, verdict });
        }
    }
}

/// Whether a bad object may hold readings and is too long to be kept whole: judging goes on inside it, as in a batch of
/// readings that an object wraps.
pub fn wraps(object: &[u8]) -> bool {
    object.len() > BAD && next_object(object).is_some()
}

/// The device that an object names which begins like this around readings, as `{"device":"lada","readings":[` does. It is
/// empty where it is no string.
pub fn device_around(beginning: &[u8]) -> Option<&[u8]> {
    const FIELD: &[u8] = b"\"device\"";
    let text = trimmed(beginning).strip_suffix(b"[")?;
    let behind = memchr::memmem::find(text, FIELD)? + FIELD.len();
    let value = text[behind..].trim_ascii_start().strip_prefix(b":")?;
    let Some(name) = value.trim_ascii_start().strip_prefix(b"\"") else {
        return Some(b"");
    };
    Some(&name[..memchr::memchr(b'"', name)?])
}

/// Bytes before the next object in `rest`, behind its first byte.
fn next_object(rest: &[u8]) -> Option<usize> {
    Some(memchr::memchr(b'{', rest.get(1..)?)? + 1)
}

/// `bytes` without blanks at their end.
pub fn trimmed(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() - bytes.iter().rev().take_while(|byte| is_blank(**byte)).count()]
}

/// A line with at most two NULs in a row, as where chunks cut it: one after each sign may be UTF-16, two are a run.
pub fn without_runs(line: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(0, line).is_none() {
        return line.into();
    }
    let mut kept = Vec::with_capacity(line.len());
    for byte in line {
        if *byte != 0 || !kept.ends_with(&[0, 0]) {
            kept.push(*byte);
        }
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"sensor":"speed","value":1,"timestamp":"2024-05-01T12:00:00Z"}"#;

    /// The readings and the reasons of a line.
    fn judge(line: &str) -> (usize, Vec<(String, String)>) {
        let (mut good, mut bad) = (0, Vec::new());
        for Value { raw, verdict } in Values::new(line.as_bytes(), ANY, READ_AGAIN) {
            match verdict {
                Ok(_) => good += 1,
                Err(reason) => bad.push((String::from_utf8_lossy(raw).into_owned(), reason)),
            }
        }
        (good, bad)
    }

    #[test]
    fn readings_behind_damage_are_kept() {
        // The elements of an array, with or without its brackets.
        let many = vec![GOOD; 100].join(",");
        assert_eq!(judge(&many), (100, vec![]));
        assert_eq!(judge(&format!("[{many} , ]")), (100, vec![]));
        // Many beginnings of readings.
        let torn = r#"{"sensor":"x","val"#;
        let (good, bad) = judge(&format!("{}{GOOD}{torn}{GOOD}", torn.repeat(100)));
        assert_eq!((good, bad.len()), (2, 101));
        assert_eq!(bad[0].0, torn);
        assert_eq!(judge("[7]").1.len(), 1);
        // The end of an array is not the end of a reading that is torn in it.
        for torn in [
            r#"{"sensor":"x""#,
            r#"{"sensor":"x","value":"#,
            r#"{"sensor":"x","val"#,
            "{",
        ] {
            let (good, bad) = judge(&format!("[{GOOD},{torn}{GOOD},{GOOD}]"));
            assert_eq!((good, bad.len()), (3, 1), "{torn}: {bad:?}");
            assert_eq!(bad[0].0, torn);
        }
    }

    /// What is in a bad reading is no reading of its own.
    #[test]
    fn a_bad_value_is_bad_with_all_that_is_in_it() {
        for field in [
            r#""value":NaN"#,
            r#""value":1,"note":'x'"#,
            r#""value":1 2"#,
            r#""device":7,"value":NaN"#,
        ] {
            let bad = format!(r#"{{"sensor":"x",{field},"last":{GOOD},"more":[{GOOD}]}}"#);
            let (good, found) = judge(&format!("{GOOD}{bad}{GOOD}"));
            assert_eq!((good, found.len()), (2, 1), "{found:?}");
            assert_eq!(found[0].0, bad);
        }
    }

    /// Of a longer one, a dead letter keeps the beginning alone.
    #[test]
    fn readings_in_a_long_bad_object_are_kept() {
        let many = vec![GOOD; 100].join(",");
        let (good, bad) = judge(&format!(r#"{GOOD}{{"readings":[{many}],"more":1}}{GOOD}"#));
        assert_eq!((good, bad.len()), (102, 2), "{bad:?}");
        assert_eq!(bad[0].0, r#"{"readings":["#);
        assert_eq!(bad[1].0, r#"],"more":1}"#);
        // Without an object in it, it is one value.
        let long = format!(r#"{{"sensor":"x","note":"{}"}}"#, "y".repeat(BAD));
        let (good, bad) = judge(&format!("{long}{GOOD}"));
        assert_eq!((good, bad.len()), (1, 1));
        assert_eq!(bad[0].0, long);
    }

    #[test]
    fn the_device_that_an_object_around_readings_names() {
        for (beginning, expected) in [
            (r#"{"device":"lada","readings":["#, Some("lada")),
            ("{ \"device\" : \"lada\", \"more\": [ \0", Some("lada")),
            (r#"{"device":7,"readings":["#, Some("")),
            (r#"{"readings":["#, None),
            (r#"{"device":"lada","sensor":"x","value":"#, None),
            (r#"{"device":"lada"}"#, None),
            ("", None),
        ] {
            let found = device_around(beginning.as_bytes());
            assert_eq!(found, expected.map(str::as_bytes), "{beginning}");
        }
    }

    /// A line of beginnings alone is not read as often as it has braces.
    #[test]
    fn reading_again_is_bounded() {
        let line = format!("{}{GOOD}", r#"{"a":"#.repeat(1 << 18));
        let mut values = Values::new(line.as_bytes(), ANY, READ_AGAIN);
        let judged = values.by_ref().count();
        assert!(judged < READ_AGAIN / BAD + 2, "{judged}");
        assert!(values.is_exhausted() && values.is_empty());
    }
}
