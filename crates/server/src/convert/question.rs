//! Questions of the agent as clients are asked them, and what their answers come to.

use valet_agent::{ClientAnswer, ClientCall, CommandQuestion, Content, Decision, PatchQuestion, Question};
use valet_protocol::v2;

use super::actions;

/// Where commands run.
const ENVIRONMENT: &str = "local";

pub(crate) fn command_question(
    thread_id: String,
    turn_id: &str,
    question: CommandQuestion,
) -> v2::CommandExecutionRequestApprovalParams {
    use v2::CommandExecutionApprovalDecision as Wire;
    let amendment = question
        .amendment
        .clone()
        .map(|execpolicy_amendment| Wire::AcceptWithExecpolicyAmendment { execpolicy_amendment });
    v2::CommandExecutionRequestApprovalParams {
        kind: match question.approval_id {
            Some(_) => v2::CommandExecutionApprovalKind::WriteStdin,
            None => v2::CommandExecutionApprovalKind::Command,
        },
        thread_id,
        turn_id: turn_id.to_owned(),
        item_id: question.item_id,
        started_at_ms: question.started_at_ms,
        approval_id: question.approval_id,
        environment_id: Some(ENVIRONMENT.to_owned()),
        reason: question.reason,
        network_approval_context: None,
        command: Some(question.command),
        cwd: Some(question.cwd),
        command_actions: Some(actions(&question.actions)),
        additional_permissions: None,
        proposed_execpolicy_amendment: question.amendment,
        proposed_network_policy_amendments: None,
        available_decisions: Some([Wire::Accept].into_iter().chain(amendment).chain([Wire::Cancel]).collect()),
    }
}

pub(crate) fn command_decision(answer: v2::CommandExecutionApprovalDecision) -> Decision {
    use v2::CommandExecutionApprovalDecision as Wire;
    match answer {
        Wire::Accept => Decision::Accept,
        Wire::AcceptForSession => Decision::AcceptForSession,
        // A rule without words would allow everything.
        Wire::AcceptWithExecpolicyAmendment { execpolicy_amendment } if !execpolicy_amendment.is_empty() => {
            Decision::AcceptPrefix(execpolicy_amendment)
        }
        Wire::Decline => Decision::Decline,
        Wire::Cancel => Decision::Cancel,
        // No network is ever proposed.
        Wire::AcceptWithExecpolicyAmendment { .. } | Wire::ApplyNetworkPolicyAmendment { .. } => Decision::Failed,
    }
}

pub(crate) fn patch_question(
    thread_id: String,
    turn_id: &str,
    question: PatchQuestion,
) -> v2::FileChangeRequestApprovalParams {
    v2::FileChangeRequestApprovalParams {
        thread_id,
        turn_id: turn_id.to_owned(),
        item_id: question.item_id,
        started_at_ms: question.started_at_ms,
        reason: question.reason,
        grant_root: None,
    }
}

pub(crate) fn patch_decision(answer: v2::FileChangeApprovalDecision) -> Decision {
    use v2::FileChangeApprovalDecision as Wire;
    match answer {
        Wire::Accept => Decision::Accept,
        Wire::AcceptForSession => Decision::AcceptForSession,
        Wire::Decline => Decision::Decline,
        Wire::Cancel => Decision::Cancel,
    }
}

pub(crate) fn client_call(thread_id: String, turn_id: &str, call: ClientCall) -> v2::DynamicToolCallParams {
    v2::DynamicToolCallParams {
        thread_id,
        turn_id: turn_id.to_owned(),
        call_id: call.call_id,
        namespace: call.namespace,
        tool: call.tool,
        arguments: call.arguments,
    }
}

pub(crate) fn client_answer(answer: v2::DynamicToolCallResponse) -> ClientAnswer {
    let content = |part| match part {
        v2::DynamicToolCallOutputContentItem::InputText { text } => Content::Text(text),
        v2::DynamicToolCallOutputContentItem::InputImage { image_url } => Content::Image(image_url),
        v2::DynamicToolCallOutputContentItem::InputAudio { audio_url } => Content::Audio(audio_url),
    };
    ClientAnswer { content: answer.content_items.into_iter().map(content).collect(), success: answer.success }
}

pub(crate) fn user_questions(
    thread_id: String,
    turn_id: &str,
    item_id: &str,
    questions: Vec<Question>,
) -> v2::ToolRequestUserInputParams {
    let question = |question: Question| {
        let options = question
            .options
            .into_iter()
            .map(|option| v2::ToolRequestUserInputOption { label: option.label, description: option.description });
        v2::ToolRequestUserInputQuestion {
            id: question.id,
            header: question.header,
            question: question.question,
            is_other: true,
            is_secret: false,
            options: Some(options.collect()),
        }
    };
    v2::ToolRequestUserInputParams {
        thread_id,
        turn_id: turn_id.to_owned(),
        item_id: item_id.to_owned(),
        questions: questions.into_iter().map(question).collect(),
        is_blocking: true,
        auto_resolution_ms: None,
    }
}
