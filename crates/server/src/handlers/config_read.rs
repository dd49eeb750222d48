//! `config/read`.

use valet_protocol::methods::ConfigRead;
use valet_protocol::v2::ConfigReadParams;

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ConfigRead {
    async fn handle(context: Context, params: ConfigReadParams, responder: Responder<Self>) {
        responder.respond(Ok(context.host.config.read(params.include_layers)));
    }
}
