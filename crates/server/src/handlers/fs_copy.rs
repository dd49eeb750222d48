//! `fs/copy`.

use valet_protocol::methods::FsCopy;
use valet_protocol::v2::{FsCopyParams, FsCopyResponse};
use valet_workspace::files;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};
use crate::workspace::blocking;

impl Answers for FsCopy {
    async fn answer(_: Context, params: FsCopyParams) -> Answered<Self> {
        let FsCopyParams { source_path, destination_path, recursive } = params;
        blocking(move || files::copy(source_path.as_ref(), destination_path.as_ref(), recursive)).await?;
        Ok(FsCopyResponse {})
    }
}
