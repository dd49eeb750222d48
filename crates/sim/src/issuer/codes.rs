//! Authorization codes: what each is bound to, and the one attempt to exchange it.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::{
    issuer::{IssuerPolicy, authorize::AuthorizeRequest, device::DeviceGrant},
    tokens::{GrantKind, Identity},
};

/// The codes so far; spent ones are kept, to be told from invented ones.
#[derive(Default)]
pub(super) struct Codes(HashMap<String, Code>);

struct Code {
    login: Login,
    redirect_uri: String,
    challenge: String,
    expires: SystemTime,
    spent: bool,
}

/// A login that came to its good end.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) kind: GrantKind,
    pub(crate) identity: Identity,
    pub(crate) client_id: String,
}

/// What a client says when it exchanges a code.
pub(crate) struct Exchange<'a> {
    pub(crate) code: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) verifier: &'a str,
}

/// Why a code is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodeError {
    #[error("The code was not issued by this sim.")]
    Unknown,
    #[error("The code was used before.")]
    Spent,
    #[error("The code has expired.")]
    Expired,
    #[error("The code was issued to another client.")]
    OtherClient,
    #[error("The code was issued for another `redirect_uri`.")]
    OtherRedirect,
    #[error("The `code_verifier` does not fit the challenge.")]
    WrongVerifier,
}

impl Codes {
    /// Where a browser goes with a new code.
    pub(super) fn answer(&mut self, request: &AuthorizeRequest, identity: &Identity, policy: &IssuerPolicy) -> String {
        let login =
            Login { kind: GrantKind::Browser, identity: identity.clone(), client_id: request.client_id.clone() };
        let code = self.issue(login, &request.redirect_uri, request.challenge.clone(), policy);
        request.answered(&code)
    }

    /// A new code together with the verifier that it wants, as devices get it.
    pub(super) fn issue_with_verifier(
        &mut self,
        identity: Identity,
        client_id: String,
        redirect_uri: &str,
        policy: &IssuerPolicy,
    ) -> DeviceGrant {
        let code_verifier = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let code_challenge = s256(&code_verifier);
        let login = Login { kind: GrantKind::Device, identity, client_id };
        let authorization_code = self.issue(login, redirect_uri, code_challenge.clone(), policy);
        DeviceGrant { authorization_code, code_challenge, code_verifier }
    }

    fn issue(&mut self, login: Login, redirect_uri: &str, challenge: String, policy: &IssuerPolicy) -> String {
        let text = format!("ac_{}", Uuid::new_v4().simple());
        let expires = SystemTime::now() + Duration::from_millis(policy.code_lifetime_ms);
        let code = Code { login, redirect_uri: redirect_uri.to_owned(), challenge, expires, spent: false };
        self.0.insert(text.clone(), code);
        text
    }

    pub(super) fn redeem(&mut self, exchange: &Exchange<'_>) -> Result<Login, CodeError> {
        let code = self.0.get_mut(exchange.code).ok_or(CodeError::Unknown)?;
        if std::mem::replace(&mut code.spent, true) {
            Err(CodeError::Spent)
        } else if code.expires <= SystemTime::now() {
            Err(CodeError::Expired)
        } else if code.login.client_id != exchange.client_id {
            Err(CodeError::OtherClient)
        } else if code.redirect_uri != exchange.redirect_uri {
            Err(CodeError::OtherRedirect)
        } else if code.challenge != s256(exchange.verifier) {
            Err(CodeError::WrongVerifier)
        } else {
            Ok(code.login.clone())
        }
    }
}

/// The challenge of a verifier.
fn s256(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::s256;

    #[test]
    fn the_challenge_is_that_of_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(s256(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
