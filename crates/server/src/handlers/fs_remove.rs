//! `fs/remove`.

use valet_protocol::methods::FsRemove;
use valet_protocol::v2::{FsRemoveParams, FsRemoveResponse};
use valet_workspace::files;

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::workspace::blocking;

impl Handler for FsRemove {
    async fn handle(_: Context, params: FsRemoveParams, responder: Responder<Self>) {
        let (recursive, force) = (params.recursive.unwrap_or(true), params.force.unwrap_or(true));
        let removed = blocking(move || files::remove(params.path.as_ref(), recursive, force)).await;
        responder.respond(removed.map(|()| FsRemoveResponse {}));
    }
}
