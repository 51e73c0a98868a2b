//! The values of a document: objects one after the other, or one array of objects.
//!
//! Each byte is read once here, to find where an object ends; the decoder judges its content. A value that is
//! too long is skipped, and the next ones are kept.

use super::found::{Found, Kind, Place};
use crate::braces::Braces;
use crate::signature::{MARK, is_blank};

/// Bytes of text that is no JSON, enough to tell a foreign format from a mistake.
const STRAY: usize = 4;

/// Finds values, and holds at most as many bytes as a value may have.
#[derive(Debug)]
pub(super) struct Document {
    max: usize,
    expect: Expect,
    /// Values are elements of an array.
    array: bool,
    /// The number of the line being read.
    number: u64,
    /// Values that began on it.
    ordinal: u64,
    /// Kept bytes of the present value, and whether they were returned and can be cleared.
    partial: Vec<u8>,
    given: bool,
    /// The present value: its beginning, how far it has come, whether it is longer than allowed.
    begun: (u64, u64),
    braces: Braces,
    long: bool,
    /// How many bytes of a byte order mark have come.
    mark: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// `[`, or a value.
    Start,
    /// A value, or the end of the body.
    Value,
    /// The first element, or `]`.
    First,
    /// An element.
    Element,
    /// `,` or `]`.
    Comma,
    /// The end of the body.
    End,
    /// More of a value.
    Inside,
    /// More text that is no JSON.
    Stray,
    /// Nothing: the text was no JSON.
    Nothing,
}

impl Document {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max: max.max(MARK.len()),
            expect: Expect::Start,
            array: false,
            number: 1,
            ordinal: 0,
            partial: Vec::new(),
            given: false,
            begun: (0, 0),
            braces: Braces::default(),
            long: false,
            mark: 0,
        }
    }

    /// Begins on the line of this number.
    pub(super) fn begin(&mut self, number: u64) {
        self.number = number;
    }

    /// Passes blank lines.
    pub(super) fn pass(&mut self, lines: u64) {
        self.number += lines;
        self.ordinal = 0;
    }

    /// The first kept bytes.
    pub(super) fn kept(&self, length: usize) -> &[u8] {
        &self.partial[..length]
    }

    /// Returns the next value that ends in `chunk`; shortens `chunk` by the bytes read.
    pub(super) fn next(&mut self, chunk: &mut &[u8]) -> Option<Found> {
        self.forget();
        let all = chunk.len();
        loop {
            match self.expect {
                Expect::Inside => {
                    let start = all - chunk.len();
                    let end = self.braces.end(chunk);
                    let (part, rest) = chunk.split_at(end.unwrap_or(chunk.len()));
                    *chunk = rest;
                    let here = self.partial.is_empty() && !self.long && end.is_some() && part.len() <= self.max;
                    if !here {
                        self.keep(part);
                    }
                    self.count(part);
                    end?;
                    return Some(self.value(here.then(|| start..start + part.len())));
                }
                Expect::Stray => {
                    let (part, rest) = chunk.split_at(chunk.len().min(STRAY - self.partial.len()));
                    self.partial.extend_from_slice(part);
                    *chunk = rest;
                    return (self.partial.len() == STRAY).then(|| self.syntax());
                }
                Expect::Nothing => {
                    *chunk = &[];
                    return None;
                }
                _ => self.between(chunk)?,
            }
        }
    }

    /// The error at the document's end, if any.
    pub(super) fn finish(&mut self) -> Option<Found> {
        self.forget();
        let whole = matches!(self.expect, Expect::Value | Expect::End | Expect::Nothing) && self.mark == 0;
        (!whole).then(|| self.syntax())
    }

    /// Reads on to the next value, or to text that is no JSON; `None` when the chunk is used up.
    fn between(&mut self, chunk: &mut &[u8]) -> Option<()> {
        let (byte, rest) = chunk.split_first()?;
        self.expect = match (self.expect, *byte) {
            (expect, byte) if byte == MARK[self.mark] => {
                self.mark = (self.mark + 1) % MARK.len();
                expect
            }
            (expect, byte) if is_blank(byte) && self.mark == 0 => {
                self.count(&[byte]);
                expect
            }
            (Expect::Start, b'[') => {
                self.array = true;
                Expect::First
            }
            (Expect::Start | Expect::Value | Expect::First | Expect::Element, b'{') if self.mark == 0 => {
                self.ordinal += 1;
                self.begun = (self.number, self.ordinal);
                Expect::Inside
            }
            (Expect::First | Expect::Comma, b']') if self.mark == 0 => Expect::End,
            (Expect::Comma, b',') if self.mark == 0 => Expect::Element,
            _ => {
                self.begun = (self.number, 0);
                self.partial.extend_from_slice(&MARK[..self.mark]);
                Expect::Stray
            }
        };
        if !matches!(self.expect, Expect::Inside | Expect::Stray) {
            *chunk = rest;
        }
        Some(())
    }

    fn value(&mut self, here: Option<std::ops::Range<usize>>) -> Found {
        self.expect = if self.array { Expect::Comma } else { Expect::Value };
        let (number, ordinal) = self.begun;
        let kind = if std::mem::take(&mut self.long) {
            Kind::TooLong { ordinal: Some(ordinal) }
        } else {
            Kind::Value { ordinal }
        };
        self.given = true;
        let place = here.map_or(Place::Kept(self.partial.len()), Place::Here);
        Found { number, kind, place }
    }

    fn syntax(&mut self) -> Found {
        if self.expect != Expect::Stray {
            self.partial.clear();
        }
        let number = match self.expect {
            // Where the value began that breaks off, however far away the body's end is.
            Expect::Inside | Expect::Stray => self.begun.0,
            _ => self.number,
        };
        self.expect = Expect::Nothing;
        self.mark = 0;
        self.given = true;
        Found {
            number,
            kind: Kind::Syntax,
            place: Place::Kept(self.partial.len()),
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let room = self.max - self.partial.len();
        self.long |= part.len() > room;
        self.partial.extend_from_slice(&part[..part.len().min(room)]);
    }

    /// Counts the lines that end in `bytes`.
    fn count(&mut self, bytes: &[u8]) {
        let ends = memchr::memchr_iter(b'\n', bytes).count() as u64;
        if ends > 0 {
            self.number += ends;
            self.ordinal = 0;
        }
    }

    fn forget(&mut self) {
        if std::mem::take(&mut self.given) {
            self.partial.clear();
        }
    }
}
