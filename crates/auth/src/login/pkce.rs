//! What proves that the program which redeems a code is the one that asked for it (RFC 7636).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// A verifier and what the issuer is told of it first.
pub(super) struct Pkce {
    pub(super) verifier: Zeroizing<String>,
    pub(super) challenge: String,
}

impl Pkce {
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let verifier = random()?;
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        Ok(Self { verifier, challenge })
    }
}

/// 32 bytes that nobody can guess, from the operating system, as text that no URL, no header and no JSON minds.
pub fn random() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut())?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use pretty_assertions::assert_eq;

    use super::{Pkce, random};

    #[test]
    fn no_two_are_the_same_and_each_is_32_bytes() {
        let all: HashSet<_> = (0..1_000).map(|_| random().unwrap().to_string()).collect();
        assert_eq!(all.len(), 1_000);
        assert!(all.iter().all(|text| URL_SAFE_NO_PAD.decode(text).unwrap().len() == 32));
    }

    #[test]
    fn the_challenge_is_the_digest_of_the_verifier_as_rfc_7636_has_it() {
        let pkce = Pkce::new().unwrap();
        assert_eq!(pkce.challenge, URL_SAFE_NO_PAD.encode(digest(&SHA256, pkce.verifier.as_bytes())));
        // Appendix B of the RFC.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
