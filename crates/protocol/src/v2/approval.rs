//! Questions to a person about one command or one patch, and what may be answered.
//!
//! Each goes to all subscribers of the thread; the first answer counts, the others are told by
//! `serverRequest/resolved`. An error, or an answer that does not fit the type, refuses: it never allows.

use schemars::JsonSchema;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::{AdditionalPermissionProfile, CommandAction};
use crate::open_enum::open_enum;

/// `item/commandExecution/requestApproval`: may this command run?
///
/// The turn waits, without a deadline. Optional members are absent where there is nothing to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct CommandExecutionRequestApprovalParams {
    /// What is to be allowed.
    pub kind: CommandExecutionApprovalKind,
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The item of the command; it has started.
    pub item_id: String,
    /// When it was first asked, in unix milliseconds.
    pub started_at_ms: i64,
    /// Tells several questions about one item apart. Absent for the question whether the command may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub approval_id: Option<String>,
    /// Where the command would run: an `environmentId` of the thread.
    pub environment_id: Option<String>,
    /// Why, in the model's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub reason: Option<String>,
    /// Set when it is about one host of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub network_approval_context: Option<NetworkApprovalContext>,
    /// The command, as in the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub command: Option<String>,
    /// Where it would run, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub cwd: Option<String>,
    /// What each of its parts seems to do, for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub command_actions: Option<Vec<CommandAction>>,
    /// What the command would be allowed beyond the sandbox. Absent: to run without it. Experimental.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub additional_permissions: Option<AdditionalPermissionProfile>,
    /// First words of commands that could be allowed for good. Offered back in
    /// `acceptWithExecpolicyAmendment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub proposed_execpolicy_amendment: Option<Vec<String>>,
    /// Rules about hosts that could be kept. Offered back in `applyNetworkPolicyAmendment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub proposed_network_policy_amendments: Option<Vec<NetworkPolicyAmendment>>,
    /// What to offer, in this order. Absent: everything. What is not listed may be answered all the same.
    /// Experimental.
    #[serde(default, deserialize_with = "known_decisions", skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub available_decisions: Option<Vec<CommandExecutionApprovalDecision>>,
}

/// Leaves out decisions of newer versions: a client cannot offer what it does not know.
fn known_decisions<'de, D>(deserializer: D) -> Result<Option<Vec<CommandExecutionApprovalDecision>>, D::Error>
where
    D: Deserializer<'de>,
{
    let offered = Option::<Vec<Value>>::deserialize(deserializer)?;
    Ok(offered.map(|offered| offered.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect()))
}

open_enum! {
    /// What is to be allowed.
    pub enum CommandExecutionApprovalKind in "v2/" {
        /// A command of the model.
        Command = "command",
        /// A command of the person.
        HumanCommand = "humanCommand",
        /// Input for a process that runs.
        WriteStdin = "writeStdin",
    }
}

/// The host that a command wants to reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct NetworkApprovalContext {
    /// Its name or address.
    pub host: String,
    /// How.
    pub protocol: NetworkApprovalProtocol,
}

open_enum! {
    /// How a command wants to reach a host.
    pub enum NetworkApprovalProtocol in "v2/" {
        /// Plain HTTP.
        Http = "http",
        /// HTTP over TLS.
        Https = "https",
        /// TCP through a SOCKS proxy.
        Socks5Tcp = "socks5Tcp",
        /// UDP through a SOCKS proxy.
        Socks5Udp = "socks5Udp",
    }
}

/// A rule about one host, kept for later commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct NetworkPolicyAmendment {
    /// Its name or address.
    pub host: String,
    /// What is to happen.
    pub action: NetworkPolicyRuleAction,
}

/// What a rule about a host says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum NetworkPolicyRuleAction {
    /// Commands may reach it.
    Allow,
    /// They may not.
    Deny,
}

/// The answer to `item/commandExecution/requestApproval`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct CommandExecutionRequestApprovalResponse {
    /// What the person decided.
    pub decision: CommandExecutionApprovalDecision,
}

/// What a person decides about a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum CommandExecutionApprovalDecision {
    /// Run it.
    Accept,
    /// Run it, and do not ask about the same command again in this thread.
    AcceptForSession,
    /// Run it, and never ask about commands that begin like this.
    AcceptWithExecpolicyAmendment {
        /// The first words, at least one.
        #[serde(deserialize_with = "some_words")]
        #[schemars(length(min = 1))]
        execpolicy_amendment: Vec<String>,
    },
    /// Keep a rule about the host, and do with this command as it says.
    ApplyNetworkPolicyAmendment {
        /// The rule.
        network_policy_amendment: NetworkPolicyAmendment,
    },
    /// Do not run it. The model is told, and the turn goes on.
    Decline,
    /// Do not run it, and interrupt the turn.
    Cancel,
}

/// Every command begins with no words at all: such an answer would allow everything.
fn some_words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    if words.is_empty() {
        return Err(D::Error::invalid_length(0, &"at least one word"));
    }
    Ok(words)
}

/// `item/fileChange/requestApproval`: may this patch be applied?
///
/// The patch is in the item. The turn waits, without a deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct FileChangeRequestApprovalParams {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The item of the patch; it has started.
    pub item_id: String,
    /// When it was first asked, in unix milliseconds.
    pub started_at_ms: i64,
    /// Why. Null where there is nothing to say.
    pub reason: Option<String>,
    /// Null here.
    pub grant_root: Option<String>,
}

/// The answer to `item/fileChange/requestApproval`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct FileChangeRequestApprovalResponse {
    /// What the person decided.
    pub decision: FileChangeApprovalDecision,
}

/// What a person decides about a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum FileChangeApprovalDecision {
    /// Apply it.
    Accept,
    /// Apply it, and do not ask about the same files again in this thread.
    AcceptForSession,
    /// Do not apply it. The model is told, and the turn goes on.
    Decline,
    /// Do not apply it, and interrupt the turn.
    Cancel,
}
