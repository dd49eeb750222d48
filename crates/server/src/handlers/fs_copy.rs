//! `fs/copy`.

use valet_protocol::methods::FsCopy;
use valet_protocol::v2::{FsCopyParams, FsCopyResponse};
use valet_workspace::files;

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::workspace::blocking;

impl Handler for FsCopy {
    async fn handle(_: Context, params: FsCopyParams, responder: Responder<Self>) {
        let FsCopyParams { source_path, destination_path, recursive } = params;
        let copied = blocking(move || files::copy(source_path.as_ref(), destination_path.as_ref(), recursive)).await;
        responder.respond(copied.map(|()| FsCopyResponse {}));
    }
}
