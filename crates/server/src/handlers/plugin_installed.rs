//! `plugin/installed`.

use valet_protocol::methods::PluginInstalled;
use valet_protocol::v2::{PluginInstalledParams, PluginInstalledResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for PluginInstalled {
    async fn handle(_: Context, _: PluginInstalledParams, responder: Responder<Self>) {
        responder
            .respond(Ok(PluginInstalledResponse { marketplaces: Vec::new(), marketplace_load_errors: Vec::new() }));
    }
}
