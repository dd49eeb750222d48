//! `configRequirements/read`.

use valet_protocol::NoParams;
use valet_protocol::methods::ConfigRequirementsRead;
use valet_protocol::v2::ConfigRequirementsReadResponse;

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ConfigRequirementsRead {
    async fn handle(_: Context, _: NoParams, responder: Responder<Self>) {
        // Nobody administers this host from outside.
        responder.respond(Ok(ConfigRequirementsReadResponse {
            supports_independent_speed_modes: Some(true),
            requirements: None,
        }));
    }
}
