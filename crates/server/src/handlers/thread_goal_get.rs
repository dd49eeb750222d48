//! `thread/goal/get`.

use valet_protocol::methods::ThreadGoalGet;
use valet_protocol::v2::{ThreadGoalGetParams, ThreadGoalGetResponse};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ThreadGoalGet {
    async fn answer(context: Context, params: ThreadGoalGetParams) -> Answered<Self> {
        context.thread(&params.thread_id)?.check_stored("goals")?;
        Ok(ThreadGoalGetResponse { goal: None })
    }
}
