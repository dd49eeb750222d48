//! The arguments of the tools, with their defaults and limits.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The arguments of a call are not what the tool takes. The words are for the model, which has seen them often.
#[derive(Debug, thiserror::Error)]
#[error("failed to parse function arguments: {0}")]
pub struct ArgumentsError(#[from] serde_json::Error);

/// Reads the arguments of a call. Unknown ones are ignored.
pub fn parse<T: DeserializeOwned>(arguments: &str) -> Result<T, ArgumentsError> {
    Ok(serde_json::from_str(arguments)?)
}

/// Tokens of output that a call gives back, unless it says otherwise.
const OUTPUT_TOKENS: usize = 10_000;

/// Arguments of `exec_command`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ExecCommand {
    /// The command line.
    pub cmd: String,
    /// Where to run it; absolute, or below the turn's working directory.
    #[serde(default)]
    pub workdir: Option<String>,
    /// The shell, if not the user's.
    #[serde(default)]
    pub shell: Option<String>,
    /// Whether it is a login shell.
    #[serde(default = "yes")]
    pub login: bool,
    /// Whether it gets a terminal.
    #[serde(default)]
    pub tty: bool,
    #[serde(default)]
    yield_time_ms: Option<u64>,
    #[serde(default)]
    max_output_tokens: Option<usize>,
    /// Whether it is to leave the sandbox.
    #[serde(default)]
    pub sandbox_permissions: SandboxPermissions,
    /// The question to the user about that.
    #[serde(default)]
    pub justification: Option<String>,
    /// What the user may allow for good.
    #[serde(default)]
    pub prefix_rule: Option<Vec<String>>,
}

impl ExecCommand {
    /// How long to wait for the end: 10 s, or as asked for, from 250 ms to 30 s.
    pub fn yield_time(&self) -> Duration {
        Duration::from_millis(self.yield_time_ms.unwrap_or(10_000).clamp(250, 30_000))
    }

    /// How much output to give back, in tokens.
    pub fn max_output_tokens(&self) -> usize {
        self.max_output_tokens.unwrap_or(OUTPUT_TOKENS)
    }
}

fn yes() -> bool {
    true
}

/// Whether a command is to leave the sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxPermissions {
    /// It stays inside.
    #[default]
    UseDefault,
    /// The user is asked to let it out.
    RequireEscalated,
}

/// Arguments of `write_stdin`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WriteStdin {
    /// The command that was left running.
    pub session_id: i32,
    /// What to type; empty only waits.
    #[serde(default)]
    pub chars: String,
    #[serde(default)]
    yield_time_ms: Option<u64>,
    #[serde(default)]
    max_output_tokens: Option<usize>,
}

impl WriteStdin {
    /// How long to wait for output. After typing 250 ms, or as asked for up to 30 s; when only waiting 5 s, or as
    /// asked for up to 5 min.
    pub fn yield_time(&self) -> Duration {
        let (least, most) = if self.chars.is_empty() { (5_000, 300_000) } else { (250, 30_000) };
        Duration::from_millis(self.yield_time_ms.unwrap_or(least).clamp(least, most))
    }

    /// How much output to give back, in tokens.
    pub fn max_output_tokens(&self) -> usize {
        self.max_output_tokens.unwrap_or(OUTPUT_TOKENS)
    }
}

/// Arguments of `view_image`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ViewImage {
    /// The file; absolute, or below the turn's working directory.
    pub path: String,
}

/// Arguments of `update_plan`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct UpdatePlan {
    /// Why the plan changed.
    #[serde(default)]
    pub explanation: Option<String>,
    /// All steps.
    pub plan: Vec<PlanStep>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PlanStep {
    /// What is done.
    pub step: String,
    /// How far it is.
    pub status: StepStatus,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// Being done.
    InProgress,
    /// Done.
    Completed,
}

/// Arguments of `request_user_input`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RequestUserInput {
    /// One to three.
    #[serde(deserialize_with = "one_to_three")]
    pub questions: Vec<Question>,
}

/// One question to the user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Question {
    /// What the answer is called.
    pub id: String,
    /// A short title.
    pub header: String,
    /// The question.
    pub question: String,
    /// The choices.
    pub options: Vec<QuestionOption>,
}

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct QuestionOption {
    /// The choice.
    pub label: String,
    /// What follows from it.
    pub description: String,
}

fn one_to_three<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Question>, D::Error> {
    let questions = Vec::<Question>::deserialize(deserializer)?;
    let fits = (1..=3).contains(&questions.len());
    if fits { Ok(questions) } else { Err(serde::de::Error::invalid_length(questions.len(), &"one to three questions")) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pretty_assertions::assert_eq;

    use super::{ExecCommand, RequestUserInput, SandboxPermissions, WriteStdin, parse};

    fn exec(arguments: &str) -> ExecCommand {
        parse(arguments).unwrap()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let call = exec(r#"{"cmd":"ls"}"#);
        assert_eq!((call.login, call.tty), (true, false));
        assert_eq!(call.yield_time(), Duration::from_secs(10));
        assert_eq!(call.max_output_tokens(), 10_000);
        assert_eq!(call.sandbox_permissions, SandboxPermissions::UseDefault);
    }

    #[test]
    fn times_are_kept_within_their_limits() {
        let wait = |ms: u64| exec(&format!(r#"{{"cmd":"ls","yield_time_ms":{ms}}}"#)).yield_time().as_millis();
        assert_eq!([wait(0), wait(1000), wait(u64::MAX)], [250, 1000, 30_000]);
        let wait = |chars: &str, ms: &str| {
            let call: WriteStdin =
                parse(&format!(r#"{{"session_id":1,"chars":"{chars}","yield_time_ms":{ms}}}"#)).unwrap();
            call.yield_time().as_millis()
        };
        assert_eq!([wait("x", "null"), wait("x", "1"), wait("x", "60000")], [250, 250, 30_000]);
        assert_eq!([wait("", "null"), wait("", "1"), wait("", "999999")], [5_000, 5_000, 300_000]);
    }

    #[test]
    fn bad_arguments_are_explained_to_the_model() {
        let error = |arguments: &str| parse::<ExecCommand>(arguments).unwrap_err().to_string();
        assert_eq!(error("{}"), "failed to parse function arguments: missing field `cmd` at line 1 column 2");
        assert_eq!(
            error(r#"{"cmd":5}"#),
            "failed to parse function arguments: invalid type: integer `5`, expected a string at line 1 column 8"
        );
        assert_eq!(error("{bad"), "failed to parse function arguments: key must be a string at line 1 column 2");
        assert_eq!(error(""), "failed to parse function arguments: EOF while parsing a value at line 1 column 0");
    }

    #[test]
    fn there_are_one_to_three_questions() {
        let ask = |count: usize| {
            let question = r#"{"id":"a","header":"b","question":"c","options":[]}"#;
            parse::<RequestUserInput>(&format!(r#"{{"questions":[{}]}}"#, vec![question; count].join(",")))
        };
        assert!(ask(0).is_err());
        assert!(ask(3).is_ok());
        let error = ask(4).unwrap_err().to_string();
        assert!(error.contains("invalid length 4, expected one to three questions"), "{error}");
    }
}
