//! Stored items on their way back to the wire.

use std::time::Duration;

use valet_protocol::v2;

use super::item::{
    AgentMessage, CommandExecution, ContextCompaction, DynamicToolCall, FileChange, FunctionCallOutput, ImageView,
    Plan, Reasoning, UserMessage, ValetItem, WebSearch, line_of,
};
use super::part::{self, Change, Text, camel};

impl From<UserMessage> for v2::ThreadItemDetails {
    fn from(UserMessage { id, client_id, content }: UserMessage) -> Self {
        Self::UserMessage { id, client_id, content: content.into_iter().map(Into::into).collect() }
    }
}

impl From<AgentMessage> for v2::ThreadItemDetails {
    fn from(AgentMessage { id, mut content, phase, valet }: AgentMessage) -> Self {
        let text = match content.as_mut_slice() {
            [Text::Text { text }] => std::mem::take(text),
            parts => parts.iter().map(|Text::Text { text }| text.as_str()).collect(),
        };
        part::agent_message(id, text, phase.or(valet.map(|new| v2::MessagePhase::Unknown(new.phase))))
    }
}

impl From<Reasoning> for v2::ThreadItemDetails {
    fn from(Reasoning { id, summary_text, raw_content }: Reasoning) -> Self {
        Self::Reasoning { id, summary: summary_text, content: raw_content }
    }
}

impl From<Plan> for v2::ThreadItemDetails {
    fn from(Plan { id, text }: Plan) -> Self {
        Self::Plan { id, text }
    }
}

impl From<CommandExecution> for v2::ThreadItemDetails {
    fn from(stored: CommandExecution) -> Self {
        let shown = stored.valet.unwrap_or_default();
        Self::CommandExecution {
            id: stored.id,
            plugin_id: stored.plugin_id,
            script_path: stored.script_path,
            command: shown.command.unwrap_or_else(|| line_of(&stored.command)),
            cwd: shown.cwd.unwrap_or_else(|| part::path_of(stored.cwd)),
            process_id: stored.process_id,
            source: camel(&stored.source).as_str().into(),
            status: camel(&stored.status).as_str().into(),
            command_actions: stored.parsed_cmd.into_iter().map(Into::into).collect(),
            aggregated_output: stored.aggregated_output,
            exit_code: stored.exit_code,
            duration_ms: stored.duration.map(millis),
        }
    }
}

impl From<FileChange> for v2::ThreadItemDetails {
    fn from(FileChange { id, changes, status }: FileChange) -> Self {
        let changes = changes.into_iter().map(Change::to_wire).collect();
        let status = status.map_or(v2::PatchApplyStatus::InProgress, |status| camel(&status).as_str().into());
        Self::FileChange { id, changes, status }
    }
}

impl From<DynamicToolCall> for v2::ThreadItemDetails {
    fn from(stored: DynamicToolCall) -> Self {
        Self::DynamicToolCall {
            id: stored.id,
            namespace: stored.namespace,
            tool: stored.tool,
            arguments: stored.arguments,
            status: camel(&stored.status).as_str().into(),
            content_items: stored.content_items,
            success: stored.success,
            duration_ms: stored.duration.map(millis),
        }
    }
}

impl From<FunctionCallOutput> for v2::ThreadItemDetails {
    fn from(FunctionCallOutput { id, name, namespace, output }: FunctionCallOutput) -> Self {
        Self::FunctionCallOutput { id, name, namespace, output }
    }
}

impl From<WebSearch> for v2::ThreadItemDetails {
    fn from(WebSearch { id, query, action, results }: WebSearch) -> Self {
        Self::WebSearch { id, query, action: action.map(Into::into), results }
    }
}

impl From<ImageView> for v2::ThreadItemDetails {
    fn from(ImageView { id, path }: ImageView) -> Self {
        Self::ImageView { id, path: part::path_of(path) }
    }
}

impl From<ContextCompaction> for v2::ThreadItemDetails {
    fn from(ContextCompaction { id }: ContextCompaction) -> Self {
        Self::ContextCompaction { id }
    }
}

impl From<ValetItem> for v2::ThreadItemDetails {
    fn from(item: ValetItem) -> Self {
        item.wire
    }
}

fn millis(duration: Duration) -> i64 {
    duration.as_millis().try_into().unwrap_or(i64::MAX)
}
