//! Finds where an object ends, by its braces and quotes alone.

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
