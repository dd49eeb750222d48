//! Where the domain's types and the wire's meet: a shape of `valet-agent` turns into one of `valet-protocol`, or back.
//! Which notification an event of a turn is says `threads/sink.rs`.

mod item;
mod question;
mod thread;

use valet_agent::{
    Approvals, ClientTool, ControlError, Credits, Failure, FailureClass, ImageDetail, Input, LimitWindow, Model,
    PlanStep, RateLimits, StepStatus, TextSpan, Tier, TokenUsage, TurnOutcome, Usage, Waiting, catalog,
};
use valet_auth::{AuthFailureKind, LoginError};
use valet_protocol::v2;
use valet_protocol::{ErrorKind, ErrorObject};

use crate::ConfigError;

pub(crate) use item::{actions, item};
pub(crate) use question::{
    client_answer, client_call, command_decision, command_question, patch_decision, patch_question, user_questions,
};
pub(crate) use thread::{git_info, read_state, store_error, stored_read_state, thread, unread_nothing};

/// How many characters of the first message stand for a thread in a list.
const PREVIEW_CHARS: usize = 400;

/// A turn of which nothing is known yet.
pub(crate) fn new_turn(turn_id: &str) -> v2::Turn {
    v2::Turn {
        id: turn_id.to_owned(),
        root_turn_id: Some(turn_id.to_owned()),
        items: Vec::new(),
        items_view: v2::TurnItemsView::NotLoaded,
        status: v2::TurnStatus::InProgress,
        error: None,
        started_at: None,
        completed_at: None,
        duration_ms: None,
    }
}

/// What stands for a thread in a list: the first words of a person.
pub(crate) fn preview(item: &v2::ThreadItem) -> Option<String> {
    let v2::ThreadItemDetails::UserMessage { content, .. } = &item.details else { return None };
    content.iter().find_map(|input| match input {
        v2::UserInput::Text { text, .. } => Some(text.chars().take(PREVIEW_CHARS).collect()),
        _ => None,
    })
}

pub(crate) fn input_from_wire(input: v2::UserInput) -> Input {
    match input {
        v2::UserInput::Text { text, text_elements } => {
            let spans = text_elements.into_iter().map(|element| TextSpan {
                start: element.byte_range.start,
                end: element.byte_range.end,
                placeholder: element.placeholder,
            });
            Input::Text { text, spans: spans.collect() }
        }
        v2::UserInput::Image { url, detail } => Input::Image { url, detail: detail.map(detail_from_wire) },
        v2::UserInput::LocalImage { path, detail } => Input::LocalImage { path, detail: detail.map(detail_from_wire) },
        v2::UserInput::Skill { name, path } => Input::Skill { name, path },
        v2::UserInput::Mention { name, path } => Input::Mention { name, path },
    }
}

fn input_to_wire(input: &Input) -> v2::UserInput {
    match input.clone() {
        Input::Text { text, spans } => {
            let elements = spans.into_iter().map(|span| v2::TextElement {
                byte_range: v2::ByteRange { start: span.start, end: span.end },
                placeholder: span.placeholder,
            });
            v2::UserInput::Text { text, text_elements: elements.collect() }
        }
        Input::Image { url, detail } => v2::UserInput::Image { url, detail: detail.map(detail_to_wire) },
        Input::LocalImage { path, detail } => v2::UserInput::LocalImage { path, detail: detail.map(detail_to_wire) },
        Input::Skill { name, path } => v2::UserInput::Skill { name, path },
        Input::Mention { name, path } => v2::UserInput::Mention { name, path },
    }
}

fn detail_from_wire(detail: v2::ImageDetail) -> ImageDetail {
    match detail {
        v2::ImageDetail::Auto => ImageDetail::Auto,
        v2::ImageDetail::Low => ImageDetail::Low,
        v2::ImageDetail::High => ImageDetail::High,
        v2::ImageDetail::Original => ImageDetail::Original,
    }
}

fn detail_to_wire(detail: ImageDetail) -> v2::ImageDetail {
    match detail {
        ImageDetail::Auto => v2::ImageDetail::Auto,
        ImageDetail::Low => v2::ImageDetail::Low,
        ImageDetail::High => v2::ImageDetail::High,
        ImageDetail::Original => v2::ImageDetail::Original,
    }
}

