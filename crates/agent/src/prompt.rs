//! What the model is told before the conversation. The order is fixed and the texts depend on nothing that
//! changes from turn to turn, so that the backend's cache can be used.

use serde_json::{Value, json};

use crate::settings::Settings;

/// The place where the model works, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The working directory.
    pub cwd: String,
    /// The user's shell.
    pub shell: String,
    /// What commands may do.
    pub sandbox: String,
    /// When the person is asked.
    pub approvals: String,
}

const BASE_INSTRUCTIONS: &str = "\
You are a careful software engineer who works for the person in this conversation, on their machine, through \
the tools you are given. Find out before you act: read the code that is there and follow its conventions. Do \
what was asked, completely, and nothing beside it. Prefer the smallest change that is right. When you have \
changed something, check that it works. Say plainly what you did, what you did not do, and what you are not \
sure of. If a request cannot be carried out, say why and what would help. Keep answers short; use Markdown \
where it helps to read them.";

/// The messages that open every conversation.
pub(crate) fn opening(settings: &Settings) -> Vec<Value> {
    let base = settings.base_instructions.as_deref().unwrap_or(BASE_INSTRUCTIONS);
    let here = &settings.surroundings;
    let mut guidance = format!("Commands: sandbox {}; approvals {}.", here.sandbox, here.approvals);
    if let Some(more) = &settings.developer_instructions {
        guidance.push_str("\n\n");
        guidance.push_str(more);
    }
    let place = format!(
        "<environment_context>\n  <cwd>{}</cwd>\n  <shell>{}</shell>\n</environment_context>",
        here.cwd, here.shell
    );
    vec![message("developer", base), message("developer", &guidance), message("user", &place)]
}

/// What the model is told of a turn that somebody stopped.
pub(crate) fn interrupted_note() -> Value {
    message(
        "user",
        "<turn_aborted>\nThe person stopped the previous turn. What it had begun may be half done: look before \
         you build on it.\n</turn_aborted>",
    )
}

fn message(role: &str, text: &str) -> Value {
    json!({ "type": "message", "role": role, "content": [{ "type": "input_text", "text": text }] })
}
