//! `fuzzyFileSearch/sessionStop`.

use valet_protocol::methods::FuzzyFileSearchSessionStop;
use valet_protocol::v2::{FuzzyFileSearchSessionStopParams, FuzzyFileSearchSessionStopResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for FuzzyFileSearchSessionStop {
    async fn handle(context: Context, params: FuzzyFileSearchSessionStopParams, responder: Responder<Self>) {
        context.host.workspace.close_session(context.connection.id, params.session_id);
        responder.respond(Ok(FuzzyFileSearchSessionStopResponse {}));
    }
}
