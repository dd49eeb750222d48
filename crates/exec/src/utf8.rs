//! Text from bytes that come in pieces.

/// Makes text of bytes whose pieces may split a character. What is no UTF-8 becomes U+FFFD.
#[derive(Debug, Default)]
pub struct Utf8Pieces {
    /// The beginning of a character whose rest has not come yet: three bytes at most.
    unfinished: Vec<u8>,
}

impl Utf8Pieces {
    /// Takes in a piece, and hands on the text that is whole with it.
    pub fn push(&mut self, piece: &[u8], mut text: impl FnMut(&str)) {
        let joined;
        let mut rest = piece;
        if !self.unfinished.is_empty() {
            joined = [std::mem::take(&mut self.unfinished).as_slice(), piece].concat();
            rest = &joined;
        }
        let mut chunks = rest.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text(chunk.valid());
            let invalid = chunk.invalid();
            let cut_short = std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if chunks.peek().is_none() && cut_short {
                self.unfinished = invalid.to_vec();
            } else if !invalid.is_empty() {
                text("\u{FFFD}");
            }
        }
    }

    /// What stands for a character whose rest never came.
    pub fn finish(self) -> &'static str {
        if self.unfinished.is_empty() { "" } else { "\u{FFFD}" }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::Utf8Pieces;

    #[test]
    fn a_character_that_comes_in_two_pieces_is_one_character() {
        let text = |pieces: &[&[u8]]| {
            let (mut text, mut utf8) = (String::new(), Utf8Pieces::default());
            for piece in pieces {
                text.push('|');
                utf8.push(piece, |part| text.push_str(part));
            }
            text + "|" + utf8.finish()
        };
        let crab = "🦀".as_bytes();
        assert_eq!(text(&[&crab[..1], &crab[1..3], &crab[3..], b"\xff!"]), "|||🦀|\u{FFFD}!|");
        assert_eq!(text(&[&crab[..3]]), "||\u{FFFD}");
    }
}
