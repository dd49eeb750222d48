//! Unsigned JWTs, written and read. Nothing here decides whether a token is accepted.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Writes a token with these claims. The third part is a word, not a signature.
pub(crate) fn encode(claims: &Value) -> String {
    let header = BASE64_URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "JWT"}).to_string());
    let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("{header}.{payload}.sim")
}

/// The claims of a token, or `None` when the text is not a JWT.
pub(crate) fn decode(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::{decode, encode};

    #[test]
    fn claims_survive_the_round_trip() {
        let claims = json!({"email": "ü@example.com", "exp": 1});
        assert_eq!(decode(&encode(&claims)), Some(claims));
    }

    #[test]
    fn other_texts_are_not_tokens() {
        for text in ["", "sk-key", "a.b", "a.b.c", "a.MQ.c", "a.e30.c.d"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
