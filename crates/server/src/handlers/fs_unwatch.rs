//! `fs/unwatch`.

use valet_protocol::methods::FsUnwatch;
use valet_protocol::v2::{FsUnwatchParams, FsUnwatchResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for FsUnwatch {
    async fn handle(context: Context, params: FsUnwatchParams, responder: Responder<Self>) {
        context.host.workspace.unwatch(context.connection.id, params.watch_id);
        responder.respond(Ok(FsUnwatchResponse {}));
    }
}
