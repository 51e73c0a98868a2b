//! The values of a line, each a reading or the reason for its rejection.
//!
//! A client that was cut off leaves half a value, and may write its next value on the same line. So judging
//! resumes at the next `{`.

use super::bounds::{ANY, Bounds};
use super::decode::{Decoded, First, Malformed, breaks_off, decode, first, not_utf8};
use super::signature::{blanks, is_blank};
use std::borrow::Cow;

/// How often judging resumes within a line behind invalid text.
pub const RESUMES: u32 = 16;

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
    /// How often judging may still resume at a next `{`.
    resumes: u32,
}

impl<'a> Values<'a> {
    /// Makes the values of a line. `resumes` is [`RESUMES`], less those used by earlier parts of the same
    /// line.
    pub fn new(line: &'a [u8], bounds: Bounds, resumes: u32) -> Self {
        Self {
            rest: trimmed(line),
            text: "",
            whole: false,
            bounds,
            resumes,
        }
    }

    /// How often judging may still resume behind invalid text.
    pub fn resumes(&self) -> u32 {
        self.resumes
    }

    /// Whether only blanks are left.
    pub fn is_empty(&self) -> bool {
        blanks(self.rest) == self.rest.len()
    }

    /// Bytes at the beginning of a line that hold decided values: what follows cannot change them.
    pub fn decided(line: &'a [u8]) -> usize {
        let mut values = Self {
            rest: line,
            ..Self::new(&[], ANY, RESUMES)
        };
        let mut decided = 0;
        loop {
            values.pass(blanks(values.rest));
            let end = match values.find() {
                Found::Value(_, length) => length,
                Found::None(_) => match next_object(values.rest) {
                    Some(length) if values.resumes > 0 => {
                        values.resumes -= 1;
                        length
                    }
                    _ => return decided,
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
            return Found::None(None);
        }
        match first(text, self.bounds) {
            First::Whole(verdict, length) => Found::Value(verdict, length),
            First::Open if self.whole => Found::Open,
            First::Open => Found::None(Some(not_utf8(text.len()))),
            First::Malformed(Malformed::Field(reason)) => Found::None(Some(reason)),
            First::Malformed(Malformed::Syntax(reason))
                if next_object(self.rest).is_none() && !self.rest.contains(&0) =>
            {
                Found::None(Some(reason))
            }
            First::Malformed(Malformed::Syntax(_)) => Found::None(Some(breaks_off(self.resumed().0))),
        }
    }

    /// How many bytes of the rest to skip as invalid, and whether judging resumes behind them.
    fn resumed(&self) -> (usize, bool) {
        match next_object(self.rest) {
            Some(length) if self.resumes > 0 => (length, true),
            _ => (self.rest.len(), false),
        }
    }
}

enum Found<'a> {
    /// A whole value of this many bytes.
    Value(Result<Decoded<'a>, String>, usize),
    /// Not a value, and why if that is known.
    None(Option<String>),
    /// The beginning of a value, up to the end of the rest.
    Open,
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.pass(blanks(self.rest));
        if self.rest.is_empty() {
            return None;
        }
        let reason = match self.find() {
            Found::Value(verdict, length) => {
                let raw = &self.rest[..length];
                self.pass(length);
                return Some(Value { raw, verdict });
            }
            Found::None(reason) => reason,
            Found::Open => Some(breaks_off(trimmed(self.rest).len())),
        };
        let (length, resumes) = self.resumed();
        let raw = trimmed(&self.rest[..length]);
        self.pass(length);
        self.resumes -= u32::from(resumes);
        let reason = reason.or_else(|| decode(raw, self.bounds).err());
        let verdict = Err(reason.unwrap_or_else(|| "not a JSON object".into()));
        Some(Value { raw, verdict })
    }
}

/// Bytes before the next object in `rest`, behind its first byte.
fn next_object(rest: &[u8]) -> Option<usize> {
    Some(memchr::memchr(b'{', rest.get(1..)?)? + 1)
}

/// `bytes` without blanks at their end.
pub fn trimmed(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() - bytes.iter().rev().take_while(|byte| is_blank(**byte)).count()]
}

/// A line with one NUL for each run of them, as where chunks cut it.
pub fn without_runs(line: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(0, line).is_none() {
        return line.into();
    }
    let mut kept = line.to_vec();
    kept.dedup_by(|byte, before| *byte == 0 && *before == 0);
    kept.into()
}
