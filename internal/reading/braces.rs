//! Finds where an object ends, or where another begins in it, by its braces and quotes alone.

/// How far into an object a text has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Braces {
    depth: usize,
    string: bool,
    /// Behind a backslash.
    escaped: bool,
}

impl Braces {
    /// Where the object ends in `bytes`, which begin it or go on with it; then it begins again. None where they do not
    /// end it.
    pub(super) fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        self.find(bytes, false)
    }

    /// The same, or where the next object in it begins, if that comes first.
    pub(super) fn end_or_object(&mut self, bytes: &[u8]) -> Option<usize> {
        self.find(bytes, true)
    }

    /// Whether the object has ended, or has not begun.
    pub(super) fn is_outside(&self) -> bool {
        self.depth == 0
    }

    #[inline(always)]
    fn find(&mut self, bytes: &[u8], objects: bool) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.escaped {
                self.escaped = false;
            } else if self.string {
                at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
                if bytes[at] == b'"' {
                    self.string = false;
                } else {
                    self.escaped = true;
                }
            } else {
                match bytes[at] {
                    b'"' => self.string = true,
                    b'{' if objects && self.depth > 0 => return Some(at),
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => {
                        self.depth = self.depth.saturating_sub(1);
                        if self.depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
            }
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_object_and_the_next_one_in_it() {
        for (text, end, object) in [
            (r#"{"a":1} {}"#, Some(7), Some(7)),
            (r#"{"a":[1,{"b":2}]}x"#, Some(17), Some(8)),
            (r#"{"a":"{\"{","b":{}}"#, Some(19), Some(16)),
            (r#"{"a":"{"#, None, None),
            (r#"{"a":{"#, None, Some(5)),
        ] {
            assert_eq!(Braces::default().end(text.as_bytes()), end, "{text}");
            let mut braces = Braces::default();
            assert_eq!(braces.end_or_object(text.as_bytes()), object, "{text}");
            assert_eq!(braces.is_outside(), object == end && end.is_some(), "{text}");
            // A byte at a time, it is the same.
            let mut braces = Braces::default();
            let at = text.bytes().position(|byte| braces.end(&[byte]).is_some());
            assert_eq!(at.map(|at| at + 1), end, "{text}");
        }
    }
}
