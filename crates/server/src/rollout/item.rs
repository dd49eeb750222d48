//! Items as a log keeps them, in the words of the reference. What it has no words for goes under `valet`, which it
//! passes over. The parts of items are in `part`, their way back to the wire is in `shown`; `foreign` reads what is
//! never made here.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use valet_protocol::v2;

use super::foreign;
use super::part::{self, Action, Change, Input, Text, WebAction, snake};

/// An item for a log.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(crate) enum StoredItem {
    UserMessage(UserMessage),
    AgentMessage(AgentMessage),
    Reasoning(Reasoning),
    Plan(Plan),
    CommandExecution(CommandExecution),
    FileChange(FileChange),
    DynamicToolCall(DynamicToolCall),
    FunctionCallOutput(FunctionCallOutput),
    WebSearch(WebSearch),
    ImageView(ImageView),
    ContextCompaction(ContextCompaction),
    /// What the others cannot hold whole.
    ValetItem(ValetItem),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UserMessage {
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<String>,
    #[serde(deserialize_with = "part::known")]
    pub(super) content: Vec<Input>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AgentMessage {
    pub(super) id: String,
    #[serde(deserialize_with = "part::known")]
    pub(super) content: Vec<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) phase: Option<v2::MessagePhase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) valet: Option<NewPhase>,
}

/// A phase that the reference does not know, and would pass over the message for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewPhase {
    pub(super) phase: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reasoning {
    pub(super) id: String,
    #[serde(default)]
    pub(super) summary_text: Vec<String>,
    #[serde(default)]
    pub(super) raw_content: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(super) id: String,
    pub(super) text: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CommandExecution {
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) plugin_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) script_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) process_id: Option<String>,
    pub(super) command: Vec<String>,
    /// The reference reads `file:` URLs only.
    pub(super) cwd: String,
    pub(super) parsed_cmd: Vec<Action>,
    pub(super) source: String,
    pub(super) status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) aggregated_output: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) valet: Option<AsShown>,
}

