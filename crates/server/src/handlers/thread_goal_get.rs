//! `thread/goal/get`.

use valet_protocol::methods::ThreadGoalGet;
use valet_protocol::v2::{ThreadGoalGetParams, ThreadGoalGetResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ThreadGoalGet {
    async fn handle(context: Context, params: ThreadGoalGetParams, responder: Responder<Self>) {
        let thread = context.thread(&params.thread_id).and_then(|thread| thread.check_stored("goals"));
        responder.respond(thread.map(|()| ThreadGoalGetResponse { goal: None }));
    }
}
