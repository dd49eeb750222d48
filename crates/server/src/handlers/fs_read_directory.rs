//! `fs/readDirectory`.

use valet_protocol::methods::FsReadDirectory;
use valet_protocol::v2::{FsReadDirectoryEntry, FsReadDirectoryParams, FsReadDirectoryResponse};
use valet_workspace::files::{self, Child};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::workspace::blocking;

impl Handler for FsReadDirectory {
    async fn handle(_: Context, params: FsReadDirectoryParams, responder: Responder<Self>) {
        let children = blocking(move || files::list(params.path.as_ref())).await;
        let entry =
            |Child { name, is_directory, is_file }| FsReadDirectoryEntry { file_name: name, is_directory, is_file };
        responder.respond(
            children.map(|children| FsReadDirectoryResponse { entries: children.into_iter().map(entry).collect() }),
        );
    }
}
