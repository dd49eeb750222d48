//! `threadSection/list`.

use valet_protocol::methods::ThreadSectionList;
use valet_protocol::v2::{ThreadSection, ThreadSectionListParams, ThreadSectionListResponse};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ThreadSectionList {
    async fn answer(_: Context, params: ThreadSectionListParams) -> Answered<Self> {
        let pinned = ThreadSection { id: PINNED.to_owned(), name: "Pinned".to_owned(), appearance: None };
        // A cursor is the id of the last section of a page, and there is but this one.
        let data = if params.cursor.is_some() { Vec::new() } else { vec![pinned] };
        Ok(ThreadSectionListResponse { data, next_cursor: None })
    }
}

/// The section that every host has; clients know this id.
const PINNED: &str = "01984de2-8f74-7c91-a3b2-5c5e937cf318";
