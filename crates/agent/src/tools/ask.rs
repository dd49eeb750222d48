//! `request_user_input`: questions to a person.

use valet_tools::definitions::{self, RequestUserInput};

use super::{Called, Tools};
use crate::event::Waiting;
use crate::tool_call::ToolCall;
use crate::turn::Turn;

impl Tools {
    pub(super) async fn request_user_input(&self, turn: &Turn, call: &ToolCall) -> Called {
        let arguments: RequestUserInput = match definitions::parse(&call.input) {
            Ok(arguments) => arguments,
            Err(error) => return error.to_string().into(),
        };
        let _waiting = turn.waiting(Waiting::UserInput);
        match self.client.ask(&turn.id, &call.call_id, arguments.questions).await {
            Some(answers) => answers.to_string().into(),
            None => "the questions could not be put to the user".to_owned().into(),
        }
    }
}
