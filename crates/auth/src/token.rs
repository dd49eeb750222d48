//! The one type that holds a token or key in memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use zeroize::Zeroizing;

/// A bearer credential. It has no `Debug`, `Display` or `Serialize`, and its memory is overwritten when it
/// is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// Takes a token over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The token itself. To be written into an `Authorization` header, and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A few characters that tell two tokens apart in a log and say nothing about either.
    pub fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        format!("{:08x}", hasher.finish() as u32)
    }
}
