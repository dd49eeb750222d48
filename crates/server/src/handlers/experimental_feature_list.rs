//! `experimentalFeature/list`.

use valet_protocol::ErrorObject;
use valet_protocol::methods::ExperimentalFeatureList;
use valet_protocol::v2::{ExperimentalFeatureListParams, ExperimentalFeatureListResponse};

use super::check_position;
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ExperimentalFeatureList {
    async fn handle(context: Context, params: ExperimentalFeatureListParams, responder: Responder<Self>) {
        responder.respond(list(&context, &params));
    }
}

fn list(
    context: &Context,
    params: &ExperimentalFeatureListParams,
) -> Result<ExperimentalFeatureListResponse, ErrorObject> {
    params.thread_id.as_ref().map(|id| context.thread(id)).transpose()?;
    check_position(params.cursor.as_deref(), "feature flags")?;
    Ok(ExperimentalFeatureListResponse { data: Vec::new(), next_cursor: None })
}
