//! `fs/remove`.

use valet_protocol::methods::FsRemove;
use valet_protocol::v2::{FsRemoveParams, FsRemoveResponse};
use valet_workspace::files;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};
use crate::workspace::blocking;

impl Answers for FsRemove {
    async fn answer(_: Context, params: FsRemoveParams) -> Answered<Self> {
        let (recursive, force) = (params.recursive.unwrap_or(true), params.force.unwrap_or(true));
        blocking(move || files::remove(params.path.as_ref(), recursive, force)).await?;
        Ok(FsRemoveResponse {})
    }
}