pub(crate) fn usage(usage: &Usage) -> v2::ThreadTokenUsage {
    v2::ThreadTokenUsage {
        total: breakdown(&usage.total),
        last: breakdown(&usage.last),
        model_context_window: usage.context_window,
    }
}

pub(crate) fn usage_from_wire(usage: &v2::ThreadTokenUsage) -> Usage {
    let tokens = |usage: &v2::TokenUsageBreakdown| TokenUsage {
        total: usage.total_tokens,
        input: usage.input_tokens,
        cached_input: usage.cached_input_tokens,
        cache_write_input: usage.cache_write_input_tokens,
        output: usage.output_tokens,
        reasoning_output: usage.reasoning_output_tokens,
    };
    Usage { total: tokens(&usage.total), last: tokens(&usage.last), context_window: usage.model_context_window }
}

fn breakdown(usage: &TokenUsage) -> v2::TokenUsageBreakdown {
    v2::TokenUsageBreakdown {
        total_tokens: usage.total,
        input_tokens: usage.input,
        cached_input_tokens: usage.cached_input,
        cache_write_input_tokens: usage.cache_write_input,
        output_tokens: usage.output,
        reasoning_output_tokens: usage.reasoning_output,
    }
}

pub(crate) fn rate_limits(limits: &RateLimits) -> v2::RateLimitSnapshot {
    v2::RateLimitSnapshot {
        limit_id: Some(limits.id.clone()),
        limit_name: limits.name.clone(),
        primary: limits.primary.as_ref().map(window),
        secondary: limits.secondary.as_ref().map(window),
        credits: limits.credits.as_ref().map(credits),
        rate_limit_reached_type: limits.reached.as_deref().and_then(reached),
        ..v2::RateLimitSnapshot::default()
    }
}

/// Why a limit stops turns. What clients cannot know is not told.
pub(crate) fn reached(words: &str) -> Option<v2::RateLimitReachedType> {
    let reached = v2::RateLimitReachedType::from(words);
    (!matches!(reached, v2::RateLimitReachedType::Unknown(_))).then_some(reached)
}

fn window(window: &LimitWindow) -> v2::RateLimitWindow {
    v2::RateLimitWindow {
        used_percent: window.used_percent,
        window_duration_mins: window.window_minutes,
        resets_at: window.resets_at,
    }
}

fn credits(credits: &Credits) -> v2::CreditsSnapshot {
    v2::CreditsSnapshot {
        has_credits: credits.has_credits,
        unlimited: credits.unlimited,
        balance: credits.balance.clone(),
    }
}

/// The error of a turn that failed. In strict mode, a failure of the login is told as the reference does.
pub(crate) fn turn_error(failure: &Failure, strict: bool) -> v2::TurnError {
    let info = match *failure.class() {
        FailureClass::ContextWindowExceeded => v2::CodexErrorInfo::ContextWindowExceeded,
        FailureClass::UsageLimitExceeded | FailureClass::QuotaExceeded | FailureClass::UsageNotIncluded => {
            v2::CodexErrorInfo::UsageLimitExceeded
        }
        FailureClass::RateLimitExceeded => v2::CodexErrorInfo::RateLimitExceeded,
        FailureClass::ServerOverloaded => v2::CodexErrorInfo::ServerOverloaded,
        FailureClass::ModelNotSupported if strict => v2::CodexErrorInfo::Other,
        FailureClass::ModelNotFound | FailureClass::ModelNotSupported => v2::CodexErrorInfo::ModelNotFound,
        FailureClass::CyberPolicy => v2::CodexErrorInfo::CyberPolicy,
        FailureClass::InternalServerError => v2::CodexErrorInfo::InternalServerError,
        FailureClass::Unauthorized { refused: true, .. } if strict => {
            v2::CodexErrorInfo::HttpConnectionFailed { http_status_code: Some(401) }
        }
        FailureClass::Unauthorized { kind, .. } if strict && kind != AuthFailureKind::Spent => {
            v2::CodexErrorInfo::Other
        }
        FailureClass::Unauthorized { .. } => v2::CodexErrorInfo::Unauthorized,
        FailureClass::HttpStatus(status) => v2::CodexErrorInfo::HttpConnectionFailed { http_status_code: Some(status) },
        FailureClass::TooManyAttempts(status) => {
            v2::CodexErrorInfo::ResponseTooManyFailedAttempts { http_status_code: Some(status) }
        }
        FailureClass::ContentFiltered | FailureClass::Unreachable | FailureClass::Other => v2::CodexErrorInfo::Other,
    };
    let kind = match *failure.class() {
        FailureClass::Unauthorized { kind, .. } => Some(auth_kind(kind)),
        FailureClass::HttpStatus(401) => Some(ErrorKind::AuthRequired),
        _ => None,
    };
    let additional_details = kind.filter(|_| !strict).map(|kind| <&str>::from(kind).to_owned());
    v2::TurnError {
        message: failure.message.clone(),
        codex_error_info: Some(info),
        additional_details,
        misalignment: None,
    }
}

