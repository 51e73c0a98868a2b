//! Cuts a stream of bytes, arriving in blocks of any size, into chunks of whole lines.
//!
//! No chunk is longer than the limit. A line that alone is longer is skipped without being kept,
//! and handed out with its beginning: no ingestor takes lines of that length.

use std::mem;

use bytes::Bytes;

/// How much of a line that is too long is kept, to recognise it by.
const SHOWN: usize = 1024;

/// What the stream holds next.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// Lines to send.
    Chunk(Chunk),
    /// A line longer than any chunk.
    TooLong(TooLong),
}

/// Whole lines; only the very last of a stream may lack its line feed.
#[derive(Debug, PartialEq)]
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    /// The number of its first line in the stream, from 1.
    pub(super) first: u64,
}

/// A line that was skipped.
#[derive(Debug, PartialEq)]
pub(super) struct TooLong {
    /// Its number in the stream, from 1.
    pub(super) line: u64,
    pub(super) beginning: Vec<u8>,
    pub(super) length: u64,
}

/// The stream so far: what has arrived and was not handed out.
pub(super) struct Lines {
    limit: usize,
    pending: Vec<u8>,
    /// The number of the first line in `pending`, or of the one being skipped.
    next: u64,
    skipping: Option<TooLong>,
    /// A line whose end has been skipped to, not yet handed out.
    skipped: Option<TooLong>,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            pending: Vec::new(),
            next: 1,
            skipping: None,
            skipped: None,
        }
    }

    /// Takes in the next block; [`Lines::full`] must be false.
    pub(super) fn push(&mut self, mut block: &[u8]) {
        if let Some(long) = &mut self.skipping {
            let end = memchr::memchr(b'\n', block);
            let here = end.unwrap_or(block.len());
            long.length += here as u64;
            block = &block[end.map_or(here, |end| end + 1)..];
            if end.is_some() {
                self.skipped = self.skipping.take();
                self.next += 1;
            }
        }
        self.pending.extend_from_slice(block);
    }

    /// Whether there is enough for [`Lines::take`] to be called before anything more is pushed.
    pub(super) fn full(&self) -> bool {
        self.skipped.is_some() || self.pending.len() >= self.limit
    }

    /// Hands out the whole lines that are there, as many as the limit allows.
    pub(super) fn take(&mut self) -> Option<Piece> {
        if let Some(long) = self.skipped.take() {
            return Some(Piece::TooLong(long));
        }
        let within = &self.pending[..self.pending.len().min(self.limit)];
        match memchr::memrchr(b'\n', within) {
            Some(end) => Some(self.chunk(end + 1)),
            None if self.pending.len() >= self.limit => {
                self.skip();
                self.take()
            }
            None => None,
        }
    }

    /// Hands out what is left at the end of the stream: `whole` if the stream ended as it should,
    /// otherwise a last line without its line feed may be half a line, and is dropped.
    pub(super) fn finish(&mut self, whole: bool) -> Option<Piece> {
        if let Some(piece) = self.take() {
            return Some(piece);
        }
        if let Some(long) = self.skipping.take() {
            return Some(Piece::TooLong(long));
        }
        if !whole || self.pending.is_empty() {
            return None;
        }
        Some(self.chunk(self.pending.len()))
    }

    fn chunk(&mut self, end: usize) -> Piece {
        let rest = self.pending.split_off(end);
        let bytes = Bytes::from(mem::replace(&mut self.pending, rest));
        let first = self.next;
        self.next += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        Piece::Chunk(Chunk { bytes, first })
    }

    /// Begins to skip the line that has just proved too long.
    fn skip(&mut self) {
        let pending = mem::take(&mut self.pending);
        let beginning = pending[..pending.len().min(SHOWN).min(self.limit)].to_vec();
        self.skipping = Some(TooLong {
            line: self.next,
            beginning,
            length: 0,
        });
        self.push(&pending);
    }
}

