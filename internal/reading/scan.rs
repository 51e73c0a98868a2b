//! Splits a body, in chunks of any size, into pieces that hold values; holds about a line of it.
//!
//! A body comes in one of two forms, known by its beginning:
//! - **lines**, the usual one. A line holds values one after the other (`values.rs` finds them). A bad line
//!   spoils no other line.
//! - **a document**: objects over several lines, or arrays of objects. It begins with `[`, or its first
//!   line is only the beginning of an object and its second line begins with no object. Its syntax is strict:
//!   after an error, it is unknown where a value begins.
//!
//! Lines become a document where a line is only the beginning of an object and the next line goes on with it.
//! A client may say that its body has lines alone.
//!
//! An object that is longer than a value may be is cut at the objects in it: clients wrap batches of readings in one.
//!
//! NULs, which a power cut leaves in files, record separators and byte order marks are blanks between values.
//! NULs count towards no limit.

mod document;
mod found;
mod line;

use super::bounds::ANY;
use super::decode::{First, first};
use super::signature::{MARK, is_blank};
use super::values::{trimmed, without_runs};
use document::Document;
use found::{Found, Kind, Place};
use line::{Lines, without_return};
use std::mem;

/// Finds the pieces of a body.
#[derive(Debug)]
pub struct Scanner {
    form: Form,
    lines: Lines,
    document: Document,
    held: Held,
    /// The body has lines alone.
    is_lines: bool,
    /// How many bytes of a possible byte order mark have come.
    mark: usize,
}

/// The form of a body, as far as known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Only blanks have come.
    Blank,
    /// The first line is being gathered.
    First,
    /// A line is held: only the beginning of an object.
    Second,
    Lines,
    Document,
}

/// Bytes held back until the form is known.
#[derive(Debug, Default)]
struct Held {
    /// A line, and with its end the next one that is not blank, if that has come.
    bytes: Vec<u8>,
    /// How many have been read since.
    read: usize,
    /// The number of the first line.
    number: u64,
    /// It is not the first of the body.
    is_later: bool,
    /// Where the second line begins; 0 before it has come.
    second: usize,
    /// Blank lines between them.
    blank: u64,
}

/// A token of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A line without its end, or without blanks a part of one: values one after the other.
    Line {
        /// Never blank.
        bytes: &'a [u8],
        /// Other parts of the line come before or after: it is longer than a value may be.
        part: bool,
    },
    /// A value of a document, from its brace to its brace.
    Value {
        /// The object.
        bytes: &'a [u8],
        /// Its number among the values that begin on the same line, from 1.
        ordinal: u64,
    },
    /// The kept beginning of a value, or of a line without one, that is longer than allowed.
    TooLong {
        /// The kept bytes.
        bytes: &'a [u8],
        /// In a document, its number among the values that begin on the same line.
        ordinal: Option<u64>,
        /// It is the beginning of an object that holds others, which may be readings; the next tokens hold these.
        wraps: bool,
    },
    /// In a document, a part of a value that is longer than allowed: objects that it holds, and text around them.
    Within {
        /// Never blank.
        bytes: &'a [u8],
        /// The value's number among the values that begin on the same line.
        ordinal: u64,
    },
    /// From here on the document is not JSON. No token follows.
    Syntax(&'a [u8]),
}

impl Scanner {
    /// Makes a scanner that returns values of at most `max` bytes whole.
    pub fn new(max: usize) -> Self {
        Self {
            form: Form::Blank,
            lines: Lines::new(max),
            document: Document::new(max),
            held: Held::default(),
            is_lines: false,
            mark: 0,
        }
    }

    /// Takes the body as lines, also where it begins as a document does.
    #[must_use]
    pub fn of_lines(self) -> Self {
        Self { is_lines: true, ..self }
    }

