//! The values of a document: objects one after the other, or arrays of objects.
//!
//! Each byte is read once here, to find where an object ends; the decoder judges its content. Of a value that is
//! too long, the objects in it are returned. The next values are kept.

use super::found::{Found, Kind, Place};
use super::line::Lines;
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
    /// The objects in the present value, which is longer than allowed: they are found as on a line.
    within: Option<Lines>,
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
    /// Another array, or the end of the body.
    End,
    /// More of a value.
    Inside,
    /// More of a value that is too long, and of the objects in it.
    Within,
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
            within: None,
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
        match &self.within {
            Some(within) if !self.given => within.kept(length),
            _ => &self.partial[..length],
        }
    }

    /// Returns the next value that ends in `chunk`; shortens `chunk` by the bytes read.
    pub(super) fn next(&mut self, chunk: &mut &[u8]) -> Option<Found> {
        self.forget();
        let all = chunk.len();
        loop {
            match self.expect {
                Expect::Inside if self.long => {
                    let end = self.braces.end_or_object(chunk);
                    let length = end.unwrap_or(chunk.len());
                    self.pass_over(chunk, length);
                    end?;
                    return Some(if self.braces.is_outside() {
                        self.value(None)
                    } else {
                        self.open(self.partial.len())
                    });
                }
                Expect::Inside => {
                    let start = all - chunk.len();
                    let room = self.max - self.partial.len();
                    if room == 0 && !chunk.is_empty() {
                        self.long = true;
                        if let Some(object) = Braces::default().end_or_object(&self.partial) {
                            return Some(self.open(object));
                        }
                        continue;
                    }
                    let near = &chunk[..chunk.len().min(room)];
                    let end = self.braces.end(near);
                    if self.partial.is_empty()
                        && let Some(end) = end
                    {
                        self.pass_over(chunk, end);
                        return Some(self.value(Some(start..start + end)));
                    }
                    let near = &near[..end.unwrap_or(near.len())];
                    self.partial.extend_from_slice(near);
                    self.pass_over(chunk, near.len());
                    if end.is_some() {
                        return Some(self.value(None));
                    }
                    if chunk.is_empty() {
                        return None;
                    }
                }
                Expect::Within => {
                    if chunk.is_empty() {
                        return None;
                    }
                    if let Some(found) = self.objects(chunk) {
                        return Some(found);
                    }
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

    /// What is left at the document's end, and the error there, if any.
    pub(super) fn finish(&mut self) -> Option<Found> {
        self.forget();
        if self.expect == Expect::Within {
            self.expect = Expect::Inside;
            if let Some(found) = self.within.as_mut().and_then(Lines::decided) {
                return Some(self.part(found));
            }
        }
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
            // A file to which arrays are appended.
            (Expect::End, b'[') if self.mark == 0 => Expect::First,
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
        self.expect = self.behind();
        let (number, ordinal) = self.begun;
        let kind = if std::mem::take(&mut self.long) {
            Kind::TooLong {
                ordinal: Some(ordinal),
                wraps: false,
            }
        } else {
            Kind::Value { ordinal }
        };
        self.given = true;
        let place = here.map_or(Place::Kept(self.partial.len()), Place::Here);
        Found { number, kind, place }
    }

    /// The beginning of a value that is too long, up to an object in it, which begins behind so many kept bytes.
    fn open(&mut self, object: usize) -> Found {
        let mut within = Lines::new(self.max);
        within.put(&self.partial[object..]);
        self.within = Some(within);
        self.partial.truncate(object);
        self.expect = Expect::Within;
        self.given = true;
        Found {
            number: self.begun.0,
            kind: Kind::TooLong {
                ordinal: Some(self.begun.1),
                wraps: true,
            },
            place: Place::Kept(object),
        }
    }

    /// Reads on in a value that is too long, and returns objects that it holds.
    fn objects(&mut self, chunk: &mut &[u8]) -> Option<Found> {
        let within = self.within.as_mut()?;
        let room = within.room();
        if room == 0 {
            let found = within.part();
            return Some(self.part(found));
        }
        let end = self.braces.end(&chunk[..chunk.len().min(room)]);
        let mut near = &chunk[..end.unwrap_or(chunk.len().min(room))];
        let length = near.len();
        within.gather(&mut near);
        let found = end.and_then(|_| within.end());
        self.pass_over(chunk, length);
        if end.is_some() {
            self.expect = self.behind();
            self.long = false;
        }
        found.map(|found| self.part(found))
    }

    /// A part of a value, found as on a line.
    fn part(&self, found: Found) -> Found {
        let (number, ordinal) = self.begun;
        let kind = match found.kind {
            Kind::TooLong { wraps, .. } => Kind::TooLong {
                ordinal: Some(ordinal),
                wraps,
            },
            _ => Kind::Within { ordinal },
        };
        Found { number, kind, ..found }
    }

    /// What follows a value.
    fn behind(&self) -> Expect {
        if self.array { Expect::Comma } else { Expect::Value }
    }

    /// Shortens `chunk` by bytes of a value.
    fn pass_over(&mut self, chunk: &mut &[u8], length: usize) {
        let (part, rest) = chunk.split_at(length);
        self.count(part);
        *chunk = rest;
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
        match &mut self.within {
            Some(within) if self.expect == Expect::Within => within.forget(),
            _ => self.within = None,
        }
    }
}
