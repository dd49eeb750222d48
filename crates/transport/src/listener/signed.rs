//! Bearer tokens that somebody signs: JWTs with HS256, and what their claims must say.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::auth::Refusal;

/// What the claims of a token must say, beside not being expired.
#[derive(Clone, Debug)]
pub struct SignedRules {
    /// `iss` must be this.
    pub issuer: Option<String>,
    /// `aud` must be this, or a list with this in it.
    pub audience: Option<String>,
    /// How far the clock of the signer may be off, for `exp` and `nbf`.
    pub max_clock_skew: Duration,
}

impl Default for SignedRules {
    fn default() -> Self {
        Self { issuer: None, audience: None, max_clock_skew: Duration::from_secs(30) }
    }
}

/// The key, and the rules.
pub(super) struct Signed {
    key: hmac::Key,
    rules: SignedRules,
}

/// What matters of the first part of a token. Whatever else it says may be passed over.
#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Names what must not be passed over. We know of no such thing.
    crit: Option<IgnoredAny>,
}

/// Times are seconds since 1970, whole ones.
#[derive(Deserialize)]
struct Claims {
    exp: i64,
    nbf: Option<i64>,
    iss: Option<String>,
    aud: Option<Audience>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Several(several) => several.iter().any(|one| one == name),
        }
    }
}

impl Signed {
    pub(super) fn new(secret: &[u8], rules: SignedRules) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), rules }
    }

    pub(super) fn check(&self, token: &str) -> Result<(), Refusal> {
        let claims = self.claims(token).ok_or(Refusal::Jwt)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.judge(&claims, i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
    }

    /// The claims, if the key has signed them. One algorithm is all there is to it: a library for tokens brings every
    /// other one along, and keys of every kind.
    fn claims(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = decoded(header)?;
        if header.alg != "HS256" || header.crit.is_some() {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.key, signed.as_bytes(), &signature).ok()?;
        decoded(claims)
    }

    fn judge(&self, claims: &Claims, now: i64) -> Result<(), Refusal> {
        let skew = i64::try_from(self.rules.max_clock_skew.as_secs()).unwrap_or(i64::MAX);
        if now > claims.exp.saturating_add(skew) {
            return Err(Refusal::Expired);
        }
        if claims.nbf.is_some_and(|nbf| now < nbf.saturating_sub(skew)) {
            return Err(Refusal::NotYet);
        }
        if self.rules.issuer.is_some() && self.rules.issuer != claims.iss {
            return Err(Refusal::Issuer);
        }
        match &self.rules.audience {
            Some(audience) if !claims.aud.as_ref().is_some_and(|aud| aud.names(audience)) => Err(Refusal::Audience),
            _ => Ok(()),
        }
    }
}

/// Reads one part of a token. What is no part of one has a dot in it, or is no base64, or no JSON.
fn decoded<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::{Signed, SignedRules};

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn token(claims: &Value, algorithm: Algorithm, secret: &[u8]) -> String {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
    }

    fn said(signed: &Signed, token: &str) -> String {
        signed.check(token).map_or_else(|refusal| refusal.to_string(), |()| "let in".to_owned())
    }

    /// Claims in force, with some of them changed; null takes one out.
    fn claims(changes: &Value) -> Value {
        let mut claims = json!({ "exp": get_current_timestamp() + 100, "iss": "iss", "aud": "aud" });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    #[test]
    fn every_refusal_of_a_signed_token_has_its_words() {
        let rules = SignedRules { issuer: Some("iss".into()), audience: Some("aud".into()), ..Default::default() };
        let strict = Signed::new(SECRET, rules);
        let lax = Signed::new(SECRET, SignedRules::default());
        let now = get_current_timestamp();
        let (jwt, expired, not_yet) =
            ("invalid websocket jwt", "expired websocket jwt", "websocket jwt is not valid yet");
        let (issuer, audience) = ("websocket jwt issuer mismatch", "websocket jwt audience mismatch");
        // Changed claims, and the answer with and without rules for issuer and audience.
        let rows = [
            (json!({}), "let in", "let in"),
            (json!({ "exp": now - 10 }), "let in", "let in"),
            (json!({ "exp": now - 40 }), expired, expired),
            (json!({ "exp": -5 }), expired, expired),
            (json!({ "exp": null }), jwt, jwt),
            (json!({ "exp": "soon" }), jwt, jwt),
            (json!({ "exp": now as f64 + 100.5 }), jwt, jwt),
            (json!({ "nbf": now + 20 }), "let in", "let in"),
            (json!({ "nbf": now + 60 }), not_yet, not_yet),
            (json!({ "nbf": "x" }), jwt, jwt),
            (json!({ "nbf": null }), "let in", "let in"),
            (json!({ "iss": "other" }), issuer, "let in"),
            (json!({ "iss": null }), issuer, "let in"),
            (json!({ "iss": ["iss"] }), jwt, jwt),
            (json!({ "aud": ["other", "aud"] }), "let in", "let in"),
            (json!({ "aud": "other" }), audience, "let in"),
            (json!({ "aud": [] }), audience, "let in"),
            (json!({ "aud": null }), audience, "let in"),
            (json!({ "aud": 5 }), jwt, jwt),
            (json!({ "exp": 5, "nbf": now + 1000, "iss": "other" }), expired, expired),
            (json!({ "nbf": now + 1000, "iss": "other" }), not_yet, not_yet),
            (json!({ "iss": "other", "aud": "other" }), issuer, "let in"),
        ];
        for (changes, with, without) in rows {
            let token = token(&claims(&changes), Algorithm::HS256, SECRET);
            assert_eq!((said(&strict, &token), said(&lax, &token)), (with.into(), without.into()), "{changes}");
        }
    }

    #[test]
    fn only_hs256_with_the_secret_is_a_signature() {
        let signed = Signed::new(SECRET, SignedRules::default());
        let claims = claims(&json!({}));
        let good = token(&claims, Algorithm::HS256, SECRET);
        let body = good.split('.').nth(1).unwrap();
        // The first part says that there is no signature: {"alg":"none"}.
        let unsigned = format!("eyJhbGciOiJub25lIn0.{body}.");
        let stripped = good.rsplit_once('.').unwrap().0.to_owned();
        let critical = Header { crit: Some(vec!["b64".to_owned()]), ..Header::new(Algorithm::HS256) };
        let others = [
            encode(&critical, &claims, &EncodingKey::from_secret(SECRET)).unwrap(),
            token(&claims, Algorithm::HS512, SECRET),
            token(&claims, Algorithm::HS256, b"another secret, of 32 bytes also"),
            unsigned,
            format!("{stripped}."),
            stripped,
            "abc".to_owned(),
            "a.b.c".to_owned(),
        ];
        assert_eq!(said(&signed, &good), "let in");
        for other in others {
            assert_eq!(said(&signed, &other), "invalid websocket jwt", "{other}");
        }
    }
}
