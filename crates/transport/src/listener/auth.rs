//! The credential in `Authorization: Bearer …`: what it is held against, and the words of every refusal.
//! Held in memory is what is needed to judge, never a token.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::signed::{Signed, SignedRules};

/// Bytes that the secret of signed tokens must have at least: as many as the digest that it keys.
const SECRET_BYTES: usize = 32;

/// What visitors have to show.
#[derive(Clone)]
pub struct Auth(Arc<Mode>);

enum Mode {
    /// One token for everybody, known by its SHA-256.
    Capability([u8; SHA256_OUTPUT_LEN]),
    /// Tokens that somebody signs.
    Signed(Box<Signed>),
}

impl fmt::Debug for Auth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Auth")
    }
}

/// Why there is nothing to hold credentials against.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file cannot be read.
    #[error("failed to read websocket auth secret {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// There is nothing in the file but white space.
    #[error("websocket auth secret {} must not be empty", .0.display())]
    Empty(PathBuf),
    /// A secret that could be guessed.
    #[error("signed websocket bearer secret {} must be at least 32 bytes", .0.display())]
    Short(PathBuf),
}

impl Auth {
    /// Takes the token in the file, without the white space around it.
    pub fn token_file(path: &Path) -> Result<Self, AuthError> {
        Ok(Self::token(&Self::read_token(path)?))
    }

    /// The token in the file, without the white space around it, for whoever has to show it.
    pub fn read_token(path: &Path) -> Result<Zeroizing<String>, AuthError> {
        let failed = |error| AuthError::Read { path: path.to_owned(), error };
        let text = String::from_utf8(std::fs::read(path).map_err(failed)?).map_err(|error| {
            error.into_bytes().zeroize();
            failed(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8"))
        })?;
        let text = Zeroizing::new(text);
        match text.trim() {
            "" => Err(AuthError::Empty(path.to_owned())),
            token => Ok(Zeroizing::new(token.to_owned())),
        }
    }

    /// Takes this token.
    pub fn token(token: &str) -> Self {
        Self::token_digest(sha256(token.as_bytes()))
    }

    /// Takes the token with this SHA-256.
    pub fn token_digest(digest: [u8; 32]) -> Self {
        Self(Arc::new(Mode::Capability(digest)))
    }

    /// Takes tokens that are signed with the secret in the file, without the white space around it.
    pub fn signed(secret_file: &Path, rules: SignedRules) -> Result<Self, AuthError> {
        let secret = Self::read_token(secret_file)?;
        if secret.len() < SECRET_BYTES {
            return Err(AuthError::Short(secret_file.to_owned()));
        }
        Ok(Self(Arc::new(Mode::Signed(Box::new(Signed::new(secret.as_bytes(), rules))))))
    }

    /// Judges the headers of a request.
    ///
    /// # Errors
    /// The body of the 401 that it is to be answered with.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let token = bearer(headers)?;
        match &*self.0 {
            Mode::Capability(known) if bool::from(sha256(token.as_bytes()).ct_eq(known)) => Ok(()),
            Mode::Capability(_) => Err(Refusal::WrongToken),
            Mode::Signed(signed) => signed.check(token),
        }
    }
}

/// The body of a 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no credential.
    #[error("missing websocket bearer token")]
    Missing,
    /// The header is none of the kind.
    #[error("invalid authorization header")]
    Header,
    /// It is not the token.
    #[error("invalid websocket bearer token")]
    WrongToken,
    /// A signed token that makes no sense.
    #[error("invalid websocket jwt")]
    Jwt,
    /// It was good.
    #[error("expired websocket jwt")]
    Expired,
    /// It will be good.
    #[error("websocket jwt is not valid yet")]
    NotYet,
    /// Somebody else has signed it.
    #[error("websocket jwt issuer mismatch")]
    Issuer,
    /// It is for somebody else.
    #[error("websocket jwt audience mismatch")]
    Audience,
}

fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let value = headers.get(header::AUTHORIZATION).ok_or(Refusal::Missing)?;
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(Refusal::Header)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Refusal::Header);
    }
    Ok(token)
}

fn sha256(data: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut output = [0; SHA256_OUTPUT_LEN];
    output.copy_from_slice(digest(&SHA256, data).as_ref());
    output
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};
    use pretty_assertions::assert_eq;

    use super::{Auth, sha256};

    #[test]
    fn every_refusal_of_a_capability_token_has_its_words() {
        let auth = Auth::token_digest(sha256(b"tok"));
        let rows: [(Option<&[u8]>, &str); 12] = [
            (Some(b"Bearer tok"), "let in"),
            (Some(b"bearer    tok  "), "let in"),
            (Some(b"BEARER tok"), "let in"),
            (None, "missing websocket bearer token"),
            (Some(b"Bearer nope"), "invalid websocket bearer token"),
            (Some(b"Bearer tok x"), "invalid websocket bearer token"),
            (Some(b"Bearer"), "invalid authorization header"),
            (Some(b"Bearer "), "invalid authorization header"),
            (Some(b"Bearer\ttok"), "invalid authorization header"),
            (Some(b"Basic tok"), "invalid authorization header"),
            (Some(b"Bearer \xc3\xa9"), "invalid authorization header"),
            (Some(b""), "invalid authorization header"),
        ];
        for (value, words) in rows {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            let said = auth.check(&headers).map_or_else(|refusal| refusal.to_string(), |()| "let in".to_owned());
            assert_eq!(said, words, "{value:?}");
        }
    }

    #[test]
    fn a_token_file_counts_without_the_white_space_around_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, " tok\n").unwrap();
        let auth = Auth::token_file(file.path()).unwrap();
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Bearer tok"))]);
        assert_eq!(auth.check(&headers), Ok(()));
        assert_eq!(format!("{auth:?}"), "Auth");
    }

    #[test]
    fn a_file_that_holds_no_secret_is_refused_with_its_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display();
        let refused = || Auth::token_file(file.path()).unwrap_err().to_string();
        assert_eq!(refused(), format!("websocket auth secret {path} must not be empty"));
        std::fs::write(&file, " \n").unwrap();
        assert_eq!(refused(), format!("websocket auth secret {path} must not be empty"));
        std::fs::write(&file, b"\xff\xfe").unwrap();
        assert_eq!(refused(), format!("failed to read websocket auth secret {path}: it is not UTF-8"));
        let error = Auth::token_file(std::path::Path::new("/no/such/file")).unwrap_err().to_string();
        assert!(error.starts_with("failed to read websocket auth secret /no/such/file: "), "{error}");
        std::fs::write(&file, "x".repeat(31)).unwrap();
        let error = Auth::signed(file.path(), Default::default()).unwrap_err().to_string();
        assert_eq!(error, format!("signed websocket bearer secret {path} must be at least 32 bytes"));
    }
}
