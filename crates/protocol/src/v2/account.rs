//! Who is logged in, how to log in, and how a lent token is renewed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::open_enum::open_enum;
use crate::secret::Secret;
use crate::v1::{AuthMode, PlanType};

/// `account/read`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct GetAccountParams {
    /// Renew a login that the server owns before answering. Without effect on a lent token: its owner
    /// renews it by logging in again.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub refresh_token: bool,
}

/// The answer to `account/read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct GetAccountResponse {
    /// Null when nobody is logged in.
    pub account: Option<Account>,
    /// The ChatGPT user of a ChatGPT login, when the token names one.
    pub user_id: Option<String>,
    /// Whether the configured model provider wants an OpenAI login.
    pub requires_openai_auth: bool,
    /// Where the backend serves the workspace, when it has said so.
    pub workspace_routing: Option<WorkspaceRouting>,
    /// What only Valet says. Absent when nobody is logged in, and in strict mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub valet: Option<ValetAccountInfo>,
}

/// What Valet says about a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/")]
pub struct ValetAccountInfo {
    /// When the token expires, in unix seconds. Null when it does not say.
    pub expires_at: Option<i64>,
    /// Grows with every login and refresh of the process.
    pub revision: u64,
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum Account {
    /// An API key; nothing else is known.
    ApiKey {},
    /// A ChatGPT login, owned by the server or lent by the parent.
    Chatgpt {
        /// From the token's claims.
        email: Option<String>,
        /// From the login, else from the token's claims.
        plan_type: PlanType,
        /// From the backend, when it has said so.
        workspace_name: Option<String>,
    },
    /// A login of a newer version, kept as it came.
    #[serde(untagged)]
    #[schemars(skip)]
    #[ts(skip)]
    Unknown(Value),
}

/// Where the backend serves a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct WorkspaceRouting {
    /// The workspace.
    pub chatgpt_account_id: String,
    /// The origin that serves it.
    pub backend_origin: String,
    /// `NO_CONSTRAINT`, or a region.
    pub account_routing_override: String,
}

/// `account/login/start`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum LoginAccountParams {
    /// Log in with an API key.
    ApiKey {
        /// The key.
        api_key: Secret,
    },
    /// Log in with a browser on the host's machine. The host keeps the login and renews it. A login that waits
    /// already is ended by this.
    #[ts(optional_fields = nullable)]
    Chatgpt {
        /// Which page ends the flow.
        #[serde(default)]
        #[ts(as = "Option<bool>", optional)]
        codex_streamlined_login: bool,
    },
    /// Log in with a code on another device. The host keeps the login and renews it. A login that waits already is
    /// ended by this.
    ChatgptDeviceCode {},
    /// Lend an access token. The sender owns it and is asked to renew it when the backend refuses it.
    #[ts(optional_fields = nullable)]
    ChatgptAuthTokens {
        /// A JWT. Kept in memory only; its signature is not verified and its expiry does not refuse it.
        access_token: Secret,
        /// The workspace that the token is for; sent with every backend request. May be left out only with
        /// `idToken`.
        chatgpt_account_id: Option<String>,
        /// Null or absent: read from the token.
        chatgpt_plan_type: Option<String>,
        /// Of the first version of this login, which had no account id: the account is read from the tokens.
        /// Not kept.
        id_token: Option<Secret>,
    },
    /// Log in with an Amazon Bedrock key. Not served: answered with kind `notSupported`.
    AmazonBedrock {
        /// The key.
        api_key: Secret,
        /// The region.
        region: String,
    },
    /// Log in with Amazon Bedrock access keys. Not served: answered with kind `notSupported`.
    #[ts(optional_fields = nullable)]
    AmazonBedrockAccessKeys {
        /// The key's id.
        access_key_id: Secret,
        /// The key.
        secret_access_key: Secret,
        /// The token of a session.
        session_token: Option<Secret>,
        /// The region.
        region: String,
    },
}

impl LoginAccountParams {
    /// Lends a token for a workspace.
    pub fn lend(access_token: impl Into<String>, chatgpt_account_id: impl Into<String>) -> Self {
        Self::ChatgptAuthTokens {
            access_token: Secret::new(access_token),
            chatgpt_account_id: Some(chatgpt_account_id.into()),
            chatgpt_plan_type: None,
            id_token: None,
        }
    }
}

