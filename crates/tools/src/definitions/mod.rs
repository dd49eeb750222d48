//! What the model is told of the tools, and what it says when it calls one. The names and the shapes of the
//! arguments are those that the models are trained on; the words are ours.

mod arguments;

pub use arguments::{
    ArgumentsError, ExecCommand, PlanStep, Question, QuestionOption, RequestUserInput, SandboxPermissions, StepStatus,
    UpdatePlan, ViewImage, WriteStdin, parse,
};

use serde_json::{Value, json};

use crate::patch::GRAMMAR;

/// `exec_command`: runs a command line, see [`ExecCommand`].
pub fn exec_command() -> Value {
    function(
        "exec_command",
        "Runs a shell command. Gives its output once it exits or once `yield_time_ms` has passed; a command that is \
         still running then gets a session id for `write_stdin`. Set `workdir` instead of using `cd`. Prefer `rg` for \
         searching, and `apply_patch` for editing files.",
        &["cmd"],
        json!({
            "cmd": string("The command line, as you would type it into the shell."),
            "workdir": string("The folder to run in; relative paths are below the working directory, which is the default."),
            "shell": string("The shell to use instead of the user's."),
            "login": boolean("Whether the shell reads the user's profile first. Default true."),
            "tty": boolean("Whether the command gets a terminal, as interactive programs need. Default false."),
            "yield_time_ms": number("How long to wait for the end, from 250 to 30000 milliseconds. Default 10000."),
            "max_output_tokens": number("How much output to give back; the middle of more is cut out. Default 10000."),
            "sandbox_permissions": {
                "type": "string",
                "enum": ["use_default", "require_escalated"],
                "description": "`require_escalated` asks the user to run the command without the sandbox. Use it when \
                                the command needs the network or must write elsewhere. Default `use_default`.",
            },
            "justification": string("With `require_escalated`: the question to the user, in one short sentence."),
            "prefix_rule": strings(
                "With `require_escalated`: first words of the command that the user may allow for good, for example \
                 [\"npm\", \"install\"]. Never a prefix that would allow anything, such as [\"bash\"].",
            ),
        }),
    )
}

/// `write_stdin`: goes on with a running command, see [`WriteStdin`].
pub fn write_stdin() -> Value {
    function(
        "write_stdin",
        "Types into a command that `exec_command` left running, or waits for more of its output. Gives what has come \
         since the last call.",
        &["session_id"],
        json!({
            "session_id": number("The id that `exec_command` gave."),
            "chars": string("What to type; end a line with \\n, send \\u0003 to interrupt. Empty, the default, only waits."),
            "yield_time_ms": number(
                "How long to wait for output in milliseconds: up to 30000 after typing, default 250; from 5000 to \
                 300000 when only waiting, default 5000.",
            ),
            "max_output_tokens": number("How much output to give back; the middle of more is cut out. Default 10000."),
        }),
    )
}

/// `apply_patch`: edits files, with free text in the language of [`patch`](crate::patch).
pub fn apply_patch() -> Value {
    json!({
        "type": "custom",
        "name": "apply_patch",
        "description": "Adds, changes, moves and deletes files: all that the patch says, or nothing. Write the patch \
                        itself, with nothing around it. Give about three unchanged lines around each change, exactly as they are in \
                        the file; where they are not unique, name the function or class after `@@`. Name each file once.",
        "format": { "type": "grammar", "syntax": "lark", "definition": GRAMMAR },
    })
}

/// `view_image`: shows an image file to the model, see [`ViewImage`].
pub fn view_image() -> Value {
    function(
        "view_image",
        "Shows you an image from the disk: PNG, JPEG, GIF or WebP, up to 20 MiB.",
        &["path"],
        json!({ "path": string("The file; relative paths are below the working directory.") }),
    )
}

/// `update_plan`: shows the user what is done and what comes, see [`UpdatePlan`].
pub fn update_plan() -> Value {
    function(
        "update_plan",
        "Shows the user your plan for work of several steps. Send all steps each time, with one of them in_progress \
         until the last is completed. Not needed for simple requests.",
        &["plan"],
        json!({
            "explanation": string("Why the plan changed, if it did."),
            "plan": {
                "type": "array",
                "description": "All steps in order.",
                "items": object(&["step", "status"], json!({
                    "step": string("What is done in this step, in a few words."),
                    "status": { "type": "string", "enum": ["pending", "in_progress", "completed"] },
                })),
            },
        }),
    )
}

