//! Cuts a stream of bytes, arriving in blocks of any size, into chunks with one value a line.
//!
//! Values are found as the ingestor finds them: an input may hold lines, several values on a line, or a
//! document. No chunk is longer than the limit. Of a longer value, its beginning is returned, and the objects in
//! it: no ingestor accepts a value of that length.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

use reading::ANY;
use reading::scan::{self, Scanner};
use reading::values::{READ_AGAIN, Values, wraps};

/// Bytes kept of a value that is too long, to recognise it by.
const SHOWN: usize = 1024;

/// The next piece of the stream.
#[derive(Debug, PartialEq)]
pub(super) enum Output {
    /// Lines to send.
    Chunk(Chunk),
    /// A value longer than any chunk.
    TooLong(TooLong),
    /// The stream is a document, and not JSON from this line on.
    Syntax(u64),
}

/// Lines of one value each, each with its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    /// For each line, the number of the line in the stream where its value begins, from 1.
    numbers: VecDeque<u64>,
}

/// A skipped value.
#[derive(Debug, PartialEq)]
pub(super) struct TooLong {
    /// The number of its line in the stream, from 1.
    pub(super) line: u64,
    pub(super) beginning: Vec<u8>,
}

/// The part of the stream that has arrived and was not returned.
pub(super) struct Lines {
    limit: usize,
    scanner: Scanner,
    /// The chunk being gathered.
    lines: Vec<u8>,
    numbers: VecDeque<u64>,
    /// Pieces to return before it.
    ready: VecDeque<Output>,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Self {
            limit,
            // The chunk includes the line's end.
            scanner: Scanner::new(limit - 1),
            lines: Vec::new(),
            numbers: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }

    /// Adds the next block; [`Lines::full`] must be false.
    pub(super) fn push(&mut self, mut block: &[u8]) {
        let mut scanner = mem::replace(&mut self.scanner, Scanner::new(0));
        while let Some((number, piece)) = scanner.next(&mut block) {
            self.add(number, piece);
        }
        self.scanner = scanner;
    }

