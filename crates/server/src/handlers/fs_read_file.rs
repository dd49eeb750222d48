//! `fs/readFile`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use valet_protocol::methods::FsReadFile;
use valet_protocol::v2::{FsReadFileParams, FsReadFileResponse};
use valet_workspace::files;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};
use crate::workspace::blocking;

impl Answers for FsReadFile {
    async fn answer(_: Context, params: FsReadFileParams) -> Answered<Self> {
        let data_base64 = blocking(move || Ok(STANDARD.encode(files::read(params.path.as_ref())?))).await?;
        Ok(FsReadFileResponse { data_base64 })
    }
}
