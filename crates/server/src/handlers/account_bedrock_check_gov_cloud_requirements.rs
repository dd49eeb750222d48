//! `account/bedrock/checkGovCloudRequirements`.

use valet_protocol::methods::AccountBedrockCheckGovCloudRequirements;
use valet_protocol::v2::{BedrockCheckGovCloudRequirementsParams, BedrockCheckGovCloudRequirementsResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for AccountBedrockCheckGovCloudRequirements {
    async fn handle(_: Context, _: BedrockCheckGovCloudRequirementsParams, responder: Responder<Self>) {
        // Nobody can log in at Bedrock here.
        responder.respond(Ok(BedrockCheckGovCloudRequirementsResponse { is_gov_cloud: false, should_warn: false }));
    }
}
