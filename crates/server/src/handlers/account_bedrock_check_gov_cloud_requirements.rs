//! `account/bedrock/checkGovCloudRequirements`.

use valet_protocol::methods::AccountBedrockCheckGovCloudRequirements;
use valet_protocol::v2::{BedrockCheckGovCloudRequirementsParams, BedrockCheckGovCloudRequirementsResponse};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for AccountBedrockCheckGovCloudRequirements {
    async fn answer(_: Context, _: BedrockCheckGovCloudRequirementsParams) -> Answered<Self> {
        // Nobody can log in at Bedrock here.
        Ok(BedrockCheckGovCloudRequirementsResponse { is_gov_cloud: false, should_warn: false })
    }
}