/// `request_user_input`: asks the user, see [`RequestUserInput`].
pub fn request_user_input() -> Value {
    let option = object(
        &["label", "description"],
        json!({
            "label": string("The choice, in one to five words."),
            "description": string("What follows from this choice, in one sentence."),
        }),
    );
    let question = object(
        &["id", "header", "question", "options"],
        json!({
            "id": string("A name for the answer, in snake_case."),
            "header": string("A title of at most 12 letters."),
            "question": string("The question, in one sentence."),
            "options": {
                "type": "array",
                "description": "Two or three choices that exclude each other, the one you would take first. The user \
                                can always answer in own words, so there is no need for a choice like \"other\".",
                "items": option,
            },
        }),
    );
    function(
        "request_user_input",
        "Asks the user one to three short questions and waits for the answers. Ask only what you cannot find out.",
        &["questions"],
        json!({
            "questions": { "type": "array", "description": "One to three; one is best.", "items": question },
        }),
    )
}

fn function(name: &str, description: &str, required: &[&str], properties: Value) -> Value {
    json!({
        "type": "function",
        "name": name,
        "description": description,
        "strict": false,
        "parameters": object(required, properties),
    })
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn string(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn strings(description: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": description })
}

fn number(description: &str) -> Value {
    json!({ "type": "number", "description": description })
}

fn boolean(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::{ExecCommand, RequestUserInput, UpdatePlan, ViewImage, WriteStdin};
    use super::{exec_command, parse, request_user_input, update_plan, view_image, write_stdin};

    /// A value for a schema, with every property or with the required ones only.
    fn sample(schema: &Value, all: bool) -> Value {
        match schema["type"].as_str() {
            Some("string") => schema["enum"].get(0).cloned().unwrap_or(json!("x")),
            Some("number") => json!(1),
            Some("boolean") => json!(true),
            Some("array") => json!([sample(&schema["items"], all), sample(&schema["items"], all)]),
            Some("object") => {
                let required: BTreeSet<_> = schema["required"].as_array().unwrap().iter().map(Value::as_str).collect();
                let properties = schema["properties"].as_object().unwrap().iter();
                let wanted = properties.filter(|(name, _)| all || required.contains(&Some(name.as_str())));
                wanted.map(|(name, schema)| (name.clone(), sample(schema, all))).collect()
            }
            other => panic!("no sample for {other:?}"),
        }
    }

    fn check<T: serde::de::DeserializeOwned + std::fmt::Debug>(definition: &Value) {
        let parameters = &definition["parameters"];
        for all in [true, false] {
            parse::<T>(&sample(parameters, all).to_string()).unwrap();
        }
        for name in parameters["required"].as_array().unwrap() {
            let mut arguments = sample(parameters, true);
            arguments.as_object_mut().unwrap().remove(name.as_str().unwrap());
            let error = parse::<T>(&arguments.to_string()).unwrap_err().to_string();
            assert!(error.contains("missing field"), "{error}");
        }
    }

    #[test]
    fn what_is_declared_is_what_is_read() {
        check::<ExecCommand>(&exec_command());
        check::<WriteStdin>(&write_stdin());
        check::<ViewImage>(&view_image());
        check::<UpdatePlan>(&update_plan());
        check::<RequestUserInput>(&request_user_input());
    }

    #[test]
    fn the_arguments_that_models_know_are_all_there() {
        let names = |definition: Value| {
            let properties = definition["parameters"]["properties"].as_object().unwrap().clone();
            properties.keys().cloned().collect::<BTreeSet<_>>()
        };
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        let exec = ["cmd", "workdir", "shell", "login", "tty", "yield_time_ms", "max_output_tokens"];
        let escalation = ["sandbox_permissions", "justification", "prefix_rule"];
        assert_eq!(names(exec_command()), set(&[exec.as_slice(), escalation.as_slice()].concat()));
        assert_eq!(names(write_stdin()), set(&["session_id", "chars", "yield_time_ms", "max_output_tokens"]));
    }
}
