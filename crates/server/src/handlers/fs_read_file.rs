//! `fs/readFile`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use valet_protocol::methods::FsReadFile;
use valet_protocol::v2::{FsReadFileParams, FsReadFileResponse};
use valet_workspace::files;

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::workspace::blocking;

impl Handler for FsReadFile {
    async fn handle(_: Context, params: FsReadFileParams, responder: Responder<Self>) {
        let read = blocking(move || Ok(STANDARD.encode(files::read(params.path.as_ref())?))).await;
        responder.respond(read.map(|data_base64| FsReadFileResponse { data_base64 }));
    }
}