    /// Returns the next token that ends in `chunk`, and the number of its first line. Lines count from 1,
    /// blank ones too. Shortens `chunk` by the bytes read. `None` when the chunk is used up.
    pub fn next<'a, 'c: 'a>(&'a mut self, chunk: &mut &'c [u8]) -> Option<(u64, Token<'a>)> {
        if self.form == Form::Lines && self.held.bytes.is_empty() {
            // The fast path.
            if let Some(bytes) = self.lines.whole(chunk) {
                let number = self.lines.number();
                if is_whole(bytes) || !self.hold(bytes, number, true) {
                    return Some((number, Token::Line { bytes, part: false }));
                }
            }
        }
        loop {
            if self.held.read < self.held.bytes.len() {
                let Some(found) = self.replay() else {
                    continue;
                };
                return Some(self.token(found, &self.held.bytes));
            }
            if matches!(self.form, Form::Lines | Form::Document) && !self.held.bytes.is_empty() {
                self.held = Held::default();
            }
            let whole = *chunk;
            let found = match self.form {
                Form::Blank => {
                    self.begin(chunk);
                    if self.form == Form::Blank {
                        return None;
                    }
                    continue;
                }
                Form::First | Form::Lines => {
                    let found = self.lines.next(chunk)?;
                    let is_later = self.form == Form::Lines;
                    self.form = Form::Lines;
                    if self.holds(&found, whole, is_later) {
                        continue;
                    }
                    found
                }
                Form::Second => {
                    let found = self.lines.next(chunk)?;
                    self.decide(&found, whole, true);
                    continue;
                }
                Form::Document => self.document.next(chunk)?,
            };
            return Some(self.token(found, whole));
        }
    }

    /// Returns a token left at the end of the body. Call it until there is none.
    pub fn finish(&mut self) -> Option<(u64, Token<'_>)> {
        loop {
            if self.held.read < self.held.bytes.len() {
                let Some(found) = self.replay() else {
                    continue;
                };
                return Some(self.token(found, &self.held.bytes));
            }
            let found = match self.form {
                Form::Blank if self.mark == 0 => return None,
                Form::Blank => {
                    self.lines.put(&MARK[..self.mark]);
                    self.form = Form::First;
                    continue;
                }
                Form::First | Form::Lines => {
                    // There is no second line.
                    self.form = Form::Lines;
                    self.lines.finish()?
                }
                Form::Second => {
                    match self.lines.finish() {
                        Some(found) => self.decide(&found, &[], false),
                        None => self.release(),
                    }
                    continue;
                }
                Form::Document => self.document.finish()?,
            };
            return Some(self.token(found, &[]));
        }
    }

    /// Skips blanks at the beginning of the body.
    fn begin(&mut self, chunk: &mut &[u8]) {
        while let Some((byte, rest)) = chunk.split_first() {
            if *byte == MARK[self.mark] {
                self.mark = (self.mark + 1) % MARK.len();
            } else if self.mark > 0 {
                // It was no mark: a line begins like this.
                self.lines.put(&MARK[..self.mark]);
                self.form = Form::First;
                return;
            } else if *byte == b'[' && !self.is_lines {
                self.document.begin(self.lines.number() + 1);
                self.form = Form::Document;
                return;
            } else if !is_blank(*byte) {
                self.form = Form::First;
                return;
            } else if *byte == b'\n' {
                self.lines.rewind(self.lines.number() + 1);
            }
            *chunk = rest;
        }
    }

    /// Holds a found line back if it is only the beginning of an object.
    fn holds(&mut self, found: &Found, whole: &[u8], is_later: bool) -> bool {
        if !matches!(found.kind, Kind::Line { part: false }) {
            return false;
        }
        match &found.place {
            Place::Here(range) => self.hold(&whole[range.clone()], found.number, is_later),
            Place::Kept(length) => {
                let line = self.lines.kept(*length).to_vec();
                self.hold(&line, found.number, is_later)
            }
        }
    }

    fn hold(&mut self, line: &[u8], number: u64, is_later: bool) -> bool {
        if self.is_lines {
            return false;
        }
        let line = &without_runs(line)[..];
        if !opens(trimmed(line)) {
            return false;
        }
        self.held = Held {
            bytes: line.to_vec(),
            // They are read once the form is known.
            read: line.len(),
            number,
            is_later,
            second: 0,
            blank: 0,
        };
        self.form = Form::Second;
        true
    }

    /// Decides the form by the line behind the held one, and holds it, too. `ended`: by a line end.
    fn decide(&mut self, found: &Found, whole: &[u8], ended: bool) {
        let kept;
        let line = match &found.place {
            Place::Here(range) => &whole[range.clone()],
            Place::Kept(_) => {
                // All of it, with a value that is not whole yet.
                kept = self.lines.withdraw();
                match found.kind {
                    Kind::Line { part: false } => without_return(&kept),
                    _ => &kept,
                }
            }
        };
        let line = &without_runs(line)[..];
        let held = &mut self.held;
        held.bytes.push(b'\n');
        held.second = held.bytes.len();
        held.blank = found.number.saturating_sub(held.number + 1);
        held.bytes.extend_from_slice(line);
        let begins = line.first() == Some(&b'{');
        let is_document = if held.is_later {
            // A line that a power cut has torn is no part of an object with the next one.
            !begins && !malformed(&held.bytes)
        } else {
            !begins || (opens(trimmed(line)) && !malformed(&held.bytes))
        };
        if ended && matches!(found.kind, Kind::Line { part: false }) {
            held.bytes.push(b'\n');
        }
        if is_document {
            self.form = Form::Document;
            self.document.begin(self.held.number);
            self.held.read = 0;
        } else {
            self.release();
        }
    }

    /// Takes what is held as lines.
    fn release(&mut self) {
        self.form = Form::Lines;
        self.lines.rewind(self.held.number - 1);
        self.held.read = 0;
    }

    fn replay(&mut self) -> Option<Found> {
        let mut held = mem::take(&mut self.held);
        let before = held.read;
        if before == held.second {
            self.lines.pass(mem::take(&mut held.blank));
        }
        let mut rest = &held.bytes[before..];
        if before < held.second {
            rest = &held.bytes[before..held.second];
        }
        let length = rest.len();
        let found = match self.form {
            Form::Document => self.document.next(&mut rest),
            _ => self.lines.next(&mut rest),
        };
        held.read += length - rest.len();
        if self.form == Form::Document && held.read == held.second {
            self.document.pass(mem::take(&mut held.blank));
        }
        self.held = held;
        let mut found = found?;
        if let Place::Here(range) = &mut found.place {
            *range = range.start + before..range.end + before;
        }
        if self.form == Form::Lines && before > 0 && before == self.held.second {
            // Another object may begin here.
            let bytes = mem::take(&mut self.held.bytes);
            if self.holds(&found, &bytes, true) {
                return None;
            }
            self.held.bytes = bytes;
        }
        Some(found)
    }

    fn token<'a>(&'a self, found: Found, whole: &'a [u8]) -> (u64, Token<'a>) {
        let bytes = match found.place {
            Place::Here(range) => &whole[range],
            Place::Kept(length) if self.form == Form::Document => self.document.kept(length),
            Place::Kept(length) => self.lines.kept(length),
        };
        let token = match found.kind {
            Kind::Line { part } => Token::Line { bytes, part },
            Kind::Value { ordinal } => Token::Value { bytes, ordinal },
            Kind::TooLong { ordinal, wraps } => Token::TooLong { bytes, ordinal, wraps },
            Kind::Within { ordinal } => Token::Within { bytes, ordinal },
            Kind::Syntax => Token::Syntax(bytes),
        };
        (found.number, token)
    }
}

/// Whether this is only the beginning of an object.
fn opens(line: &[u8]) -> bool {
    line.first() == Some(&b'{')
        && !is_whole(line)
        && matches!(std::str::from_utf8(line).map(|text| first(text, ANY)), Ok(First::Open))
}

/// Whether a line ends with the only brace that it opened, and so is no beginning alone: nearly every line is.
#[inline]
fn is_whole(line: &[u8]) -> bool {
    line.ends_with(b"}") && memchr::memchr_iter(b'{', line).take(2).count() == 1
}

/// Whether no object can begin like this.
fn malformed(text: &[u8]) -> bool {
    !std::str::from_utf8(text).is_ok_and(|text| matches!(first(text, ANY), First::Whole(..) | First::Open))
}

#[cfg(test)]
mod tests;
