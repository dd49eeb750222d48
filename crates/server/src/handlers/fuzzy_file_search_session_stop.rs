//! `fuzzyFileSearch/sessionStop`.

use valet_protocol::methods::FuzzyFileSearchSessionStop;
use valet_protocol::v2::{FuzzyFileSearchSessionStopParams, FuzzyFileSearchSessionStopResponse};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for FuzzyFileSearchSessionStop {
    async fn answer(context: Context, params: FuzzyFileSearchSessionStopParams) -> Answered<Self> {
        context.host.workspace.close_session(context.connection.id, params.session_id);
        Ok(FuzzyFileSearchSessionStopResponse {})
    }
}
