//! `permissionProfile/list`.

use valet_protocol::methods::PermissionProfileList;
use valet_protocol::v2::{PermissionProfileListParams, PermissionProfileListResponse, PermissionProfileSummary};

use super::check_position;
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::threads::PROFILES;

impl Handler for PermissionProfileList {
    async fn handle(_: Context, params: PermissionProfileListParams, responder: Responder<Self>) {
        let profile = |(id, _)| PermissionProfileSummary { id: String::from(id), description: None, allowed: true };
        let data = PROFILES.into_iter().map(profile).collect();
        let position = check_position(params.cursor.as_deref(), "permission profiles");
        responder.respond(position.map(|()| PermissionProfileListResponse { data, next_cursor: None }));
    }
}
