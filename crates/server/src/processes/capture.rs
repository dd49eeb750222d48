//! How much of a stream is kept or told.

use bytes::Bytes;

/// The beginning of a stream, up to a cap.
#[derive(Debug)]
pub(crate) struct Capture {
    /// How many bytes still fit; none: all do.
    left: Option<usize>,
    /// Whether the last that fits has come.
    full: bool,
    kept: Vec<u8>,
}

impl Capture {
    /// Of a stream of which at most so many bytes count.
    pub(crate) fn new(cap: Option<usize>) -> Self {
        Self { left: cap, full: false, kept: Vec::new() }
    }

    /// What of the next piece counts, and whether nothing after it does. None: nothing of it.
    pub(crate) fn admit(&mut self, piece: &Bytes) -> Option<(Bytes, bool)> {
        if self.full {
            return None;
        }
        let fitting = self.left.map_or(piece.len(), |left| left.min(piece.len()));
        self.left = self.left.map(|left| left - fitting);
        self.full = self.left == Some(0);
        Some((piece.slice(..fitting), self.full))
    }

    /// Keeps what counts of the next piece.
    pub(crate) fn keep(&mut self, piece: &Bytes) {
        if let Some((piece, _full)) = self.admit(piece) {
            self.kept.extend_from_slice(&piece);
        }
    }

    /// What was kept. What is no UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Capture;
    use bytes::Bytes;
    use pretty_assertions::assert_eq;

    fn admitted(cap: Option<usize>, pieces: &[&'static str]) -> Vec<Option<(Bytes, bool)>> {
        let mut capture = Capture::new(cap);
        pieces.iter().map(|piece| capture.admit(&Bytes::from_static(piece.as_bytes()))).collect()
    }

    #[test]
    fn the_piece_that_fills_the_cap_is_the_last() {
        let piece = |text: &'static str, full| Some((Bytes::from_static(text.as_bytes()), full));
        assert_eq!(admitted(None, &["ab", "cd"]), [piece("ab", false), piece("cd", false)]);
        assert_eq!(admitted(Some(3), &["ab", "cd", "e"]), [piece("ab", false), piece("c", true), None]);
        assert_eq!(admitted(Some(2), &["ab", "cd"]), [piece("ab", true), None]);
        assert_eq!(admitted(Some(0), &["ab", "cd"]), [piece("", true), None]);
    }

    #[test]
    fn a_character_that_is_cut_is_replaced() {
        let mut capture = Capture::new(Some(2));
        capture.keep(&Bytes::from_static("aä".as_bytes()));
        assert_eq!(capture.text(), "a\u{FFFD}");
    }
}
