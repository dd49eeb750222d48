//! `config/mcpServer/reload`.

use valet_protocol::NoParams;
use valet_protocol::methods::ConfigMcpServerReload;
use valet_protocol::v2::McpServerRefreshResponse;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ConfigMcpServerReload {
    async fn answer(_: Context, _: NoParams) -> Answered<Self> {
        // There are no MCP servers whose configuration could have changed.
        Ok(McpServerRefreshResponse {})
    }
}
