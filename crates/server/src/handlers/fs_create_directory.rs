//! `fs/createDirectory`.

use valet_protocol::methods::FsCreateDirectory;
use valet_protocol::v2::{FsCreateDirectoryParams, FsCreateDirectoryResponse};
use valet_workspace::files;

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::workspace::blocking;

impl Handler for FsCreateDirectory {
    async fn handle(_: Context, params: FsCreateDirectoryParams, responder: Responder<Self>) {
        let parents = params.recursive.unwrap_or(true);
        let made = blocking(move || files::create_directory(params.path.as_ref(), parents)).await;
        responder.respond(made.map(|()| FsCreateDirectoryResponse {}));
    }
}
