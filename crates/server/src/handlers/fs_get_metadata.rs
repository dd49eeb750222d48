//! `fs/getMetadata`.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use valet_protocol::methods::FsGetMetadata;
use valet_protocol::v2::{FsGetMetadataParams, FsGetMetadataResponse};
use valet_workspace::files::{self, Facts};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};
use crate::workspace::blocking;

impl Answers for FsGetMetadata {
    async fn answer(_: Context, params: FsGetMetadataParams) -> Answered<Self> {
        let Facts { target, is_symlink } = blocking(move || files::facts(params.path.as_ref())).await?;
        Ok(FsGetMetadataResponse {
            is_directory: target.is_dir(),
            is_file: target.is_file(),
            is_symlink,
            created_at_ms: milliseconds(target.created()),
            modified_at_ms: milliseconds(target.modified()),
        })
    }
}

fn milliseconds(time: io::Result<SystemTime>) -> i64 {
    let since = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default()
}
