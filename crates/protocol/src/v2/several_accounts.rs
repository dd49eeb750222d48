//! Several accounts over one connection: what a parent lends beside the login, and which threads run under it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::nullable;
use crate::open_enum::open_enum;
use crate::secret::Secret;
use crate::v1::PlanType;

/// `valet/account/lend`: a token of a further account, or a newer one of an account that was lent. Who is logged in
/// does not change: threads run under the account when they are told to. The sender owns the token and is asked to
/// renew it when the backend refuses it.
///
/// Refused as a login of the kind `chatgptAuthTokens` would be, and with kind `accountMismatch` when the account is
/// lent for another user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/", optional_fields = nullable)]
pub struct AccountLendParams {
    /// A JWT. Kept in memory only; its signature is not verified and its expiry does not refuse it.
    pub access_token: Secret,
    /// The workspace that the token is for, and what the account is called by.
    pub chatgpt_account_id: String,
    /// Null or absent: read from the token.
    pub chatgpt_plan_type: Option<String>,
}

/// The answer to `valet/account/lend`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "valet/")]
pub struct AccountLendResponse {}

/// The answer to `valet/account/list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/")]
pub struct AccountListResponse {
    /// What was lent with `valet/account/lend`, the first to be lent first.
    pub accounts: Vec<LentAccount>,
}

/// An account that threads can run under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/")]
pub struct LentAccount {
    /// What it is called by.
    pub chatgpt_account_id: String,
    /// The user, when the token names one.
    pub user_id: Option<String>,
    /// From the token.
    pub email: Option<String>,
    /// As it was lent, else from the token.
    pub plan_type: PlanType,
    /// When the token expires, in unix seconds. Null when it does not say.
    pub expires_at: Option<i64>,
    /// Whether it is also the login: what threads run under that nothing was said of.
    pub is_current: bool,
}

/// `valet/account/forget`: what runs under the account fails, as after `account/logout`, and threads that are to run
/// under it are refused until it is lent again or another is set. If it is also the login, that is logged out.
///
/// Refused with kind `authRequired` when the account is not lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/")]
pub struct AccountForgetParams {
    /// Which.
    pub chatgpt_account_id: String,
}

/// The answer to `valet/account/forget`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "valet/")]
pub struct AccountForgetResponse {}

/// `valet/thread/account/set`: under which account the next turns of a thread run. A turn that runs keeps its own to
/// its end. It is kept in memory only, as the tokens are.
///
/// Refused with kind `authRequired` when the account is not lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/", optional_fields = nullable)]
pub struct ThreadAccountSetParams {
    /// The thread. It must be loaded.
    pub thread_id: String,
    /// An account that was lent. Null: whoever is logged in.
    pub chatgpt_account_id: Option<String>,
}

/// The answer to `valet/thread/account/set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/")]
pub struct ThreadAccountSetResponse {
    /// From when on it holds.
    pub from: ThreadAccountFrom,
}

open_enum! {
    /// From when on a thread runs under another account.
    pub enum ThreadAccountFrom in "valet/" {
        /// Nothing runs in the thread.
        Now = "now",
        /// A turn runs, and ends under the account that it began with.
        NextTurn = "nextTurn",
    }
}

/// Under which account something is to be done: the member `valet` of the parameters of other methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/", optional_fields = nullable)]
pub struct AccountChoice {
    /// An account that was lent. Null: whoever is logged in. Absent: nothing is chosen.
    #[serde(default, deserialize_with = "nullable::present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[ts(as = "Option<String>")]
    pub chatgpt_account_id: Option<Option<String>>,
}
