//! `collaborationMode/list`.

use valet_protocol::methods::CollaborationModeList;
use valet_protocol::v2::{CollaborationModeListParams, CollaborationModeListResponse, CollaborationModeMask};

use crate::dispatch::{Context, Handler};
use crate::responder::Responder;

impl Handler for CollaborationModeList {
    async fn handle(_: Context, _: CollaborationModeListParams, responder: Responder<Self>) {
        // The one that every thread is in.
        let default = CollaborationModeMask {
            name: "Default".to_owned(),
            mode: Some("default".to_owned()),
            model: None,
            reasoning_effort: None,
        };
        responder.respond(Ok(CollaborationModeListResponse { data: vec![default] }));
    }
}
