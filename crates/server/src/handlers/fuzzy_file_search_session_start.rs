//! `fuzzyFileSearch/sessionStart`.

use std::sync::Arc;

use valet_protocol::ErrorObject;
use valet_protocol::methods::{
    FuzzyFileSearchSessionCompleted, FuzzyFileSearchSessionStart, FuzzyFileSearchSessionUpdated,
};
use valet_protocol::v2::{
    FuzzyFileSearchSessionCompletedNotification, FuzzyFileSearchSessionStartParams,
    FuzzyFileSearchSessionStartResponse, FuzzyFileSearchSessionUpdatedNotification,
};
use valet_workspace::search::{Step, Steps, session};

use crate::connection::Connection;
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::workspace::file_match;

impl Handler for FuzzyFileSearchSessionStart {
    async fn handle(context: Context, params: FuzzyFileSearchSessionStartParams, responder: Responder<Self>) {
        match start(&context, &params) {
            Ok(steps) => {
                responder.respond(Ok(FuzzyFileSearchSessionStartResponse {}));
                tokio::spawn(tell(Arc::clone(&context.connection), params.session_id, steps));
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}

fn start(context: &Context, params: &FuzzyFileSearchSessionStartParams) -> Result<Steps, ErrorObject> {
    let FuzzyFileSearchSessionStartParams { session_id, roots } = params;
    if session_id.is_empty() {
        return Err(ErrorObject::invalid_request("sessionId must not be empty"));
    }
    if roots.is_empty() {
        let message = "failed to start fuzzy file search session: at least one search directory is required";
        return Err(ErrorObject::internal(message));
    }
    let (session, steps) = session(roots.iter().map(Into::into).collect());
    context.host.workspace.open_session(context.connection.id, session_id.clone(), session)?;
    Ok(steps)
}

/// Ends with the session.
async fn tell(connection: Arc<Connection>, session_id: String, mut steps: Steps) {
    while let Some(step) = steps.next().await {
        let session_id = session_id.clone();
        match step {
            Step::Found { query, found } => {
                let files = found.into_iter().map(file_match).collect();
                let params = FuzzyFileSearchSessionUpdatedNotification { session_id, query, files };
                connection.notify::<FuzzyFileSearchSessionUpdated>(&params);
            }
            Step::Completed => {
                let params = FuzzyFileSearchSessionCompletedNotification { session_id };
                connection.notify::<FuzzyFileSearchSessionCompleted>(&params);
            }
        }
    }
}