impl Chunk {
    /// Its lines with their numbers in the stream, without their line ends.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .zip(self.first..)
            .map(|(line, number)| (number, line))
    }

    /// The lines before the one of this number, and those from it on; either may be empty.
    pub(super) fn split(&self, number: u64) -> (Self, Self) {
        let before = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let cut = match before.checked_sub(1) {
            None => 0,
            Some(last) => memchr::memchr_iter(b'\n', &self.bytes)
                .nth(last)
                .map_or(self.bytes.len(), |end| end + 1),
        };
        let head = Self {
            bytes: self.bytes.slice(..cut),
            first: self.first,
        };
        let tail = Self {
            bytes: self.bytes.slice(cut..),
            first: number.max(self.first),
        };
        (head, tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds the blocks as the replay does, taking when `take_early` says or when it must.
    fn pieces(blocks: &[Vec<u8>], limit: usize, whole: bool, take_early: bool) -> Vec<Piece> {
        let mut lines = Lines::new(limit);
        let mut pieces = Vec::new();
        for block in blocks {
            lines.push(block);
            while lines.full() || take_early {
                let Some(piece) = lines.take() else { break };
                pieces.push(piece);
            }
        }
        pieces.extend(std::iter::from_fn(|| lines.finish(whole)));
        pieces
    }

    fn split(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
    }

    proptest! {
        #[test]
        fn any_split_gives_whole_lines_and_the_same_bytes(
            bytes in prop::collection::vec(prop_oneof![3 => Just(b'a'), 1 => Just(b'\n'), 1 => any::<u8>()], 0..400),
            cuts in prop::collection::vec(any::<usize>(), 0..20),
            limit in 1_usize..60,
            take_early: bool,
        ) {
            let mut expected = bytes.split_inclusive(|byte| *byte == b'\n').zip(1_u64..).peekable();
            for piece in pieces(&split(&bytes, &cuts), limit, true, take_early) {
                match piece {
                    Piece::Chunk(chunk) => {
                        prop_assert!(!chunk.bytes.is_empty());
                        prop_assert!(chunk.bytes.len() <= limit);
                        prop_assert_eq!(chunk.first, expected.peek().unwrap().1);
                        let mut rest = &chunk.bytes[..];
                        while !rest.is_empty() {
                            let (line, _) = expected.next().unwrap();
                            prop_assert!(rest.starts_with(line), "not whole lines");
                            rest = &rest[line.len()..];
                        }
                    }
                    Piece::TooLong(long) => {
                        let (line, number) = expected.next().unwrap();
                        let line = line.strip_suffix(b"\n").unwrap_or(line);
                        prop_assert!(line.len() >= limit);
                        prop_assert_eq!(long.line, number);
                        prop_assert_eq!(long.length, line.len() as u64);
                        prop_assert!(line.starts_with(&long.beginning) && !long.beginning.is_empty());
                    }
                }
            }
            prop_assert_eq!(expected.next(), None);
        }

        #[test]
        fn half_a_line_is_dropped_where_the_stream_broke(
            bytes in prop::collection::vec(prop_oneof![3 => Just(b'a'), 1 => Just(b'\n')], 0..200),
            cuts in prop::collection::vec(any::<usize>(), 0..20),
        ) {
            let mut sent = Vec::new();
            for piece in pieces(&split(&bytes, &cuts), 1_000, false, false) {
                let Piece::Chunk(chunk) = piece else { panic!("no line is too long") };
                sent.extend_from_slice(&chunk.bytes);
            }
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            prop_assert_eq!(&sent, &bytes[..whole]);
        }
    }

    #[test]
    fn lines_are_numbered_as_in_the_stream() {
        let chunk = Chunk {
            bytes: Bytes::from_static(b"one\r\n\nthree\nfour"),
            first: 7,
        };
        let lines: Vec<_> = chunk.numbered().collect();
        assert_eq!(
            lines,
            [(7, &b"one"[..]), (8, &b""[..]), (9, &b"three"[..]), (10, &b"four"[..])]
        );
    }

    #[test]
    fn a_chunk_splits_before_a_line() {
        let chunk = Chunk {
            bytes: Bytes::from_static(b"one\ntwo\nthree"),
            first: 7,
        };
        let check = |number, head: &str, tail: &str| {
            let (before, after) = chunk.split(number);
            assert_eq!(
                (&before.bytes[..], &after.bytes[..]),
                (head.as_bytes(), tail.as_bytes())
            );
            assert_eq!((before.first, after.first), (7, number.max(7)));
        };
        check(1, "", "one\ntwo\nthree");
        check(7, "", "one\ntwo\nthree");
        check(8, "one\n", "two\nthree");
        check(9, "one\ntwo\n", "three");
        check(10, "one\ntwo\nthree", "");
        check(99, "one\ntwo\nthree", "");
    }
}
