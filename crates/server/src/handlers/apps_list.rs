//! `app/list`.

use valet_protocol::methods::AppsList;
use valet_protocol::v2::{AppsListParams, AppsListResponse};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for AppsList {
    async fn answer(context: Context, params: AppsListParams) -> Answered<Self> {
        params.thread_id.map(|id| context.thread(&id)).transpose()?;
        Ok(AppsListResponse { data: Vec::new(), next_cursor: None })
    }
}
