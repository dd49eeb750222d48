//! The lines that are written: payloads in the words of the reference. Members of our own are under `valet`, which it
//! passes over. What is in force is in `settings`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use valet_protocol::v2;
use valet_store::{Creator, Direction, GitInfo, Line, Lines, NewLine, Position, StoreError};

use super::item::StoredItem;
use super::part::{self, camel, snake};
use super::settings::{Applied, Context};
use super::source;

/// The first line: what was settled when the thread was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SessionMeta {
    pub(crate) id: String,
    pub(crate) session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) forked_from_id: Option<String>,
    /// When the thread was started, in RFC 3339.
    pub(crate) timestamp: String,
    pub(crate) cwd: String,
    pub(crate) runtime_workspace_roots: Vec<String>,
    pub(crate) originator: String,
    pub(crate) cli_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thread_source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model_provider: Option<String>,
    #[serde(deserialize_with = "part::lenient", skip_serializing_if = "Option::is_none")]
    pub(crate) base_instructions: Option<Instructions>,
    #[serde(deserialize_with = "part::lenient", skip_serializing_if = "Option::is_none")]
    pub(crate) dynamic_tools: Option<Vec<v2::DynamicToolSpec>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) history_mode: Option<String>,
    #[serde(deserialize_with = "part::lenient", skip_serializing_if = "Option::is_none")]
    pub(crate) git: Option<GitInfo>,
    pub(crate) account_scoped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) creator_account_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) creator_user_id: Option<String>,
}

/// What the model is told before everything else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Instructions {
    pub(crate) text: String,
}

impl SessionMeta {
    /// The meta of a thread that was started at `timestamp`. What only its settings and its client know is left out.
    pub(crate) fn of(thread: &v2::Thread, timestamp: String, creator: Option<&Creator>) -> Self {
        let git = thread.git_info.clone();
        Self {
            id: thread.id.clone(),
            session_id: thread.session_id.clone(),
            forked_from_id: thread.forked_from_id.clone(),
            timestamp,
            cwd: thread.cwd.clone(),
            runtime_workspace_roots: vec![thread.cwd.clone()],
            originator: thread.originator.clone().unwrap_or_default(),
            cli_version: thread.cli_version.clone(),
            source: Some(source::stored(&thread.source)),
            thread_source: thread.thread_source.clone(),
            model_provider: Some(thread.model_provider.clone()),
            base_instructions: None,
            dynamic_tools: None,
            history_mode: Some(thread.history_mode.as_str().to_owned()),
            git: git.map(|git| GitInfo { sha: git.sha, branch: git.branch, origin_url: git.origin_url }),
            account_scoped: true,
            creator_account_id: creator.map(|creator| creator.account_id.clone()),
            creator_user_id: creator.and_then(|creator| creator.user_id.clone()),
        }
    }

    /// A later line of the same kind, which tells what was noted about the thread since its start.
    pub(crate) fn noting(thread: &v2::Thread, creator: Option<&Creator>) -> serde_json::Result<NewLine> {
        let created = chrono::DateTime::from_timestamp_secs(thread.created_at).unwrap_or_default();
        Self::of(thread, created.to_rfc3339(), creator).line()
    }

    /// What the first line of a log says; of one that is damaged, nothing.
    pub(crate) fn read(lines: &dyn Lines) -> Result<Self, StoreError> {
        let first = lines.read(Position::START, Direction::Forward, 0)?;
        let line = first.first().and_then(Line::envelope);
        Ok(line.and_then(|line| serde_json::from_str(line.payload.get()).ok()).unwrap_or_default())
    }

    /// The line.
    pub(crate) fn line(&self) -> serde_json::Result<NewLine> {
        NewLine::new("session_meta", self)
    }
}

