//! `experimentalFeature/list`.

use valet_protocol::methods::ExperimentalFeatureList;
use valet_protocol::v2::{ExperimentalFeatureListParams, ExperimentalFeatureListResponse};

use super::check_position;
use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ExperimentalFeatureList {
    async fn answer(context: Context, params: ExperimentalFeatureListParams) -> Answered<Self> {
        params.thread_id.as_ref().map(|id| context.thread(id)).transpose()?;
        check_position(params.cursor.as_deref(), "feature flags")?;
        Ok(ExperimentalFeatureListResponse { data: Vec::new(), next_cursor: None })
    }
}
