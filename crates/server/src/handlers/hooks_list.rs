//! `hooks/list`.

use valet_protocol::ErrorObject;
use valet_protocol::methods::HooksList;
use valet_protocol::v2::{HooksListEntry, HooksListParams, HooksListResponse};

use super::directories;
use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for HooksList {
    async fn answer(context: Context, params: HooksListParams) -> Answered<Self> {
        let entry = |cwd| HooksListEntry { cwd, hooks: Vec::new(), warnings: Vec::new(), errors: Vec::new() };
        let cwds = match params.thread_id {
            Some(_) if !params.cwds.is_empty() => {
                return Err(ErrorObject::invalid_request("specify either threadId or cwds"));
            }
            Some(thread_id) => vec![context.thread(&thread_id)?.shared.stage().record.thread.cwd.clone()],
            None => directories(params.cwds),
        };
        Ok(HooksListResponse { data: cwds.into_iter().map(entry).collect() })
    }
}
