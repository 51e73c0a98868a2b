//! Lines of a body, and parts of lines that are longer than a value may be.

use super::found::{Found, Kind, Place};
use crate::braces::Braces;
use crate::signature::{MARK, blanks};
use crate::values::Values;

/// Gathers lines, and holds at most as many bytes as a value may have.
#[derive(Debug)]
pub(super) struct Lines {
    max: usize,
    /// Kept bytes of the present line, without blanks before it; two of each run of NULs.
    partial: Vec<u8>,
    /// How many of them were returned, and can be dropped.
    given: usize,
    /// Parts of the present line were returned.
    parted: bool,
    /// What is being skipped of the present line: its value is too long.
    skipping: Option<Skipping>,
    /// The number of the last line that has ended.
    number: u64,
}

/// What is skipped of a line.
#[derive(Clone, Copy, Debug)]
enum Skipping {
    /// An object, to its end or to an object in it.
    Object(Braces),
    /// Other text, to the next object.
    Text,
}

impl Skipping {
    fn of(value: &[u8]) -> Self {
        if value.starts_with(b"{") {
            Self::Object(Braces::default())
        } else {
            Self::Text
        }
    }

    /// Where it ends in `bytes`, or where the next object in it begins.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Object(braces) => braces.end_or_object(bytes),
            Self::Text => memchr::memchr(b'{', bytes),
        }
    }
}

