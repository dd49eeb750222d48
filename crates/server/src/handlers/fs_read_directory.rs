//! `fs/readDirectory`.

use valet_protocol::methods::FsReadDirectory;
use valet_protocol::v2::{FsReadDirectoryEntry, FsReadDirectoryParams, FsReadDirectoryResponse};
use valet_workspace::files::{self, Child};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};
use crate::workspace::blocking;

impl Answers for FsReadDirectory {
    async fn answer(_: Context, params: FsReadDirectoryParams) -> Answered<Self> {
        let children = blocking(move || files::list(params.path.as_ref())).await?;
        let entry =
            |Child { name, is_directory, is_file }| FsReadDirectoryEntry { file_name: name, is_directory, is_file };
        Ok(FsReadDirectoryResponse { entries: children.into_iter().map(entry).collect() })
    }
}
