//! `command/exec/terminate`.

use valet_protocol::methods::CommandExecTerminate;
use valet_protocol::v2::{CommandExecTerminateParams, CommandExecTerminateResponse};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for CommandExecTerminate {
    async fn answer(context: Context, params: CommandExecTerminateParams) -> Answered<Self> {
        let process = context.host.processes.get(context.connection.id, &params.process_id)?;
        process.running.terminate();
        Ok(CommandExecTerminateResponse {})
    }
}
