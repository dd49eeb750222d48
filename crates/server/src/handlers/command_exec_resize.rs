//! `command/exec/resize`.

use valet_protocol::ErrorObject;
use valet_protocol::methods::CommandExecResize;
use valet_protocol::v2::{CommandExecResizeParams, CommandExecResizeResponse};

use super::command_exec::terminal_size;
use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for CommandExecResize {
    async fn answer(context: Context, params: CommandExecResizeParams) -> Answered<Self> {
        let size = terminal_size(params.size)?;
        let process = context.host.processes.get(context.connection.id, &params.process_id)?;
        let resized = process.running.resize(size).map_err(|error| {
            let reason = match error.kind() {
                std::io::ErrorKind::Unsupported => "process is not attached to a PTY".to_owned(),
                _ => error.to_string(),
            };
            ErrorObject::invalid_request(format!("failed to resize PTY: {reason}"))
        });
        resized.map(|()| CommandExecResizeResponse {})
    }
}