impl Lines {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max: max.max(MARK.len()),
            partial: Vec::new(),
            given: 0,
            parted: false,
            skipping: None,
            number: 0,
        }
    }

    /// The number of the last line that has ended.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Begins again after the line of this number.
    pub(super) fn rewind(&mut self, number: u64) {
        *self = Self {
            partial: std::mem::take(&mut self.partial),
            number,
            ..Self::new(self.max)
        };
        self.partial.clear();
    }

    /// Takes back all kept bytes of the present line.
    pub(super) fn withdraw(&mut self) -> Vec<u8> {
        let kept = std::mem::take(&mut self.partial);
        self.rewind(self.number);
        kept
    }

    /// Passes blank lines.
    pub(super) fn pass(&mut self, lines: u64) {
        self.number += lines;
    }

    /// The first kept bytes.
    pub(super) fn kept(&self, length: usize) -> &[u8] {
        &self.partial[..length]
    }

    /// Begins the present line with these bytes.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
    }

    /// Returns the next line if `chunk` holds all of it and it begins with a value: nearly all do. Shortens
    /// `chunk` by it.
    #[inline]
    pub(super) fn whole<'c>(&mut self, chunk: &mut &'c [u8]) -> Option<&'c [u8]> {
        let begun = !self.partial.is_empty() || self.parted || self.skipping.is_some();
        if begun || chunk.first() != Some(&b'{') {
            return None;
        }
        let end = memchr::memchr(b'\n', chunk).filter(|end| *end <= self.max)?;
        let line = &chunk[..end];
        *chunk = &chunk[end + 1..];
        self.number += 1;
        Some(without_return(line))
    }

    /// Returns the next line, or part of one, that ends in `chunk`; shortens `chunk` by the bytes read.
    pub(super) fn next(&mut self, chunk: &mut &[u8]) -> Option<Found> {
        self.forget();
        let all = chunk.len();
        loop {
            let Some(end) = memchr::memchr(b'\n', chunk) else {
                return if self.gather(chunk) { None } else { Some(self.part()) };
            };
            let head = &chunk[..end];
            if self.partial.is_empty() && !self.parted && self.skipping.is_none() && end <= self.max {
                let start = all - chunk.len();
                *chunk = &chunk[end + 1..];
                self.number += 1;
                let line = without_return(head);
                let blank = blanks(line);
                if blank < line.len() {
                    let place = Place::Here(start + blank..start + line.len());
                    return Some(self.line(place));
                }
                continue;
            }
            let mut rest = head;
            if !self.gather(&mut rest) {
                *chunk = &chunk[end - rest.len()..];
                return Some(self.part());
            }
            *chunk = &chunk[end + 1..];
            self.number += 1;
            if let Some(found) = self.end() {
                return Some(found);
            }
        }
    }

    /// How many bytes [`Lines::gather`] certainly has room for.
    pub(super) fn room(&self) -> usize {
        self.max.saturating_sub(self.partial.len())
    }

    /// The whole values of the present line, where it breaks off.
    pub(super) fn decided(&mut self) -> Option<Found> {
        self.given = Values::decided(&self.partial);
        (self.given > 0).then(|| self.line(Place::Kept(self.given)))
    }

    /// Returns the last line, when the body does not end with a line end.
    pub(super) fn finish(&mut self) -> Option<Found> {
        self.forget();
        self.number += 1;
        self.end()
    }

    /// Returns the rest of the line that has just ended.
    pub(super) fn end(&mut self) -> Option<Found> {
        self.skipping = None;
        if blanks(&self.partial) == self.partial.len() {
            self.partial.clear();
            self.parted = false;
            return None;
        }
        self.given = self.partial.len();
        Some(self.line(Place::Kept(without_return(&self.partial).len())))
    }

    fn line(&mut self, place: Place) -> Found {
        let part = std::mem::take(&mut self.parted);
        Found {
            number: self.number,
            kind: Kind::Line { part },
            place,
        }
    }

    /// The whole values in a line that has just proved longer than a value may be. Of a value that is too long itself, its
    /// beginning, up to the first object in it.
    pub(super) fn part(&mut self) -> Found {
        self.given = Values::decided(&self.partial);
        self.parted = true;
        let kind = if self.given == 0 {
            let mut skipping = Skipping::of(&self.partial);
            let end = skipping.end(&self.partial);
            let next = end.filter(|next| self.partial.get(*next) == Some(&b'{'));
            if next.is_none() {
                // Behind the end of an object, other text follows.
                self.skipping = Some(end.map_or(skipping, |_| Skipping::Text));
            }
            self.given = next.unwrap_or(self.partial.len());
            Kind::TooLong {
                ordinal: None,
                wraps: next.is_some(),
            }
        } else {
            Kind::Line { part: true }
        };
        Found {
            number: self.number + 1,
            kind,
            place: Place::Kept(self.given),
        }
    }

    /// Keeps `part` of the present line, and shortens it by the bytes kept or skipped. Returns false where
    /// there is no room for all of it.
    pub(super) fn gather(&mut self, part: &mut &[u8]) -> bool {
        if let Some(skipping) = &mut self.skipping {
            let Some(end) = skipping.end(part) else {
                *part = &[];
                return true;
            };
            *part = &part[end..];
            self.skipping = None;
        }
        while let Some((byte, rest)) = part.split_first() {
            if self.partial.is_empty() {
                let blank = blanks(part);
                if blank > 0 {
                    *part = &part[blank..];
                    continue;
                }
            } else if self.partial.len() < MARK.len() && MARK.starts_with(&self.partial) {
                // A byte order mark that a chunk's end cuts is a blank too.
                self.partial.push(*byte);
                *part = rest;
                if self.partial == MARK {
                    self.partial.clear();
                }
                continue;
            }
            let room = self.max.saturating_sub(self.partial.len());
            let zero = memchr::memchr(0, part).unwrap_or(part.len());
            let taken = zero.min(room);
            self.partial.extend_from_slice(&part[..taken]);
            *part = &part[taken..];
            if taken < zero {
                return false;
            }
            let zeros = part.iter().take_while(|byte| **byte == 0).count();
            *part = &part[zeros..];
            // Two tell a run from UTF-16.
            let room = room - taken;
            let there = self.partial.iter().rev().take_while(|byte| **byte == 0).take(2).count();
            let kept = zeros.min(2 - there).min(room);
            self.partial.resize(self.partial.len() + kept, 0);
        }
        true
    }

    /// Drops the bytes that were returned.
    pub(super) fn forget(&mut self) {
        if self.given == self.partial.len() {
            self.partial.clear();
        } else {
            let left = &self.partial[self.given..];
            let begin = self.given + blanks(left);
            self.partial.drain(..begin);
        }
        self.given = 0;
    }
}

/// A line without the carriage return of its end.
pub(super) fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
