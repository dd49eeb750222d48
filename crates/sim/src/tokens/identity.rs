//! Whose a token is, and what the tokens say about it.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{jwt, tokens::unix_seconds};

/// A person in a workspace. Absent members of a script have the values of the default: account
/// `acct-1`, user `user-1`, `user@example.com`, plan `pro`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Identity {
    /// The account (workspace) id.
    pub account: String,
    /// The user id.
    pub user: String,
    /// The user's email address.
    pub email: String,
    /// The plan, for example `pro`.
    pub plan: String,
}

impl Default for Identity {
    fn default() -> Self {
        let [account, user, email, plan] = ["acct-1", "user-1", "user@example.com", "pro"].map(str::to_owned);
        Self { account, user, email, plan }
    }
}

impl Identity {
    /// The default person in this workspace.
    pub fn account(account: impl Into<String>) -> Self {
        Self { account: account.into(), ..Self::default() }
    }

    /// What a token says about its owner, whoever issued it.
    pub(crate) fn of_token(token: &str) -> Option<Self> {
        let claims = jwt::decode(token)?;
        let auth = &claims["https://api.openai.com/auth"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Some(Self {
            account: text(&auth["chatgpt_account_id"]),
            user: text(&auth["chatgpt_user_id"]),
            email: text(&claims["email"]),
            plan: text(&auth["chatgpt_plan_type"]),
        })
    }

    /// A bearer token.
    pub(crate) fn access_token(&self, expires: SystemTime) -> String {
        let mut claims = self.claims(expires);
        claims["https://api.openai.com/profile"] = json!({"email": self.email});
        jwt::encode(&claims)
    }

    /// A token that only tells a client whom it serves.
    pub(crate) fn id_token(&self, client_id: Option<&str>, expires: SystemTime) -> String {
        let mut claims = self.claims(expires);
        claims["aud"] = client_id.into_iter().collect();
        claims["sub"] = self.user.clone().into();
        let auth = &mut claims["https://api.openai.com/auth"];
        auth["user_id"] = self.user.clone().into();
        auth["organizations"] =
            json!([{"id": format!("org-{}", self.account), "title": "Demo", "role": "owner", "is_default": true}]);
        jwt::encode(&claims)
    }

    fn claims(&self, expires: SystemTime) -> Value {
        json!({
            "email": self.email,
            "exp": unix_seconds(expires),
            "iat": unix_seconds(SystemTime::now()),
            "jti": Uuid::new_v4(),
            "https://api.openai.com/auth": {
                "chatgpt_plan_type": self.plan,
                "chatgpt_account_id": self.account,
                "chatgpt_user_id": self.user,
            },
        })
    }
}
