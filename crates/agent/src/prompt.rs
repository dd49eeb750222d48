//! What the model is told before the conversation. The order is fixed and the texts depend on nothing that
//! changes from turn to turn, so that the backend's cache can be used.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use valet_exec::Sandbox;

use crate::model::output_item::ContentPart;
use crate::permission::Approvals;
use crate::project;
use crate::settings::Settings;

/// The place where the model works, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// The working directory.
    pub cwd: String,
    /// The user's shell.
    pub shell: String,
    /// What commands may do.
    pub sandbox: String,
    /// When the person is asked.
    pub approvals: String,
    /// What the mode of collaboration asks for, if it does.
    pub mode: Option<String>,
}

/// What plan mode asks for, unless the client says it in other words.
pub const PLAN_MODE: &str = "\
You are in plan mode. Change nothing: read, search and run what only looks. Find out what the person wants, and ask \
with `request_user_input` what you cannot find out. Then propose a plan: the steps in order, the files and functions \
that each touches, how it will be checked, and what could go wrong.";

/// What stands before a summary of the conversation so far.
pub(crate) const SUMMED_UP: &str = "\
The conversation so far was summed up to save room. Build on this, and do not do again what is done:";

const MODE_ENDED: &str = "\
That mode is over: you may change things again, as far as the sandbox and the approvals let you.";

const BASE_INSTRUCTIONS: &str = "\
You are a careful software engineer who works for the person in this conversation, on their machine, through \
the tools you are given. Find out before you act: read the code that is there and follow its conventions. Do \
what was asked, completely, and nothing beside it. Prefer the smallest change that is right. When you have \
changed something, check that it works. Say plainly what you did, what you did not do, and what you are not \
sure of. If a request cannot be carried out, say why and what would help. Keep answers short; use Markdown \
where it helps to read them.";

/// What the model knows of the place where it works, and of what it may do there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scene {
    place: Surroundings,
    guidance: String,
}

impl Scene {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self { place: settings.surroundings.clone(), guidance: guidance(settings) }
    }
}

/// What begins with these is told to the model in a person's place, here or by the reference.
const NOTES: [&str; 9] = [
    "<environment_context>",
    "<turn_aborted>",
    "<user_shell_command>",
    "<user_instructions>",
    "<skill>",
    "<subagent_notification>",
    "# AGENTS.md instructions for",
    SUMMED_UP,
    project::HEADING,
];

/// Whether the item is something that a person said, as far as its text tells.
pub(crate) fn is_said(item: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Message {
        role: String,
        content: Vec<ContentPart>,
    }
    let Ok(Message { role, content }) = serde_json::from_str(item.get()) else { return false };
    let text = content.into_iter().next().map(ContentPart::into_text).unwrap_or_default();
    role == "user" && !NOTES.iter().any(|note| text.starts_with(note))
}

/// What a conversation is told before everything else, whatever is left out later.
pub fn base_instructions(own: Option<&str>) -> &str {
    own.unwrap_or(BASE_INSTRUCTIONS)
}

/// The messages that open every conversation.
pub(crate) async fn opening(settings: &Settings) -> Vec<Value> {
    let mut guidance = guidance(settings);
    if let Some(more) = &settings.developer_instructions {
        guidance.push_str("\n\n");
        guidance.push_str(more);
    }
    let mut messages = vec![message("developer", &guidance)];
    if let Some(project) = project::instructions(Path::new(&settings.surroundings.cwd)).await {
        messages.push(message("user", &project));
    }
    messages.push(place(&settings.surroundings));
    messages.extend(settings.surroundings.mode.as_deref().map(|mode| message("developer", mode)));
    messages
}

/// What the model is told when the place, the mode or what it may do has changed.
pub(crate) fn changes(told: &Scene, now: &Scene) -> Vec<Value> {
    let guidance = (told.guidance != now.guidance).then(|| message("developer", &now.guidance));
    let (before, after) = (&told.place, &now.place);
    let mode = (before.mode != after.mode).then(|| message("developer", after.mode.as_deref().unwrap_or(MODE_ENDED)));
    let moved = Surroundings { mode: after.mode.clone(), ..before.clone() } != *after;
    guidance.into_iter().chain(moved.then(|| place(after))).chain(mode).collect()
}

/// Where the model works.
fn place(here: &Surroundings) -> Value {
    let text = format!(
        "<environment_context>\n  <cwd>{}</cwd>\n  <shell>{}</shell>\n  <sandbox>{}</sandbox>\n  \
         <approvals>{}</approvals>\n</environment_context>",
        here.cwd, here.shell, here.sandbox, here.approvals
    );
    message("user", &text)
}

/// What the model may do, and how it gets further.
fn guidance(settings: &Settings) -> String {
    let (access, network) = match &settings.sandbox {
        Sandbox::None => ("Commands run without a sandbox.".to_owned(), true),
        Sandbox::Confined(limits) if limits.writable.is_empty() => {
            ("Commands run in a sandbox: they may read every file and write none.".to_owned(), limits.network)
        }
        Sandbox::Confined(limits) => {
            let places: Vec<String> = limits.writable.iter().map(|path| format!("`{}`", path.display())).collect();
            let places = places.join(", ");
            let words = "Commands run in a sandbox: they may read every file, and write below";
            (format!("{words} {places}, but not in `.git`."), limits.network)
        }
    };
    let network = if network { "" } else { " They have no network." };
    let approvals = match settings.approvals {
        Approvals::Untrusted => "The person is asked before everything that does more than read.",
        approvals if approvals.may_ask_to_leave() => {
            "To leave the sandbox, ask with `sandbox_permissions` and a `justification`; do so when a command that \
             matters fails because of the sandbox, not before."
        }
        _ => "The person cannot be asked for more: do what can be done within these limits.",
    };
    format!("{access}{network} {approvals} What a command leaves running ends with the turn.")
}

/// What the model is told of a turn that somebody stopped.
pub(crate) fn interrupted_note() -> Value {
    message(
        "user",
        "<turn_aborted>\nThe person stopped the previous turn. What it had begun may be half done: look before \
         you build on it.\n</turn_aborted>",
    )
}

/// What the model is told of a response that the backend's filter has ended.
pub(crate) fn filtered_note() -> Value {
    message(
        "developer",
        "The last response was ended by the content filter of the service, and is lost. Do not try the same again: go \
         on in a way that it lets through, or say what cannot be said.",
    )
}

pub(crate) fn message(role: &str, text: &str) -> Value {
    json!({ "type": "message", "role": role, "content": [{ "type": "input_text", "text": text }] })
}
