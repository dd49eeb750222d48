//! `collaborationMode/list`.

use valet_protocol::methods::CollaborationModeList;
use valet_protocol::v2::{CollaborationModeListParams, CollaborationModeListResponse, CollaborationModeMask};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for CollaborationModeList {
    async fn answer(_: Context, _: CollaborationModeListParams) -> Answered<Self> {
        let mode = |name: &str, mode: &str, effort: Option<&str>| CollaborationModeMask {
            name: name.to_owned(),
            mode: Some(mode.to_owned()),
            model: None,
            reasoning_effort: effort.map(str::to_owned),
        };
        let data = vec![mode("Plan", "plan", Some("medium")), mode("Default", "default", None)];
        Ok(CollaborationModeListResponse { data })
    }
}
