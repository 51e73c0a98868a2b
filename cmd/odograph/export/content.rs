//! Whether an export has anything.

/// Looks for the first reading or place of an answer that comes in pieces.
pub(super) struct Content {
    /// What each reading or place has.
    mark: &'static [u8],
    /// How many more of it there are, before it is known that one is there.
    missing: usize,
    /// The end of the pieces before, which may be the beginning of a mark.
    end: Vec<u8>,
}

impl Content {
    /// Something is there with so many of these marks.
    pub(super) fn new(mark: &'static [u8], missing: usize) -> Self {
        Self {
            mark,
            missing,
            end: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, piece: &[u8]) {
        if self.missing == 0 {
            return;
        }
        self.end.extend_from_slice(piece);
        let found = self.end.windows(self.mark.len()).filter(|part| *part == self.mark);
        self.missing -= found.take(self.missing).count();
        let kept = self.end.len().min(self.mark.len() - 1);
        self.end.drain(..self.end.len() - kept);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.missing > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_empty(mark: &'static [u8], missing: usize, pieces: &[&str]) -> bool {
        let mut content = Content::new(mark, missing);
        for piece in pieces {
            content.take(piece.as_bytes());
        }
        content.is_empty()
    }

    #[test]
    fn the_first_is_found_in_any_pieces() {
        assert!(is_empty(b"\n", 2, &["device", "\n", ""]));
        assert!(!is_empty(b"\n", 2, &["device\n", "lada\n"]));
        assert!(!is_empty(b"\n", 2, &["device\nlada\n"]));
        assert!(is_empty(b"<trkpt", 1, &["<gpx><trk", "seg></trkseg>"]));
        assert!(!is_empty(b"<trkpt", 1, &["<gpx><tr", "k", "pt lat"]));
        assert!(is_empty(b"\n", 1, &[]));
    }
}
