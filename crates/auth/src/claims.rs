//! What a ChatGPT access token says about itself. Signatures are not verified: the backend does that, and
//! the host trusts the parent that lends the token.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The claims that Valet reads. All may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The person's mail address.
    pub email: Option<String>,
    /// The workspace.
    pub account_id: Option<String>,
    /// The plan, in the token's words.
    pub plan: Option<String>,
    /// The person.
    pub user_id: Option<String>,
    /// When the token expires, in unix seconds.
    pub expires_at: Option<i64>,
}

/// Why a text is no access token. The texts are those of the reference.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    /// Not three parts.
    #[error("invalid ID token format")]
    Format,
    /// The middle part is not base64.
    #[error("{0}")]
    Base64(#[from] base64::DecodeError),
    /// The middle part is not an object of claims.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Payload {
    email: Option<String>,
    chatgpt_account_id: Option<String>,
    #[serde(default)]
    organizations: Vec<Organization>,
    exp: Option<f64>,
    #[serde(rename = "https://api.openai.com/auth", default)]
    auth: Option<AuthClaims>,
    #[serde(rename = "https://api.openai.com/profile", default)]
    profile: Option<ProfileClaims>,
}

#[derive(Default, Deserialize)]
struct AuthClaims {
    chatgpt_account_id: Option<String>,
    chatgpt_plan_type: Option<String>,
    chatgpt_user_id: Option<String>,
    user_id: Option<String>,
    #[serde(default)]
    organizations: Vec<Organization>,
}

/// A token of a person without a workspace names these only.
#[derive(Deserialize)]
struct Organization {
    id: Option<String>,
}

#[derive(Default, Deserialize)]
struct ProfileClaims {
    email: Option<String>,
}

impl Claims {
    /// Reads the claims of a JWT.
    pub fn of(token: &str) -> Result<Self, ClaimsError> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(_signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ClaimsError::Format);
        };
        if header.is_empty() || payload.is_empty() {
            return Err(ClaimsError::Format);
        }
        let payload: Payload = serde_json::from_slice(&BASE64.decode(payload)?)?;
        let auth = payload.auth.unwrap_or_default();
        Ok(Self {
            email: payload.profile.and_then(|profile| profile.email).or(payload.email),
            account_id: payload.chatgpt_account_id.or(auth.chatgpt_account_id).or_else(|| {
                let mut organizations = auth.organizations.into_iter().chain(payload.organizations);
                organizations.find_map(|organization| organization.id)
            }),
            plan: auth.chatgpt_plan_type,
            user_id: auth.chatgpt_user_id.or(auth.user_id),
            // A token from a careless issuer may carry a fraction.
            expires_at: payload.exp.map(|exp| exp as i64),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{BASE64, Claims};
    use base64::Engine as _;
    use pretty_assertions::assert_eq;

    pub(crate) fn jwt(payload: &str) -> String {
        format!("{}.{}.sig", BASE64.encode(r#"{"alg":"none"}"#), BASE64.encode(payload))
    }

    #[test]
    fn the_claims_of_a_full_token_are_read() {
        let token = jwt(r#"{"exp":2000000000,"https://api.openai.com/profile":{"email":"a@b.c"},
            "https://api.openai.com/auth":{"chatgpt_account_id":"acct-1","chatgpt_plan_type":"pro","user_id":"user-1"}}"#);
        let claims = Claims::of(&token).unwrap();
        assert_eq!(
            claims,
            Claims {
                email: Some("a@b.c".to_owned()),
                account_id: Some("acct-1".to_owned()),
                plan: Some("pro".to_owned()),
                user_id: Some("user-1".to_owned()),
                expires_at: Some(2_000_000_000),
            }
        );
    }

    #[test]
    fn the_workspace_is_looked_for_in_three_places() {
        let rows = [
            r#"{"chatgpt_account_id":"a","https://api.openai.com/auth":{"chatgpt_account_id":"b"}}"#,
            r#"{"https://api.openai.com/auth":{"chatgpt_account_id":"a"},"organizations":[{"id":"b"}]}"#,
            r#"{"https://api.openai.com/auth":{"organizations":[{"id":"a"},{"id":"b"}]}}"#,
            r#"{"organizations":[{"id":"a"}]}"#,
        ];
        for row in rows {
            assert_eq!(Claims::of(&jwt(row)).unwrap().account_id.as_deref(), Some("a"), "{row}");
        }
    }

    #[test]
    fn ea_15_a_token_without_an_auth_claim_is_a_token() {
        assert_eq!(Claims::of(&jwt("{}")).unwrap(), Claims::default());
    }

    #[test]
    fn ea_6_a_text_that_is_not_a_jwt_is_refused_in_the_words_of_the_reference() {
        for text in ["", "not-a-jwt", "a.b", "a.b.c.d", ".."] {
            assert_eq!(Claims::of(text).unwrap_err().to_string(), "invalid ID token format", "{text}");
        }
        assert!(Claims::of("a.b.c").is_err());
        assert!(Claims::of(&jwt("1")).is_err());
    }
}
