//! Authorize requests: what a browser's address must say, and where the browser is sent back to.

use std::collections::HashMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use url::{Host, Url};

use crate::{
    issuer::{IssuerPolicy, PendingLogin},
    tokens::GrantKind,
};

/// Without these there is no email address and no refresh token.
const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Bytes of a SHA-256 hash.
const HASH: usize = 32;

/// What became of an authorize request.
pub(crate) enum Authorized {
    /// A person must decide.
    Ask(PendingLogin),
    /// It is decided, the browser goes there.
    Redirect(String),
}

/// An authorize request that is in order.
pub(super) struct AuthorizeRequest {
    pub(super) id: String,
    pub(super) client_id: String,
    /// What the client calls itself.
    originator: Option<String>,
    /// As it was written: the exchange must repeat it to the letter.
    pub(super) redirect_uri: String,
    /// The same, understood.
    target: Url,
    pub(super) challenge: String,
    state: String,
    /// Empty: all.
    workspaces: Vec<String>,
}

impl AuthorizeRequest {
    /// Checks the query. The error says what is wrong with it.
    pub(super) fn check(id: String, query: &HashMap<String, String>, policy: &IssuerPolicy) -> Result<Self, String> {
        let given = |name: &str| query.get(name).map_or("", String::as_str);
        let required = |name: &str| match given(name) {
            "" => Err(format!("`{name}` is missing.")),
            value => Ok(value.to_owned()),
        };
        let exactly = |name: &str, value: &str| match given(name) {
            found if found == value => Ok(()),
            found => Err(format!("`{name}` must be {value:?}, not {found:?}.")),
        };
        exactly("response_type", "code")?;
        let client_id = required("client_id")?;
        policy.check_client(&client_id)?;
        let redirect_uri = required("redirect_uri")?;
        let target = callback(&redirect_uri)?;
        let scope = required("scope")?;
        if let Some(missing) = SCOPES.iter().find(|wanted| !scope.split(' ').any(|scope| scope == **wanted)) {
            return Err(format!("`scope` lacks {missing:?}."));
        }
        exactly("code_challenge_method", "S256")?;
        let challenge = required("code_challenge")?;
        if BASE64_URL_SAFE_NO_PAD.decode(&challenge).map_or(0, |hash| hash.len()) != HASH {
            return Err("`code_challenge` is not a SHA-256 hash in base64url.".to_owned());
        }
        let state = required("state")?;
        let workspaces = given("allowed_workspace_id").split(',').map(str::trim).filter(|id| !id.is_empty());
        let workspaces = workspaces.map(ToOwned::to_owned).collect();
        let originator = query.get("originator").cloned();
        Ok(Self { id, client_id, originator, redirect_uri, target, challenge, state, workspaces })
    }

    pub(super) fn allows(&self, account: &str) -> bool {
        self.workspaces.is_empty() || self.workspaces.iter().any(|id| id == account)
    }

    /// What is shown of it.
    pub(super) fn shown(&self, policy: &IssuerPolicy) -> PendingLogin {
        PendingLogin {
            id: self.id.clone(),
            kind: GrantKind::Browser,
            client_id: self.client_id.clone(),
            originator: self.originator.clone(),
            redirect_uri: Some(self.redirect_uri.clone()),
            accounts: policy.accounts.iter().filter(|identity| self.allows(&identity.account)).cloned().collect(),
        }
    }

    /// Where the browser goes with a code.
    pub(super) fn answered(&self, code: &str) -> String {
        self.back(&[("code", code)])
    }

    /// Where the browser goes without one.
    pub(super) fn refused(&self, description: &str) -> String {
        self.back(&[("error", "access_denied"), ("error_description", description)])
    }

    fn back(&self, members: &[(&str, &str)]) -> String {
        let mut target = self.target.clone();
        target.query_pairs_mut().extend_pairs(members).append_pair("state", &self.state);
        target.into()
    }
}

/// The address of a login server on this machine.
fn callback(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`redirect_uri` {text:?} is not an address: {error}."))?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && is_loopback && url.path() == "/auth/callback" {
        Ok(url)
    } else {
        Err(format!("`redirect_uri` must be http, on this machine, with the path /auth/callback, not {text:?}."))
    }
}
