//! `mcpServerStatus/list`.

use valet_protocol::ErrorObject;
use valet_protocol::methods::McpServerStatusList;
use valet_protocol::v2::{ListMcpServerStatusParams, ListMcpServerStatusResponse};

use super::check_position;
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for McpServerStatusList {
    async fn handle(context: Context, params: ListMcpServerStatusParams, responder: Responder<Self>) {
        responder.respond(list(&context, &params));
    }
}

fn list(context: &Context, params: &ListMcpServerStatusParams) -> Result<ListMcpServerStatusResponse, ErrorObject> {
    params.thread_id.as_ref().map(|id| context.thread(id)).transpose()?;
    check_position(params.cursor.as_deref(), "MCP servers")?;
    Ok(ListMcpServerStatusResponse { data: Vec::new(), next_cursor: None })
}
