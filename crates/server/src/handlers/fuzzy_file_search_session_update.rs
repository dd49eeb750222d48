//! `fuzzyFileSearch/sessionUpdate`.

use valet_protocol::methods::FuzzyFileSearchSessionUpdate;
use valet_protocol::v2::{FuzzyFileSearchSessionUpdateParams, FuzzyFileSearchSessionUpdateResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for FuzzyFileSearchSessionUpdate {
    async fn handle(context: Context, params: FuzzyFileSearchSessionUpdateParams, responder: Responder<Self>) {
        let FuzzyFileSearchSessionUpdateParams { session_id, query } = params;
        let asked = context.host.workspace.ask_session(context.connection.id, session_id, query);
        responder.respond(asked.map(|()| FuzzyFileSearchSessionUpdateResponse {}));
    }
}
