//! What must hold for every input of every parser that reads what others wrote.
//!
//! Each target takes any bytes and panics when its property does not hold. The tests play the inputs in
//! `corpus/<target>`; cargo-fuzz invents more (`just fuzz`). What it finds goes into the corpus, under a name
//! that says what it is.

mod backend;
mod files;
mod wire;

pub use backend::{claims, completions, events, failures};
pub use files::{config, config_keys, script};
pub use wire::{envelope, lines, params};

/// A target: panics when its property does not hold for the input.
pub type Target = fn(&[u8]);

/// All targets, by the name of their corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("claims", claims),
    ("completions", completions),
    ("config", config),
    ("config_keys", config_keys),
    ("envelope", envelope),
    ("events", events),
    ("failures", failures),
    ("lines", lines),
    ("params", params),
    ("script", script),
];

/// Cuts the input into chunks in three ways: not at all, into single bytes, and into pieces of the sizes that the
/// input itself says, so that a fuzzer has a say in them.
fn cuts(input: &[u8]) -> [Vec<&[u8]>; 3] {
    let mut pieces = Vec::new();
    let mut rest = input;
    while let Some(first) = rest.first() {
        let (piece, after) = rest.split_at(rest.len().min(1 + usize::from(*first) % 13));
        pieces.push(piece);
        rest = after;
    }
    [vec![input], input.chunks(1).collect(), pieces]
}

/// A refusal that says nothing helps nobody.
fn must_speak(error: &impl std::fmt::Display) {
    assert!(!error.to_string().trim().is_empty(), "an error without words");
}
