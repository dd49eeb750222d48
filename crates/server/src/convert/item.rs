//! Items of the agent as clients see them.

use valet_agent::{
    Action, ClientToolCall, Command, CommandSource, Content, FileChange, FileChangeKind, Item, ItemKind, Status,
};
use valet_protocol::v2;

use super::input_to_wire;

pub(crate) fn item(item: &Item) -> v2::ThreadItem {
    let id = item.id.clone();
    let details = match &item.kind {
        ItemKind::UserMessage(message) => v2::ThreadItemDetails::UserMessage {
            id,
            client_id: message.client_id.clone(),
            content: message.content.iter().map(input_to_wire).collect(),
        },
        ItemKind::AgentMessage(message) => v2::ThreadItemDetails::AgentMessage {
            id,
            text: message.text.clone(),
            phase: message.phase.as_deref().map(v2::MessagePhase::from),
            moderation: None,
            memory_citation: None,
            delivery: None,
            questions: None,
        },
        ItemKind::Reasoning(reasoning) => v2::ThreadItemDetails::Reasoning {
            id,
            summary: reasoning.summary.clone(),
            content: reasoning.content.clone(),
        },
        ItemKind::Command(command) => command_item(id, command),
        ItemKind::Patch(patch) => v2::ThreadItemDetails::FileChange {
            id,
            changes: patch.changes.iter().map(change).collect(),
            status: match patch.status {
                Status::InProgress => v2::PatchApplyStatus::InProgress,
                Status::Completed => v2::PatchApplyStatus::Completed,
                Status::Failed => v2::PatchApplyStatus::Failed,
                Status::Declined => v2::PatchApplyStatus::Declined,
            },
        },
        ItemKind::ClientToolCall(call) => client_tool_call(id, call),
        ItemKind::ImageView { path } => v2::ThreadItemDetails::ImageView { id, path: path.clone() },
        ItemKind::Compaction => v2::ThreadItemDetails::ContextCompaction { id },
    };
    v2::ThreadItem { details, started_at_ms: Some(item.started_at_ms), completed_at_ms: item.completed_at_ms }
}

fn command_item(id: String, command: &Command) -> v2::ThreadItemDetails {
    v2::ThreadItemDetails::CommandExecution {
        id,
        plugin_id: None,
        script_path: None,
        command: command.command.clone(),
        cwd: command.cwd.clone(),
        process_id: command.process_id.clone(),
        source: match command.source {
            CommandSource::Agent => v2::CommandExecutionSource::Agent,
            CommandSource::Started => v2::CommandExecutionSource::UnifiedExecStartup,
            CommandSource::Person => v2::CommandExecutionSource::UserShell,
        },
        status: match command.status {
            Status::InProgress => v2::CommandExecutionStatus::InProgress,
            Status::Completed => v2::CommandExecutionStatus::Completed,
            Status::Failed => v2::CommandExecutionStatus::Failed,
            Status::Declined => v2::CommandExecutionStatus::Declined,
        },
        command_actions: actions(&command.actions),
        aggregated_output: command.output.clone(),
        exit_code: command.exit_code,
        duration_ms: command.duration_ms,
    }
}

pub(crate) fn actions(actions: &[Action]) -> Vec<v2::CommandAction> {
    let action = |action: &Action| match action.clone() {
        Action::Read { command, name, path } => {
            v2::CommandAction::Read { command, name, path: path.display().to_string() }
        }
        Action::ListFiles { command, path } => v2::CommandAction::ListFiles { command, path },
        Action::Search { command, query, path } => v2::CommandAction::Search { command, query, path },
        Action::Unknown { command } => v2::CommandAction::Unknown { command },
    };
    actions.iter().map(action).collect()
}

fn change(change: &FileChange) -> v2::FileUpdateChange {
    v2::FileUpdateChange {
        path: change.path.clone(),
        kind: match &change.kind {
            FileChangeKind::Add => v2::PatchChangeKind::Add {},
            FileChangeKind::Delete => v2::PatchChangeKind::Delete {},
            FileChangeKind::Update { move_to } => v2::PatchChangeKind::Update { move_path: move_to.clone() },
        },
        diff: change.diff.clone(),
    }
}

fn client_tool_call(id: String, call: &ClientToolCall) -> v2::ThreadItemDetails {
    let content = |content: &Content| match content.clone() {
        Content::Text(text) => v2::DynamicToolCallOutputContentItem::InputText { text },
        Content::Image(image_url) => v2::DynamicToolCallOutputContentItem::InputImage { image_url },
        Content::Audio(audio_url) => v2::DynamicToolCallOutputContentItem::InputAudio { audio_url },
    };
    v2::ThreadItemDetails::DynamicToolCall {
        id,
        namespace: call.namespace.clone(),
        tool: call.tool.clone(),
        arguments: call.arguments.clone(),
        status: match call.status {
            Status::InProgress => v2::DynamicToolCallStatus::InProgress,
            Status::Completed => v2::DynamicToolCallStatus::Completed,
            Status::Failed | Status::Declined => v2::DynamicToolCallStatus::Failed,
        },
        content_items: call.content.as_ref().map(|parts| parts.iter().map(content).collect()),
        success: call.success,
        duration_ms: call.duration_ms,
    }
}
