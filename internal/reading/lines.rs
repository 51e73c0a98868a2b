//! Splits a stream of chunks into lines, whatever the chunks, holding at most one line.

/// Gathers lines from chunks.
#[derive(Debug)]
pub struct Splitter {
    /// The part of the present line that came in earlier chunks.
    partial: Vec<u8>,
    /// `partial` was given out as a whole line and is to be forgotten.
    given: bool,
    /// The present line is too long: its rest is passed over.
    skipping: bool,
    max: usize,
    number: u64,
}

/// One line of the body.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its line end; never blank.
    Whole(&'a [u8]),
    /// A line longer than allowed, and how it starts.
    TooLong(&'a [u8]),
}

/// How much of a line that is too long is kept.
const KEPT: usize = 4096;

impl Splitter {
    /// Lines of at most `max` bytes are given whole.
    pub fn new(max: usize) -> Self {
        Self {
            partial: Vec::new(),
            given: false,
            skipping: false,
            max,
            number: 0,
        }
    }

    /// The next line that ends in `chunk`, which is shortened by what was looked at, and its
    /// number, from 1; blank lines count. `None` when the chunk is used up.
    pub fn next<'a, 'c: 'a>(&'a mut self, chunk: &mut &'c [u8]) -> Option<(u64, Line<'a>)> {
        self.forget();
        loop {
            let Some(end) = memchr::memchr(b'\n', chunk) else {
                self.keep(chunk);
                *chunk = &[];
                return None;
            };
            let (head, tail) = (&chunk[..end], &chunk[end + 1..]);
            *chunk = tail;
            self.number += 1;
            if self.partial.is_empty() && !self.skipping && head.len() <= self.max {
                if let Some(line) = trim(head, self.number) {
                    return Some((self.number, Line::Whole(line)));
                }
                continue;
            }
            self.keep(head);
            if self.skipping || trim(&self.partial, self.number).is_some() {
                return self.give();
            }
            self.forget_now();
        }
    }

    /// The last line, when the body does not end with a line end.
    pub fn finish(&mut self) -> Option<(u64, Line<'_>)> {
        self.forget();
        if self.partial.is_empty() && !self.skipping {
            return None;
        }
        self.number += 1;
        if !self.skipping && trim(&self.partial, self.number).is_none() {
            return None;
        }
        self.give()
    }

    fn give(&mut self) -> Option<(u64, Line<'_>)> {
        self.given = true;
        if self.skipping {
            return Some((self.number, Line::TooLong(&self.partial)));
        }
        Some((self.number, Line::Whole(trim(&self.partial, self.number)?)))
    }

    fn keep(&mut self, part: &[u8]) {
        if self.skipping {
            return;
        }
        if self.partial.len() + part.len() > self.max {
            self.skipping = true;
            let missing = KEPT.min(self.max).saturating_sub(self.partial.len()).min(part.len());
            self.partial.extend_from_slice(&part[..missing]);
            self.partial.truncate(KEPT);
        } else {
            self.partial.extend_from_slice(part);
        }
    }

    fn forget(&mut self) {
        if std::mem::take(&mut self.given) {
            self.forget_now();
        }
    }

    fn forget_now(&mut self) {
        self.partial.clear();
        self.skipping = false;
    }
}

/// The line without a carriage return at its end and, in the first line, without a byte order
/// mark; `None` when nothing but white space is left.
fn trim(line: &[u8], number: u64) -> Option<&[u8]> {
    let line = match line {
        [0xef, 0xbb, 0xbf, rest @ ..] if number == 1 => rest,
        line => line,
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let blank = line.iter().all(u8::is_ascii_whitespace);
    (!blank).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the lines of `body` are when it comes in chunks that end at `cuts`.
    fn split(body: &[u8], cuts: &[usize], max: usize) -> Vec<(u64, bool, Vec<u8>)> {
        let mut splitter = Splitter::new(max);
        let mut found = Vec::new();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        for range in cuts.windows(2) {
            let mut chunk = &body[range[0]..range[1]];
            while let Some(line) = splitter.next(&mut chunk) {
                found.push(copied(line));
            }
        }
        found.extend(splitter.finish().map(copied));
        found
    }

    fn copied((number, line): (u64, Line<'_>)) -> (u64, bool, Vec<u8>) {
        match line {
            Line::Whole(line) => (number, true, line.to_vec()),
            Line::TooLong(line) => (number, false, line.to_vec()),
        }
    }

    #[test]
    fn lines_of_a_body() {
        let body = b"\xef\xbb\xbfone\r\n\n  \t\r\ntwo\ntoo long a line\nthree";
        let found = split(body, &[], 8);
        let expected: [(u64, bool, &[u8]); 4] = [
            (1, true, b"one"),
            (4, true, b"two"),
            (5, false, b"too long"),
            (6, true, b"three"),
        ];
        assert_eq!(
            found,
            expected.map(|(number, whole, line)| (number, whole, line.to_vec()))
        );
        assert!(split(b"", &[], 8).is_empty());
        assert!(split(b"\r\n", &[], 8).is_empty());
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            pieces in proptest::collection::vec("[ab]{0,12}(\n|\r\n)?", 0..20),
            cuts in proptest::collection::vec(0_usize..300, 0..10),
        ) {
            let body = pieces.concat();
            prop_assert_eq!(split(body.as_bytes(), &cuts, 10), split(body.as_bytes(), &[], 10));
        }
    }
}
