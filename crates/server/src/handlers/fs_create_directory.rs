//! `fs/createDirectory`.

use valet_protocol::methods::FsCreateDirectory;
use valet_protocol::v2::{FsCreateDirectoryParams, FsCreateDirectoryResponse};
use valet_workspace::files;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};
use crate::workspace::blocking;

impl Answers for FsCreateDirectory {
    async fn answer(_: Context, params: FsCreateDirectoryParams) -> Answered<Self> {
        let parents = params.recursive.unwrap_or(true);
        blocking(move || files::create_directory(params.path.as_ref(), parents)).await?;
        Ok(FsCreateDirectoryResponse {})
    }
}
