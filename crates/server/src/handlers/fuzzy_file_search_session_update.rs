//! `fuzzyFileSearch/sessionUpdate`.

use valet_protocol::methods::FuzzyFileSearchSessionUpdate;
use valet_protocol::v2::{FuzzyFileSearchSessionUpdateParams, FuzzyFileSearchSessionUpdateResponse};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for FuzzyFileSearchSessionUpdate {
    async fn answer(context: Context, params: FuzzyFileSearchSessionUpdateParams) -> Answered<Self> {
        let FuzzyFileSearchSessionUpdateParams { session_id, query } = params;
        context.host.workspace.ask_session(context.connection.id, session_id, query)?;
        Ok(FuzzyFileSearchSessionUpdateResponse {})
    }
}
