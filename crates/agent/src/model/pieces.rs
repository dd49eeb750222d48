//! Pieces of one text that came together and are told together: what is read from the backend in one go holds many of
//! them when it is fast, and each that is told costs more than all that are read.

use crate::event::Event;

/// No joined piece grows much larger: clients show it as it comes.
const MOST_JOINED_BYTES: usize = 4 * 1024;

/// What a piece is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PieceOf {
    /// A message.
    Text,
    /// A part of a summary of reasoning.
    Summary(i64),
    /// A part of reasoning.
    Reasoning(i64),
}

/// A piece that is not told yet.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    of: Option<PieceOf>,
    item_id: String,
    /// Kept when it is empty, so that a piece that comes alone asks for no memory.
    text: String,
}

impl Pieces {
    /// Adds a piece. What cannot be joined with it is told first.
    pub(crate) fn add(&mut self, of: PieceOf, item_id: &str, text: &str, tell: impl FnOnce(Event<'_>)) {
        if self.of != Some(of) || self.item_id != item_id || self.text.len() + text.len() > MOST_JOINED_BYTES {
            self.tell(tell);
            self.of = Some(of);
            self.item_id.clear();
            self.item_id.push_str(item_id);
        }
        self.text.push_str(text);
    }

    /// Tells what has not been told.
    pub(crate) fn tell(&mut self, tell: impl FnOnce(Event<'_>)) {
        let Some(of) = self.of.take() else { return };
        let (item_id, delta) = (self.item_id.as_str(), self.text.as_str());
        tell(match of {
            PieceOf::Text => Event::TextDelta { item_id, delta },
            PieceOf::Summary(index) => Event::SummaryDelta { item_id, index, delta },
            PieceOf::Reasoning(index) => Event::ReasoningDelta { item_id, index, delta },
        });
        self.text.clear();
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::{MOST_JOINED_BYTES, PieceOf, Pieces};
    use crate::event::Event;

    /// What is told of pieces that came together.
    fn told(pieces: &[(PieceOf, &str, &str)]) -> Vec<(PieceOf, String, String)> {
        let mut told = Vec::new();
        let mut tell = |event: Event<'_>| {
            let (of, item_id, delta) = match event {
                Event::TextDelta { item_id, delta } => (PieceOf::Text, item_id, delta),
                Event::SummaryDelta { item_id, index, delta } => (PieceOf::Summary(index), item_id, delta),
                Event::ReasoningDelta { item_id, index, delta } => (PieceOf::Reasoning(index), item_id, delta),
                _ => panic!("another event"),
            };
            told.push((of, item_id.to_owned(), delta.to_owned()));
        };
        let mut together = Pieces::default();
        for (of, item_id, text) in pieces {
            together.add(*of, item_id, text, &mut tell);
        }
        together.tell(&mut tell);
        together.tell(&mut tell);
        told
    }

    #[test]
    fn pieces_of_one_text_are_told_as_one() {
        let whole = (PieceOf::Text, "a".to_owned(), "Hello there".to_owned());
        assert_eq!(
            told(&[(PieceOf::Text, "a", "Hel"), (PieceOf::Text, "a", "lo "), (PieceOf::Text, "a", "there")]),
            [whole]
        );
    }

    #[test]
    fn pieces_of_other_texts_stay_apart_and_in_order() {
        let apart = [
            (PieceOf::Summary(0), "r", "1"),
            (PieceOf::Summary(1), "r", "2"),
            (PieceOf::Reasoning(1), "r", "3"),
            (PieceOf::Text, "a", "4"),
            (PieceOf::Text, "b", "5"),
            (PieceOf::Text, "a", "6"),
        ];
        assert_eq!(told(&apart), apart.map(|(of, item_id, text)| (of, item_id.to_owned(), text.to_owned())));
    }

    #[test]
    fn no_joined_piece_grows_without_end_and_none_is_cut() {
        let large = "x".repeat(MOST_JOINED_BYTES + 1);
        let pieces = [(PieceOf::Text, "a", "1"), (PieceOf::Text, "a", large.as_str()), (PieceOf::Text, "a", "2")];
        assert_eq!(
            told(&pieces).iter().map(|(.., text)| text.len()).collect::<Vec<_>>(),
            [1, MOST_JOINED_BYTES + 1, 1]
        );
    }
}
