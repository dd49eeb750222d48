//! The one type that holds a token or key in memory.

use aws_lc_rs::digest::{SHA256, digest};
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

    /// The token itself: for requests, for those who may have it, and for the store.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The first eight hexadecimal digits of the SHA-256: they tell two tokens apart, in a log and between processes,
    /// and say nothing about either.
    pub fn fingerprint(&self) -> String {
        let digest = digest(&SHA256, self.0.as_bytes());
        digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::AccessToken;

    #[test]
    fn every_release_gives_a_token_the_same_fingerprint() {
        // `printf secret | sha256sum`
        assert_eq!(AccessToken::new("secret").fingerprint(), "2bb80d53");
    }
}