/// The answer to `account/login/start`. What comes of the login is told by `account/login/completed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum LoginAccountResponse {
    /// The key was taken.
    ApiKey {},
    /// A browser login waits; `account/login/completed` ends it.
    Chatgpt {
        /// For `account/login/cancel`, and in `account/login/completed`.
        login_id: String,
        /// To be opened in a browser on the host's machine. On another one, hand the address at which the browser
        /// ends to `valet/login/redirect`.
        auth_url: String,
    },
    /// A login on another device waits; `account/login/completed` ends it.
    ChatgptDeviceCode {
        /// For `account/login/cancel`, and in `account/login/completed`.
        login_id: String,
        /// Where the code is to be typed in.
        verification_url: String,
        /// What is to be typed in, within 15 minutes.
        user_code: String,
    },
    /// The token was taken.
    ChatgptAuthTokens {},
}

/// `account/login/cancel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct CancelLoginAccountParams {
    /// A uuid from the answer to `account/login/start`.
    pub login_id: String,
}

/// The answer to `account/login/cancel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct CancelLoginAccountResponse {
    /// Whether there was something to cancel.
    pub status: CancelLoginAccountStatus,
}

open_enum! {
    /// What came of a cancellation.
    pub enum CancelLoginAccountStatus in "v2/" {
        /// The attempt was ended; `account/login/completed` follows.
        Canceled = "canceled",
        /// No attempt of this id is running.
        NotFound = "notFound",
    }
}

/// `valet/login/redirect`: a browser on another machine cannot reach the host, so it ends at an address that it cannot
/// open. Whoever sees that address hands it in here. Answered when the login has ended; the checks and the
/// notifications are those of a browser that came by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/")]
pub struct LoginRedirectParams {
    /// From the answer to `account/login/start`.
    pub login_id: String,
    /// The address, with all that follows the `?`. It holds a code that is good for one login.
    pub redirect_url: Secret,
}

/// The answer to `valet/login/redirect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "valet/")]
pub struct LoginRedirectResponse {}

/// The answer to `account/logout`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct LogoutAccountResponse {}

/// `account/login/completed`: exactly one per attempt, after the answer to `account/login/start`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct AccountLoginCompletedNotification {
    /// Null for logins that complete at once.
    pub login_id: Option<String>,
    /// Whether the login is in force.
    pub success: bool,
    /// Why not.
    pub error: Option<String>,
    /// Always null here; a field of desktop applications.
    #[ts(type = "string | null")]
    pub onboarding_entrypoint: Option<String>,
}

/// `account/updated`: who is logged in has changed. Sent to every initialized connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct AccountUpdatedNotification {
    /// Null when nobody is logged in.
    pub auth_mode: Option<AuthMode>,
    /// Null without a ChatGPT login.
    pub plan_type: Option<PlanType>,
}

/// `account/chatgptAuthTokens/refresh`: the backend refused the lent token.
///
/// The connection that lent the token answers within its deadline (10 s by default) with a token of
/// the same account, or with any error. The turn waits for the answer, then goes on or fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ChatgptAuthTokensRefreshParams {
    /// Why a new token is wanted.
    pub reason: ChatgptAuthTokensRefreshReason,
    /// The account whose token was refused. Answer with a token of this account.
    #[ts(optional = nullable)]
    pub previous_account_id: Option<String>,
    /// What only Valet says. Absent unless there is something to say, and in strict mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub valet: Option<ValetRefreshInfo>,
}

/// What Valet says about a refresh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/")]
pub struct ValetRefreshInfo {
    /// The old token was not refused: it is about to expire, and nothing waits for the answer.
    pub proactive: bool,
}

open_enum! {
    /// Why a new token is wanted.
    pub enum ChatgptAuthTokensRefreshReason in "v2/" {
        /// The backend answered 401.
        Unauthorized = "unauthorized",
    }
}

/// What the parent owes in answer to `account/chatgptAuthTokens/refresh`. More members are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ChatgptAuthTokensRefreshResponse {
    /// A JWT. The same one may be returned again.
    pub access_token: Secret,
    /// Must be the account that was asked for.
    pub chatgpt_account_id: String,
    /// Null or absent: read from the token.
    pub chatgpt_plan_type: Option<String>,
}