/// What would read differently after being taken apart and put together again.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AsShown {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cwd: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FileChange {
    /// The old way has the other name.
    #[serde(alias = "call_id")]
    pub(super) id: String,
    #[serde(with = "part::in_order")]
    pub(super) changes: Vec<(String, Change)>,
    #[serde(default)]
    pub(super) status: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DynamicToolCall {
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    pub(super) tool: String,
    pub(super) arguments: Value,
    pub(super) status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content_items: Option<Vec<v2::DynamicToolCallOutputContentItem>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) success: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<Duration>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FunctionCallOutput {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    pub(super) output: v2::FunctionCallOutputBody,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WebSearch {
    pub(super) id: String,
    #[serde(default)]
    pub(super) query: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<WebAction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) results: Option<Vec<Value>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ImageView {
    pub(super) id: String,
    /// The reference reads `file:` URLs only.
    pub(super) path: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ContextCompaction {
    pub(super) id: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ValetItem {
    pub(super) id: Option<String>,
    pub(super) wire: v2::ThreadItemDetails,
}

impl StoredItem {
    /// The item for a log. Reading it gives the same item again.
    pub(crate) fn of(item: &v2::ThreadItem) -> Self {
        Self::in_words(item.details.clone()).unwrap_or_else(|| {
            Self::ValetItem(ValetItem { id: item.id().map(str::to_owned), wire: item.details.clone() })
        })
    }

    /// None: the reference has no words for it.
    fn in_words(details: v2::ThreadItemDetails) -> Option<Self> {
        use v2::ThreadItemDetails as Wire;
        Some(match details {
            Wire::UserMessage { id, client_id, content } => {
                let content = content.into_iter().map(Input::from).collect();
                Self::UserMessage(UserMessage { id, client_id, content })
            }
            Wire::AgentMessage { id, text, phase, .. } => {
                let (phase, valet) = match phase {
                    Some(v2::MessagePhase::Unknown(phase)) => (None, Some(NewPhase { phase })),
                    phase => (phase, None),
                };
                Self::AgentMessage(AgentMessage { id, content: vec![Text::Text { text }], phase, valet })
            }
            Wire::Reasoning { id, summary, content } => {
                Self::Reasoning(Reasoning { id, summary_text: summary, raw_content: content })
            }
            Wire::Plan { id, text } => Self::Plan(Plan { id, text }),
            command @ Wire::CommandExecution { .. } => Self::CommandExecution(CommandExecution::of(command)?),
            Wire::FileChange { id, changes, status } => {
                let changes = changes.into_iter().map(Change::of).collect::<Option<_>>()?;
                Self::FileChange(FileChange { id, changes, status: Some(snake(status.as_str())) })
            }
            Wire::DynamicToolCall { id, namespace, tool, arguments, status, content_items, success, duration_ms } => {
                let (status, duration) = (snake(status.as_str()), duration_ms.map(duration));
                let call = DynamicToolCall { id, namespace, tool, arguments, status, content_items, success, duration };
                Self::DynamicToolCall(call)
            }
            Wire::FunctionCallOutput { id, name, namespace, output } => {
                Self::FunctionCallOutput(FunctionCallOutput { id, name, namespace, output })
            }
            Wire::WebSearch { id, query, action, results } => {
                let action = action.map(WebAction::of).transpose().ok()?;
                Self::WebSearch(WebSearch { id, query, action, results })
            }
            Wire::ImageView { id, path } => Self::ImageView(ImageView { id, path: part::file_url(path) }),
            Wire::ContextCompaction { id } => Self::ContextCompaction(ContextCompaction { id }),
            Wire::EnteredReviewMode { .. } | Wire::ExitedReviewMode { .. } | Wire::Unknown(_) => return None,
        })
    }

    /// Whether an item of a log is what the person or the model said. Others need not be read to know it.
    pub(crate) fn is_message(item: &RawValue) -> bool {
        part::kind(item).is_some_and(|kind| ["UserMessage", "AgentMessage"].contains(&&*kind))
    }

    /// An item of a log for the wire. None: it is damaged, or of a kind that is not known.
    pub(crate) fn read(item: &RawValue) -> Option<v2::ThreadItemDetails> {
        fn whole<'a, T: Deserialize<'a> + Into<v2::ThreadItemDetails>>(
            item: &'a RawValue,
        ) -> Option<v2::ThreadItemDetails> {
            serde_json::from_str::<T>(item.get()).ok().map(Into::into)
        }
        match &*part::kind(item)? {
            "UserMessage" => whole::<UserMessage>(item),
            "AgentMessage" => whole::<AgentMessage>(item),
            "Reasoning" => whole::<Reasoning>(item),
            "Plan" => whole::<Plan>(item),
            "CommandExecution" => whole::<CommandExecution>(item),
            "FileChange" => whole::<FileChange>(item),
            "DynamicToolCall" => whole::<DynamicToolCall>(item),
            "FunctionCallOutput" => whole::<FunctionCallOutput>(item),
            "WebSearch" => whole::<WebSearch>(item),
            "ImageView" => whole::<ImageView>(item),
            "ContextCompaction" => whole::<ContextCompaction>(item),
            "ValetItem" => whole::<ValetItem>(item),
            kind => foreign::read(kind, item),
        }
    }
}

impl CommandExecution {
    fn of(command: v2::ThreadItemDetails) -> Option<Self> {
        let v2::ThreadItemDetails::CommandExecution {
            id,
            plugin_id,
            script_path,
            command,
            cwd,
            process_id,
            source,
            status,
            command_actions,
            aggregated_output,
            exit_code,
            duration_ms,
        } = command
        else {
            return None;
        };
        let words = shlex::split(&command).filter(|words| line_of(words) == command);
        let url = part::file_url(cwd.clone());
        let shown = AsShown {
            command: words.is_none().then(|| command.clone()),
            cwd: (part::path_of(url.clone()) != cwd).then_some(cwd),
        };
        Some(Self {
            id,
            plugin_id,
            script_path,
            process_id,
            command: words.unwrap_or_else(|| vec![command]),
            cwd: url,
            parsed_cmd: command_actions.into_iter().map(Action::of).collect::<Option<_>>()?,
            source: snake(source.as_str()),
            status: snake(status.as_str()),
            aggregated_output,
            exit_code,
            duration: duration_ms.map(duration),
            valet: (shown != AsShown::default()).then_some(shown),
        })
    }
}

/// The words as one line for a shell.
pub(super) fn line_of(words: &[String]) -> String {
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

fn duration(ms: i64) -> Duration {
    Duration::from_millis(ms.try_into().unwrap_or_default())
}
