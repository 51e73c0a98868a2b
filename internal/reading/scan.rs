//! Splits a body, in chunks of any size, into pieces that hold values; holds about a line of it.
//!
//! A body comes in one of two forms, known by its beginning:
//! - **lines**, the usual one. A line holds values one after the other (`values.rs` finds them). A bad line
//!   spoils no other line.
//! - **a document**: objects over several lines, or one array of objects. It begins with `[`, or its first
//!   line is only the beginning of an object and its second line begins with no object. Its syntax is strict:
//!   after an error, it is unknown where a value begins.
//!
//! NULs, which a power cut leaves in files, and byte order marks are blanks between values. NULs count
//! towards no limit.

mod document;
mod found;
mod line;

use super::bounds::ANY;
use super::decode::{First, first};
use super::signature::{MARK, is_blank};
use super::values::{trimmed, without_runs};
use document::Document;
use found::{Found, Kind, Place};
use line::Lines;
use std::mem;

/// Finds the pieces of a body.
#[derive(Debug)]
pub struct Scanner {
    form: Form,
    lines: Lines,
    document: Document,
    /// Bytes held back until the form was known, and how far they have been read since.
    held: Vec<u8>,
    replayed: usize,
    /// The number of the first line held.
    first: u64,
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
    /// The first line is held: only the beginning of an object.
    Second,
    Lines,
    Document,
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
            held: Vec::new(),
            replayed: 0,
            first: 0,
            mark: 0,
        }
    }

    /// Returns the next token that ends in `chunk`, and the number of its first line. Lines count from 1,
    /// blank ones too. Shortens `chunk` by the bytes read. `None` when the chunk is used up.
    pub fn next<'a, 'c: 'a>(&'a mut self, chunk: &mut &'c [u8]) -> Option<(u64, Token<'a>)> {
        if self.form == Form::Lines && self.held.is_empty() {
            // The fast path.
            if let Some(bytes) = self.lines.whole(chunk) {
                return Some((self.lines.number(), Token::Line { bytes, part: false }));
            }
            let whole = *chunk;
            let found = self.lines.next(chunk)?;
            return Some(self.token(found, whole));
        }
        loop {
            if self.replayed < self.held.len() {
                if let Some(found) = self.replay() {
                    return Some(self.token(found, &self.held));
                }
                continue;
            }
            if !self.held.is_empty() && matches!(self.form, Form::Lines | Form::Document) {
                self.held = Vec::new();
                self.replayed = 0;
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
                Form::First | Form::Second => {
                    let found = self.lines.next(chunk)?;
                    if self.decide(&found, whole, true) {
                        continue;
                    }
                    found
                }
                Form::Lines => self.lines.next(chunk)?,
                Form::Document => self.document.next(chunk)?,
            };
            return Some(self.token(found, whole));
        }
    }

    /// Returns a token left at the end of the body. Call it until there is none.
    pub fn finish(&mut self) -> Option<(u64, Token<'_>)> {
        loop {
            if self.replayed < self.held.len() {
                if let Some(found) = self.replay() {
                    return Some(self.token(found, &self.held));
                }
                continue;
            }
            let found = match self.form {
                Form::Blank if self.mark == 0 => return None,
                Form::Blank => {
                    self.lines.put(&MARK[..self.mark]);
                    self.form = Form::First;
                    continue;
                }
                Form::First => {
                    let found = self.lines.finish()?;
                    // There is no second line.
                    self.form = Form::Lines;
                    found
                }
                Form::Second => {
                    match self.lines.finish() {
                        Some(found) if self.decide(&found, &[], false) => {}
                        _ => {
                            self.form = Form::Lines;
                            self.lines.rewind(self.first - 1);
                            self.replayed = 0;
                        }
                    }
                    continue;
                }
                Form::Lines => self.lines.finish()?,
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
            } else if *byte == b'[' {
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

    /// Decides the form of the body by its first lines. Returns false if the found line is to be returned at
    /// once; else it is held, and comes again. `ended`: by a line end.
    fn decide(&mut self, found: &Found, whole: &[u8], ended: bool) -> bool {
        let line = matches!(found.kind, Kind::Line { part: false });
        let kept;
        let bytes = match &found.place {
            Place::Here(range) => &whole[range.clone()],
            Place::Kept(_) if self.form == Form::Second => {
                // All of it, with a value that is not whole yet.
                kept = self.lines.withdraw();
                &kept
            }
            Place::Kept(length) => self.lines.kept(*length),
        };
        let bytes = &without_runs(trimmed(bytes))[..];
        if self.form == Form::First {
            if !line || !opens(bytes) {
                self.form = Form::Lines;
                return false;
            }
            self.held.extend_from_slice(bytes);
            self.first = found.number;
            self.form = Form::Second;
            // Held bytes are read only once the form is known.
            self.replayed = self.held.len();
            return true;
        }
        let between = usize::try_from(found.number - self.first).unwrap_or(usize::MAX);
        self.held.resize(self.held.len() + between, b'\n');
        self.held.extend_from_slice(bytes);
        self.replayed = 0;
        if bytes.first() == Some(&b'{') && (!opens(bytes) || malformed(&self.held)) {
            self.form = Form::Lines;
            self.lines.rewind(self.first - 1);
        } else {
            self.form = Form::Document;
            self.document.begin(self.first);
        }
        if ended && line {
            self.held.push(b'\n');
        }
        true
    }

    fn replay(&mut self) -> Option<Found> {
        let held = mem::take(&mut self.held);
        let mut rest = &held[self.replayed..];
        let found = match self.form {
            Form::Document => self.document.next(&mut rest),
            _ => self.lines.next(&mut rest),
        };
        let before = self.replayed;
        self.replayed = held.len() - rest.len();
        self.held = held;
        let mut found = found?;
        if let Place::Here(range) = &mut found.place {
            *range = range.start + before..range.end + before;
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
            Kind::TooLong { ordinal } => Token::TooLong { bytes, ordinal },
            Kind::Syntax => Token::Syntax(bytes),
        };
        (found.number, token)
    }
}

/// Whether this is only the beginning of an object.
fn opens(line: &[u8]) -> bool {
    // A line that ends with the only brace that it opened is whole: nearly every first line is.
    let whole = || line.ends_with(b"}") && memchr::memchr_iter(b'{', line).take(2).count() == 1;
    line.first() == Some(&b'{')
        && !whole()
        && matches!(std::str::from_utf8(line).map(|text| first(text, ANY)), Ok(First::Open))
}

/// Whether no object can begin like this.
fn malformed(text: &[u8]) -> bool {
    !std::str::from_utf8(text).is_ok_and(|text| matches!(first(text, ANY), First::Whole(..) | First::Open))
}

#[cfg(test)]
mod tests;
