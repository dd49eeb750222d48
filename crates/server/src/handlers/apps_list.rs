//! `app/list`.

use valet_protocol::methods::AppsList;
use valet_protocol::v2::{AppsListParams, AppsListResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for AppsList {
    async fn handle(context: Context, params: AppsListParams, responder: Responder<Self>) {
        let thread = params.thread_id.map(|id| context.thread(&id)).transpose();
        responder.respond(thread.map(|_| AppsListResponse { data: Vec::new(), next_cursor: None }));
    }
}
