//! Whose login it is, without its secrets.

use std::fmt::{Display, Formatter};

use serde::Serialize;
use valet_auth::Claims;
use valet_auth::store::Login;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Who {
    pub(super) name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    email: Option<String>,
    pub(super) account_id: Option<String>,
    pub(super) plan: Option<String>,
    /// In unix seconds. The host renews it before.
    pub(super) expires_at: Option<i64>,
}

impl Who {
    pub(super) fn of(login: &Login) -> Self {
        let name = login.name();
        match login {
            Login::ApiKey(_) => {
                Self { name, kind: "apiKey", email: None, account_id: None, plan: None, expires_at: None }
            }
            Login::Chatgpt(tokens) => {
                let id = Claims::of(tokens.id.expose()).unwrap_or_default();
                let access = Claims::of(tokens.access.expose()).unwrap_or_default();
                Self {
                    name,
                    kind: "chatgpt",
                    email: id.email.or(access.email),
                    account_id: tokens.account_id.clone(),
                    plan: id.plan.or(access.plan),
                    expires_at: access.expires_at,
                }
            }
        }
    }
}

impl Display for Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match (self.kind, &self.email) {
            ("apiKey", _) => write!(f, "an API key ({})", self.name),
            (_, Some(email)) => write!(f, "ChatGPT as {email}"),
            (_, None) => write!(f, "ChatGPT as {}", self.name),
        }
    }
}
