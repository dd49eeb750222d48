//! `config/mcpServer/reload`.

use valet_protocol::NoParams;
use valet_protocol::methods::ConfigMcpServerReload;
use valet_protocol::v2::McpServerRefreshResponse;

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ConfigMcpServerReload {
    async fn handle(_: Context, _: NoParams, responder: Responder<Self>) {
        // There are no MCP servers whose configuration could have changed.
        responder.respond(Ok(McpServerRefreshResponse {}));
    }
}