/// How a turn ended, and its error if it failed.
pub(crate) fn outcome(outcome: &TurnOutcome<'_>, strict: bool) -> (v2::TurnStatus, Option<v2::TurnError>) {
    match outcome {
        TurnOutcome::Completed => (v2::TurnStatus::Completed, None),
        TurnOutcome::Interrupted => (v2::TurnStatus::Interrupted, None),
        TurnOutcome::Failed(failure) => (v2::TurnStatus::Failed, Some(turn_error(failure, strict))),
    }
}

/// What a turn waits for, each once.
pub(crate) fn active_flags(waiting: &[Waiting]) -> Vec<v2::ThreadActiveFlag> {
    let flag = |on, flag| waiting.contains(&on).then_some(flag);
    let approval = flag(Waiting::Approval, v2::ThreadActiveFlag::WaitingOnApproval);
    let input = flag(Waiting::UserInput, v2::ThreadActiveFlag::WaitingOnUserInput);
    approval.into_iter().chain(input).collect()
}

/// The error that announces another attempt.
pub(crate) fn retrying(failure: &Failure, attempt: u32, of: u32) -> v2::TurnError {
    let http_status_code = match *failure.class() {
        FailureClass::HttpStatus(status) | FailureClass::TooManyAttempts(status) => Some(status),
        _ => None,
    };
    v2::TurnError {
        message: format!("Reconnecting... {attempt}/{of}"),
        codex_error_info: Some(v2::CodexErrorInfo::ResponseStreamDisconnected { http_status_code }),
        additional_details: Some(failure.message.clone()),
        misalignment: None,
    }
}

pub(crate) fn auth_kind(kind: AuthFailureKind) -> ErrorKind {
    match kind {
        AuthFailureKind::RefreshTimeout => ErrorKind::RefreshTimeout,
        AuthFailureKind::RefreshRejected => ErrorKind::RefreshRejected,
        AuthFailureKind::RefreshInvalid => ErrorKind::RefreshInvalid,
        AuthFailureKind::AccountMismatch => ErrorKind::AccountMismatch,
        AuthFailureKind::WorkspaceRestricted => ErrorKind::WorkspaceRestricted,
        AuthFailureKind::NoOwner => ErrorKind::NoOwner,
        AuthFailureKind::Issuer => ErrorKind::Upstream,
        AuthFailureKind::ReauthRequired | AuthFailureKind::Spent => ErrorKind::ReauthRequired,
    }
}

pub(crate) fn login_error(error: &LoginError) -> ErrorObject {
    match error {
        LoginError::NotKept => ErrorObject::invalid_request(error.to_string()).kind(ErrorKind::NotSupported),
        LoginError::Store(_) => ErrorObject::internal(error.to_string()).kind(ErrorKind::FileSystem),
        LoginError::OtherUser(_) => ErrorObject::invalid_request(error.to_string()).kind(ErrorKind::AccountMismatch),
        LoginError::Token(_) => ErrorObject::internal(error.to_string()).kind(ErrorKind::InvalidToken),
        _ => ErrorObject::invalid_request(error.to_string()).kind(ErrorKind::LoginRestricted),
    }
}

pub(crate) fn config_error(error: ConfigError) -> ErrorObject {
    ErrorObject::invalid_request_params(format!("failed to load configuration: {error}"))
}