/// Something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Happened<'a> {
    /// A turn began.
    TaskStarted {
        turn_id: &'a str,
        root_turn_id: &'a str,
        /// Unix seconds.
        started_at: i64,
        model_context_window: Option<i64>,
        collaboration_mode_kind: v2::ModeKind,
    },
    /// What is in force was changed. The reference restores from the last of these lines.
    ThreadSettingsApplied { thread_id: &'a str, thread_settings: Applied },
    /// An item is whole.
    ItemCompleted {
        thread_id: &'a str,
        turn_id: &'a str,
        item: StoredItem,
        started_at_ms: Option<i64>,
        completed_at_ms: Option<i64>,
    },
    /// The model used tokens.
    TokenCount {
        info: TokenInfo,
        /// The reference keeps the limits of the account here; they are not the thread's.
        rate_limits: (),
    },
    /// A turn ended by itself, or failed.
    TaskComplete {
        turn_id: &'a str,
        root_turn_id: &'a str,
        last_agent_message: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<StoredError>,
        #[serde(flatten)]
        times: Times,
    },
    /// A turn was interrupted.
    TurnAborted {
        turn_id: &'a str,
        root_turn_id: &'a str,
        /// `interrupted`.
        reason: &'a str,
        #[serde(flatten)]
        times: Times,
    },
}

/// When a turn ran.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Times {
    /// Unix seconds.
    pub(crate) started_at: Option<i64>,
    /// Unix seconds.
    pub(crate) completed_at: Option<i64>,
    pub(crate) duration_ms: Option<i64>,
}

impl<'a> Happened<'a> {
    /// An item as clients were told of it.
    pub(crate) fn item(thread_id: &'a str, turn_id: &'a str, item: &v2::ThreadItem) -> Self {
        Self::ItemCompleted {
            thread_id,
            turn_id,
            item: StoredItem::of(item),
            started_at_ms: item.started_at_ms,
            completed_at_ms: item.completed_at_ms,
        }
    }

    /// The end of a turn, as clients were told of it; its last item is what the model said last.
    pub(crate) fn turn_ended(turn: &'a v2::Turn) -> Self {
        let (turn_id, root_turn_id) = (turn.id.as_str(), turn.root_turn_id.as_deref().unwrap_or(&turn.id));
        let times =
            Times { started_at: turn.started_at, completed_at: turn.completed_at, duration_ms: turn.duration_ms };
        if turn.status == v2::TurnStatus::Interrupted {
            return Self::TurnAborted { turn_id, root_turn_id, reason: "interrupted", times };
        }
        let said = turn.items.iter().rev().find_map(|item| match &item.details {
            v2::ThreadItemDetails::AgentMessage { text, .. } => Some(text.as_str()),
            _ => None,
        });
        let error = turn.error.as_ref().map(StoredError::of);
        Self::TaskComplete { turn_id, root_turn_id, last_agent_message: said, error, times }
    }

    /// Tokens that were used.
    pub(crate) fn usage(usage: &v2::ThreadTokenUsage) -> Self {
        Self::TokenCount { info: TokenInfo::of(usage), rate_limits: () }
    }

    /// The line.
    pub(crate) fn line(&self) -> serde_json::Result<NewLine> {
        NewLine::new("event_msg", self)
    }
}

/// Why a turn failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredError {
    message: String,
    #[serde(default)]
    codex_error_info: Option<Value>,
    /// The reference does not keep this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    additional_details: Option<String>,
}

impl StoredError {
    pub(crate) fn of(error: &v2::TurnError) -> Self {
        let info = error.codex_error_info.as_ref().and_then(|info| serde_json::to_value(info).ok());
        Self {
            message: error.message.clone(),
            codex_error_info: info.map(|info| in_words(info, snake)),
            additional_details: error.additional_details.clone(),
        }
    }

    /// An error of a form that is not known is still one.
    pub(crate) fn read(error: &RawValue) -> Self {
        let in_full = serde_json::from_str(error.get());
        in_full.unwrap_or_else(|_| Self {
            message: error.get().to_owned(),
            codex_error_info: None,
            additional_details: None,
        })
    }
}

