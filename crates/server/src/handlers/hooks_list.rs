//! `hooks/list`.

use valet_protocol::ErrorObject;
use valet_protocol::methods::HooksList;
use valet_protocol::v2::{HooksListEntry, HooksListParams, HooksListResponse};

use super::directories;
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for HooksList {
    async fn handle(context: Context, params: HooksListParams, responder: Responder<Self>) {
        let entry = |cwd| HooksListEntry { cwd, hooks: Vec::new(), warnings: Vec::new(), errors: Vec::new() };
        let cwds = cwds(&context, params);
        responder.respond(cwds.map(|cwds| HooksListResponse { data: cwds.into_iter().map(entry).collect() }));
    }
}

fn cwds(context: &Context, params: HooksListParams) -> Result<Vec<String>, ErrorObject> {
    match params.thread_id {
        Some(_) if !params.cwds.is_empty() => Err(ErrorObject::invalid_request("specify either threadId or cwds")),
        Some(thread_id) => Ok(vec![context.thread(&thread_id)?.shared.stage().record.thread.cwd.clone()]),
        None => Ok(directories(params.cwds)),
    }
}
