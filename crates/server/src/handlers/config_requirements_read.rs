//! `configRequirements/read`.

use valet_protocol::NoParams;
use valet_protocol::methods::ConfigRequirementsRead;
use valet_protocol::v2::ConfigRequirementsReadResponse;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ConfigRequirementsRead {
    async fn answer(_: Context, _: NoParams) -> Answered<Self> {
        // Nobody administers this host from outside.
        Ok(ConfigRequirementsReadResponse { supports_independent_speed_modes: Some(true), requirements: None })
    }
}