    /// Whether [`Lines::take`] must be called before the next block.
    pub(super) fn full(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Returns the next piece, up to the limit.
    pub(super) fn take(&mut self) -> Option<Output> {
        if self.ready.is_empty() {
            self.close();
        }
        self.ready.pop_front()
    }

    /// Returns the rest at the end of the stream. `whole`: the stream ended properly. Otherwise a last line
    /// without its line feed may be half a line, and is dropped.
    pub(super) fn finish(&mut self, whole: bool) -> Option<Output> {
        if whole {
            let mut scanner = mem::replace(&mut self.scanner, Scanner::new(0));
            while let Some((number, piece)) = scanner.finish() {
                self.add(number, piece);
            }
            self.scanner = scanner;
        }
        self.take()
    }

    fn add(&mut self, number: u64, piece: scan::Token<'_>) {
        match piece {
            scan::Token::Line { bytes, part } => {
                // Only a line with another brace can hold several values.
                if !part && memchr::memchr_iter(b'{', bytes).take(2).count() < 2 {
                    return self.line(number, bytes);
                }
                for value in Values::new(bytes, ANY, READ_AGAIN) {
                    self.line(number, value.raw);
                }
            }
            // The ingestor judges what it holds, so that each part has a line of its own.
            scan::Token::Value { bytes, .. } if wraps(bytes) => {
                for value in Values::new(bytes, ANY, READ_AGAIN) {
                    self.line(number, value.raw);
                }
            }
            scan::Token::Within { bytes, .. } => {
                for value in Values::new(bytes, ANY, READ_AGAIN) {
                    self.line(number, value.raw);
                }
            }
            scan::Token::Value { bytes, .. } => self.line(number, bytes),
            scan::Token::TooLong { bytes, .. } => {
                self.close();
                let beginning = bytes[..bytes.len().min(SHOWN)].to_vec();
                self.ready.push_back(Output::TooLong(TooLong {
                    line: number,
                    beginning,
                }));
            }
            scan::Token::Syntax(_) => {
                self.close();
                self.ready.push_back(Output::Syntax(number));
            }
        }
    }

    /// Adds a line to the chunk. In a value of several lines, line ends are blanks like others.
    fn line(&mut self, number: u64, value: &[u8]) {
        if self.lines.len() + value.len() + 1 > self.limit {
            self.close();
        }
        let start = self.lines.len();
        self.lines.extend_from_slice(value);
        for byte in &mut self.lines[start..] {
            if *byte == b'\n' {
                *byte = b' ';
            }
        }
        self.lines.push(b'\n');
        self.numbers.push_back(number);
    }

    /// Ends the chunk being gathered, unless it is empty.
    fn close(&mut self) {
        if !self.lines.is_empty() {
            let bytes = Bytes::from(mem::take(&mut self.lines));
            let numbers = mem::take(&mut self.numbers);
            self.ready.push_back(Output::Chunk(Chunk { bytes, numbers }));
        }
    }
}

impl Chunk {
    /// Its lines, without their ends, with their numbers in the stream.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let lines = self.bytes.split_inclusive(|byte| *byte == b'\n');
        let lines = lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line));
        self.numbers.iter().copied().zip(lines)
    }

    /// Splits it into its first `lines` lines and the others; either may be empty.
    pub(super) fn split(&self, lines: usize) -> (Self, Self) {
        let cut = match lines.checked_sub(1) {
            None => 0,
            Some(last) => memchr::memchr_iter(b'\n', &self.bytes)
                .nth(last)
                .map_or(self.bytes.len(), |end| end + 1),
        };
        let mut head = self.numbers.clone();
        let tail = head.split_off(lines.min(head.len()));
        let part = |bytes, numbers| Self { bytes, numbers };
        (part(self.bytes.slice(..cut), head), part(self.bytes.slice(cut..), tail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds the blocks as the replay does, and takes when `take_early` says so or when it must.
    fn pieces(blocks: &[Vec<u8>], limit: usize, whole: bool, take_early: bool) -> Vec<Output> {
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

    /// All lines with their numbers, and the length of each chunk.
    fn lines(pieces: Vec<Output>) -> (Vec<(u64, String)>, Vec<usize>) {
        let (mut found, mut lengths) = (Vec::new(), Vec::new());
        for piece in pieces {
            match piece {
                Output::Chunk(chunk) => {
                    found.extend(
                        chunk
                            .numbered()
                            .map(|(number, line)| (number, String::from_utf8_lossy(line).into_owned())),
                    );
                    lengths.push(chunk.bytes.len());
                }
                Output::TooLong(long) => found.push((
                    long.line,
                    format!("too long {}", String::from_utf8_lossy(&long.beginning)),
                )),
                Output::Syntax(line) => found.push((line, "syntax".to_owned())),
            }
        }
        (found, lengths)
    }

    #[test]
    fn each_value_is_a_line() {
        let check = |input: &str, expected: &[(u64, &str)]| {
            let expected: Vec<_> = expected
                .iter()
                .map(|(number, line)| (*number, (*line).to_owned()))
                .collect();
            assert_eq!(
                lines(pieces(&[input.as_bytes().to_vec()], 20, true, false)).0,
                expected,
                "{input:?}"
            );
        };
        check("one\r\n\nthree\nfour", &[(1, "one"), (3, "three"), (4, "four")]);
        check(
            "{\"a\":1}{} {}\n\0\0{}",
            &[(1, "{\"a\":1}"), (1, "{}"), (1, "{}"), (2, "{}")],
        );
        check("{\"a\n{}", &[(1, "{\"a"), (2, "{}")]);
        check("[{\"a\":\n1},{}]", &[(1, "{\"a\": 1}"), (2, "{}")]);
        check("{\n}\n{\n\n}\n", &[(1, "{ }"), (3, "{  }")]);
        check("[{},x", &[(1, "{}"), (1, "syntax")]);
        // Of a value that is too long, the objects in it.
        check(
            "{\"a\":[{\"b\":1},{\"b\":2},{}]}\n{}",
            &[
                (1, "too long {\"a\":["),
                (1, "{\"b\":1}"),
                (1, "{\"b\":2}"),
                (1, "{}"),
                (1, "]}"),
                (2, "{}"),
            ],
        );
        let long = "x".repeat(30);
        check(
            &format!("one\n{long}\nthree"),
            &[(1, "one"), (2, "too long xxxxxxxxxxxxxxxxxxx"), (3, "three")],
        );
    }

    proptest! {
        #[test]
        fn any_blocks_give_the_same_lines_in_chunks_below_the_limit(
            parts in prop::collection::vec("(x{1,9}|\\{\"a\":1\\}|\\{\"a|\\{\\})?(\n| )", 0..40),
            cuts in prop::collection::vec(any::<usize>(), 0..20),
            limit in 20_usize..60,
            take_early: bool,
        ) {
            let bytes = parts.concat().into_bytes();
            let (expected, _) = lines(pieces(std::slice::from_ref(&bytes), limit, true, false));
            let (found, lengths) = lines(pieces(&split(&bytes, &cuts), limit, true, take_early));
            prop_assert_eq!(found, expected);
            prop_assert!(lengths.iter().all(|length| (1..=limit).contains(length)), "{:?}", lengths);
        }

        #[test]
        fn half_a_line_is_dropped_where_the_stream_broke(
            bytes in prop::collection::vec(prop_oneof![3 => Just(b'a'), 1 => Just(b'\n')], 0..200),
            cuts in prop::collection::vec(any::<usize>(), 0..20),
        ) {
            let (found, _) = lines(pieces(&split(&bytes, &cuts), 1_000, false, false));
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let expected = bytes[..whole].split(|byte| *byte == b'\n').zip(1_u64..).filter(|(line, _)| !line.is_empty());
            let expected: Vec<_> = expected.map(|(line, number)| (number, String::from_utf8_lossy(line).into_owned())).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_chunk_splits_behind_so_many_lines() {
        let chunk = Chunk {
            bytes: Bytes::from_static(b"one\ntwo\nthree\n"),
            numbers: [7, 9, 9].into(),
        };
        let check = |lines, head: &[(u64, &str)], tail: &[(u64, &str)]| {
            let (before, after) = chunk.split(lines);
            let shown = |chunk: &Chunk| {
                chunk
                    .numbered()
                    .map(|(number, line)| (number, String::from_utf8_lossy(line).into_owned()))
                    .collect::<Vec<_>>()
            };
            let owned = |lines: &[(u64, &str)]| {
                lines
                    .iter()
                    .map(|(number, line)| (*number, (*line).to_owned()))
                    .collect::<Vec<_>>()
            };
            assert_eq!((shown(&before), shown(&after)), (owned(head), owned(tail)));
        };
        check(0, &[], &[(7, "one"), (9, "two"), (9, "three")]);
        check(2, &[(7, "one"), (9, "two")], &[(9, "three")]);
        check(9, &[(7, "one"), (9, "two"), (9, "three")], &[]);
    }
}
