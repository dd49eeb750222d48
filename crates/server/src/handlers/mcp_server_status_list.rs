//! `mcpServerStatus/list`.

use valet_protocol::methods::McpServerStatusList;
use valet_protocol::v2::{ListMcpServerStatusParams, ListMcpServerStatusResponse};

use super::check_position;
use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for McpServerStatusList {
    async fn answer(context: Context, params: ListMcpServerStatusParams) -> Answered<Self> {
        params.thread_id.as_ref().map(|id| context.thread(id)).transpose()?;
        check_position(params.cursor.as_deref(), "MCP servers")?;
        Ok(ListMcpServerStatusResponse { data: Vec::new(), next_cursor: None })
    }
}