impl From<StoredError> for v2::TurnError {
    fn from(error: StoredError) -> Self {
        let info = error.codex_error_info.map(|info| in_words(info, camel));
        Self {
            message: error.message,
            codex_error_info: info.and_then(|info| serde_json::from_value(info).ok()),
            additional_details: error.additional_details,
            misalignment: None,
        }
    }
}

/// The words of an error, and the names of its members, in another form.
fn in_words(value: Value, form: fn(&str) -> String) -> Value {
    match value {
        Value::String(word) => Value::String(form(&word)),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (form(&name), in_words(value, form))).collect())
        }
        other => other,
    }
}

/// Tokens that a thread has used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenInfo {
    total_token_usage: Tokens,
    last_token_usage: Tokens,
    model_context_window: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Tokens {
    input_tokens: i64,
    cached_input_tokens: i64,
    cache_write_input_tokens: i64,
    output_tokens: i64,
    reasoning_output_tokens: i64,
    total_tokens: i64,
}

impl TokenInfo {
    fn of(usage: &v2::ThreadTokenUsage) -> Self {
        let tokens = |usage: &v2::TokenUsageBreakdown| Tokens {
            input_tokens: usage.input_tokens,
            cached_input_tokens: usage.cached_input_tokens,
            cache_write_input_tokens: usage.cache_write_input_tokens,
            output_tokens: usage.output_tokens,
            reasoning_output_tokens: usage.reasoning_output_tokens,
            total_tokens: usage.total_tokens,
        };
        Self {
            total_token_usage: tokens(&usage.total),
            last_token_usage: tokens(&usage.last),
            model_context_window: usage.model_context_window,
        }
    }

    /// The payload of an `event_msg`, if it is a `token_count` that says something.
    pub(crate) fn read(payload: &RawValue) -> Option<v2::ThreadTokenUsage> {
        #[derive(Deserialize)]
        struct TokenCount {
            info: TokenInfo,
        }
        let info = serde_json::from_str::<TokenCount>(payload.get()).ok()?.info;
        let breakdown = |tokens: Tokens| v2::TokenUsageBreakdown {
            input_tokens: tokens.input_tokens,
            cached_input_tokens: tokens.cached_input_tokens,
            cache_write_input_tokens: tokens.cache_write_input_tokens,
            output_tokens: tokens.output_tokens,
            reasoning_output_tokens: tokens.reasoning_output_tokens,
            total_tokens: tokens.total_tokens,
        };
        Some(v2::ThreadTokenUsage {
            total: breakdown(info.total_token_usage),
            last: breakdown(info.last_token_usage),
            model_context_window: info.model_context_window,
        })
    }
}

/// The history was replaced by a shorter one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Compacted {
    /// The summary, as the model reads it after the replacement. Empty: the replacement is all.
    pub(crate) message: String,
    /// The history from here on. None, in old logs: what people said, and the message.
    pub(crate) replacement_history: Option<Vec<Arc<RawValue>>>,
}

impl Compacted {
    /// The line.
    pub(crate) fn line(&self) -> serde_json::Result<NewLine> {
        NewLine::new("compacted", self)
    }
}

/// An item of the conversation with the model, as it is sent and as it came.
pub(crate) fn response_item(item: Arc<RawValue>) -> NewLine {
    NewLine { kind: "response_item".into(), payload: item }
}

/// What is in force for a turn.
pub(crate) fn turn_context(context: &Context) -> serde_json::Result<NewLine> {
    NewLine::new("turn_context", context)
}

/// What is in force, for programs that look for it here.
pub(crate) fn settings_applied(thread_id: &str, settings: &super::settings::Settings) -> serde_json::Result<NewLine> {
    Happened::ThreadSettingsApplied { thread_id, thread_settings: settings.to_applied() }.line()
}
