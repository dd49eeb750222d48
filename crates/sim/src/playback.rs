//! Chooses the answer for a request and counts hits. Playing it is in `responses` and `chat`.

use std::sync::Mutex;

use serde_json::Value;

use crate::{
    response::Response,
    script::{Endpoint, Script, When},
    shared::lock,
};

/// What is answered when no rule does.
const GREETING: &str = "Hello from the sim.";

/// A script and how far it has been played.
#[derive(Debug)]
pub(crate) struct Playback {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    script: Script,
    /// One per rule.
    hits: Vec<u64>,
}

/// What rules look at.
#[derive(Debug)]
pub(crate) struct Cue<'a> {
    pub(crate) user_text: String,
    pub(crate) model: &'a str,
    pub(crate) account: &'a str,
}

impl Playback {
    pub(crate) fn new(script: Script) -> Self {
        let hits = vec![0; script.rules.len()];
        Self { state: Mutex::new(State { script, hits }) }
    }

    /// Starts another script from its beginning.
    pub(crate) fn replace(&self, script: Script) {
        let hits = vec![0; script.rules.len()];
        *lock(&self.state) = State { script, hits };
    }

    /// The next answer for this cue, and the index of the rule it came from.
    pub(crate) fn choose(&self, cue: &Cue<'_>) -> (Option<usize>, Response) {
        let mut state = lock(&self.state);
        let State { script, hits } = &mut *state;
        for (index, (rule, hits)) in script.rules.iter().zip(hits).enumerate() {
            if rule.times.is_some_and(|times| *hits >= times) || !rule.when.holds(cue) {
                continue;
            }
            let turn = usize::try_from(*hits).unwrap_or(usize::MAX);
            *hits += 1;
            let response = rule.responses.get(turn).or(rule.responses.last());
            return (Some(index), response.cloned().unwrap_or_else(|| GREETING.into()));
        }
        (None, GREETING.into())
    }

    pub(crate) fn endpoint(&self, method: &str, path: &str) -> Option<Endpoint> {
        let state = lock(&self.state);
        state.script.endpoints.get(&format!("{method} {path}")).cloned()
    }

    pub(crate) fn usage(&self, account: &str) -> Option<Value> {
        let script = &lock(&self.state).script;
        script.usage_of.get(account).or(script.usage.as_ref()).cloned()
    }
}

impl When {
    fn holds(&self, cue: &Cue<'_>) -> bool {
        self.user_text.as_deref().is_none_or(|text| cue.user_text.contains(text))
            && self.model.as_deref().is_none_or(|model| model == cue.model)
            && self.account.as_deref().is_none_or(|account| account == cue.account)
    }
}

/// The text of the last input item, or message of a chat, with the role `user`; empty when there
/// is none.
pub(crate) fn last_user_text(body: &Value) -> String {
    let input = match (&body["input"], &body["messages"]) {
        (Value::String(text), _) => return text.clone(),
        (Value::Array(items), _) | (_, Value::Array(items)) => items,
        _ => return String::new(),
    };
    match input.iter().rev().find(|item| item["role"] == "user").map(|item| &item["content"]) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter(|part| part["type"] == "input_text" || part["type"] == "text");
            texts.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::{Cue, GREETING, Playback, last_user_text};
    use crate::{Response, Rule, Script, When};

    fn say(playback: &Playback, text: &str) -> Response {
        playback.choose(&Cue { user_text: text.to_owned(), model: "m", account: "a" }).1
    }

    #[test]
    fn the_last_response_repeats() {
        let playback = Playback::new(Script::responses(["one".into(), "two".into()]));
        assert_eq!(say(&playback, ""), "one".into());
        assert_eq!(say(&playback, ""), "two".into());
        assert_eq!(say(&playback, ""), "two".into());
    }

    #[test]
    fn a_rule_that_is_used_up_leaves_the_word_to_the_next() {
        let once = || Rule::when("hi").respond("one").times(1);
        let playback = Playback::new(Script::new().rule(once()));
        assert_eq!(say(&playback, "bye"), GREETING.into());
        assert_eq!(say(&playback, "oh hi"), "one".into());
        assert_eq!(say(&playback, "oh hi"), GREETING.into());
        playback.replace(Script::new().rule(once()).rule(Rule::always().respond("two")));
        assert_eq!(say(&playback, "oh hi"), "one".into());
        assert_eq!(say(&playback, "oh hi"), "two".into());
    }

    #[test]
    fn all_conditions_must_hold() {
        let when = When { model: Some("m".into()), account: Some("b".into()), user_text: None };
        let playback = Playback::new(Script::new().rule(Rule::matching(when).respond("one")));
        assert_eq!(say(&playback, ""), GREETING.into());
    }

    #[test]
    fn the_last_user_message_is_found_behind_tool_outputs() {
        let body = json!({"input": [
            {"role": "user", "content": "old"},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "new"}, {"type": "input_image", "image_url": "x"}]},
            {"type": "function_call_output", "call_id": "c", "output": "out"},
        ]});
        assert_eq!(last_user_text(&body), "new");
        assert_eq!(last_user_text(&json!({"input": "plain"})), "plain");
        let chat = json!({"messages": [
            {"role": "user", "content": [{"type": "text", "text": "said"}]}, {"role": "tool", "content": "out"}]});
        assert_eq!(last_user_text(&chat), "said");
        assert_eq!(last_user_text(&json!(null)), "");
    }
}
