//! Keeping the beginning and the end of what a command writes, within a budget, as text.

use std::collections::VecDeque;

use crate::utf8::Utf8Pieces;

/// How many bytes a token of a model is taken for.
const BYTES_PER_TOKEN: usize = 4;

/// Takes in output piece by piece and keeps the first and the last half of a budget. Memory is bounded by the budget.
/// Bytes that are no UTF-8 become U+FFFD; a character may be split over pieces.
#[derive(Debug)]
pub struct OutputBudget {
    /// Bytes of text that each half may hold.
    half: usize,
    head: String,
    tail: VecDeque<u8>,
    pieces: Utf8Pieces,
    /// Bytes of text that came.
    text: usize,
}

/// What is left of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncated {
    /// The whole text, or its two ends with a line between them that says how much is missing.
    pub text: String,
    /// How many tokens the whole would have been, about.
    pub original_tokens: usize,
}

impl OutputBudget {
    /// Keeps at most so many bytes; the mark of the cut comes on top.
    pub fn bytes(budget: usize) -> Self {
        let half = budget / 2;
        Self { half, head: String::new(), tail: VecDeque::new(), pieces: Utf8Pieces::default(), text: 0 }
    }

    /// Keeps at most so many tokens, at four bytes each.
    pub fn tokens(budget: usize) -> Self {
        Self::bytes(budget.saturating_mul(BYTES_PER_TOKEN))
    }

    /// Takes in a piece.
    pub fn push(&mut self, piece: &[u8]) {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.push(piece, |text| self.keep(text));
        self.pieces = pieces;
    }

    fn keep(&mut self, text: &str) {
        self.text += text.len();
        let mut rest = text;
        // The tail begins where the head is full, and nothing goes back to the head.
        if self.tail.is_empty() {
            let (head, tail) = text.split_at(boundary(text, self.half.saturating_sub(self.head.len())));
            self.head.push_str(head);
            rest = tail;
        }
        let fitting = rest.len().saturating_sub(self.half);
        self.tail.extend(rest.as_bytes().get(fitting..).unwrap_or_default());
        let excess = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..excess);
    }

    /// What was kept.
    pub fn finish(mut self) -> Truncated {
        let last = std::mem::take(&mut self.pieces).finish();
        self.keep(last);
        // The front of the tail may be the rest of a character.
        let tail: Vec<u8> = self.tail.into_iter().skip_while(|byte| byte & 0xC0 == 0x80).collect();
        let tail = String::from_utf8_lossy(&tail);
        let omitted = self.text - self.head.len() - tail.len();
        let mut text = self.head;
        if omitted > 0 {
            text.push_str(&format!("\n[… {omitted} bytes are left out here …]\n"));
        }
        text.push_str(&tail);
        Truncated { text, original_tokens: self.text.div_ceil(BYTES_PER_TOKEN) }
    }
}

/// The last place up to `limit` where a character begins or the text ends.
fn boundary(text: &str, limit: usize) -> usize {
    (0..=limit.min(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}