/// A model. Outside strict mode it has no efforts that client libraries refuse.
pub(crate) fn model(model: &Model, is_default: bool, strict: bool) -> v2::Model {
    let taken = |effort: &str| strict || catalog::EFFORTS.iter().any(|(known, _)| *known == effort);
    let efforts = model.efforts.iter().filter(|effort| taken(&effort.effort));
    let efforts = efforts.map(|effort| v2::ReasoningEffortOption {
        reasoning_effort: effort.effort.clone(),
        description: effort.description.clone(),
    });
    let tiers = model.tiers.iter().cloned();
    let default_effort = model.default_effort.as_deref().filter(|effort| taken(effort)).unwrap_or("medium");
    v2::Model {
        id: model.slug.clone(),
        model: model.slug.clone(),
        upgrade: model.upgrade.clone(),
        upgrade_info: None,
        availability_nux: None,
        display_name: model.name.clone(),
        description: model.description.clone(),
        model_specialty: model.specialty.clone(),
        hidden: model.hidden,
        supported_reasoning_efforts: efforts.collect(),
        default_reasoning_effort: default_effort.to_owned(),
        input_modalities: model.reads.iter().map(|kind| v2::InputModality::from(kind.as_str())).collect(),
        supports_personality: false,
        multi_agent_version: None,
        additional_speed_tiers: model.speeds.clone(),
        service_tiers: tiers
            .map(|Tier { id, name, description }| v2::ModelServiceTier { id, name, description })
            .collect(),
        default_service_tier: model.default_tier.clone(),
        available_access_programs: None,
        is_default,
    }
}

/// How much of its reasoning a model is asked to tell. None: nothing is asked.
pub(crate) fn reasoning_summary(summary: v2::ReasoningSummary) -> Option<&'static str> {
    match summary {
        v2::ReasoningSummary::Auto => Some("auto"),
        v2::ReasoningSummary::Concise => Some("concise"),
        v2::ReasoningSummary::Detailed => Some("detailed"),
        v2::ReasoningSummary::None => None,
    }
}

pub(crate) fn approvals(policy: v2::AskForApproval) -> Approvals {
    match policy {
        v2::AskForApproval::Untrusted => Approvals::Untrusted,
        v2::AskForApproval::OnRequest => Approvals::OnRequest,
        v2::AskForApproval::Granular { sandbox_approval, rules, .. } => {
            Approvals::Granular { sandbox: sandbox_approval, rules }
        }
        v2::AskForApproval::Never => Approvals::Never,
    }
}

/// The tools that a client declares, those of a group one by one.
pub(crate) fn client_tools(specs: &[v2::DynamicToolSpec]) -> Vec<ClientTool> {
    let tool = |namespace: Option<&str>, function: &v2::DynamicToolFunctionSpec| ClientTool {
        namespace: namespace.map(str::to_owned),
        name: function.name.clone(),
        description: function.description.clone(),
        parameters: function.input_schema.clone(),
    };
    specs
        .iter()
        .flat_map(|spec| match spec {
            v2::DynamicToolSpec::Function(function) => vec![tool(None, function)],
            v2::DynamicToolSpec::Namespace(group) => group
                .tools
                .iter()
                .map(|v2::DynamicToolNamespaceTool::Function(function)| tool(Some(&group.name), function))
                .collect(),
        })
        .collect()
}

pub(crate) fn plan_step(step: &PlanStep) -> v2::TurnPlanStep {
    let status = match step.status {
        StepStatus::Pending => v2::TurnPlanStepStatus::Pending,
        StepStatus::InProgress => v2::TurnPlanStepStatus::InProgress,
        StepStatus::Completed => v2::TurnPlanStepStatus::Completed,
    };
    v2::TurnPlanStep { step: step.step.clone(), status }
}

pub(crate) fn control_error(error: &ControlError) -> ErrorObject {
    let kind = match error {
        ControlError::NothingToInterrupt | ControlError::NothingToSteer => ErrorKind::NoActiveTurn,
        ControlError::InterruptOther { .. } | ControlError::SteerOther { .. } => ErrorKind::TurnMismatch,
        ControlError::NotSteerable => ErrorKind::ThreadBusy,
    };
    ErrorObject::invalid_request(error.to_string()).kind(kind)
}
