//! `fs/unwatch`.

use valet_protocol::methods::FsUnwatch;
use valet_protocol::v2::{FsUnwatchParams, FsUnwatchResponse};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for FsUnwatch {
    async fn answer(context: Context, params: FsUnwatchParams) -> Answered<Self> {
        context.host.workspace.unwatch(context.connection.id, params.watch_id);
        Ok(FsUnwatchResponse {})
    }
}
