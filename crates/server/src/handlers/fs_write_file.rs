//! `fs/writeFile`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use valet_protocol::ErrorObject;
use valet_protocol::methods::FsWriteFile;
use valet_protocol::v2::{FsWriteFileParams, FsWriteFileResponse};
use valet_workspace::files;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};
use crate::workspace::blocking;

impl Answers for FsWriteFile {
    async fn answer(_: Context, params: FsWriteFileParams) -> Answered<Self> {
        let content = STANDARD.decode(params.data_base64).map_err(|error| {
            ErrorObject::invalid_request_params(format!("fs/writeFile requires valid base64 dataBase64: {error}"))
        })?;
        blocking(move || files::write(params.path.as_ref(), &content)).await?;
        Ok(FsWriteFileResponse {})
    }
}
