//! `permissionProfile/list`.

use valet_protocol::methods::PermissionProfileList;
use valet_protocol::v2::{PermissionProfileListParams, PermissionProfileListResponse, PermissionProfileSummary};

use super::check_position;
use crate::context::Context;
use crate::dispatch::{Answered, Answers};
use crate::threads::PROFILES;

impl Answers for PermissionProfileList {
    async fn answer(_: Context, params: PermissionProfileListParams) -> Answered<Self> {
        let profile = |(id, _)| PermissionProfileSummary { id: String::from(id), description: None, allowed: true };
        let data = PROFILES.into_iter().map(profile).collect();
        check_position(params.cursor.as_deref(), "permission profiles")?;
        Ok(PermissionProfileListResponse { data, next_cursor: None })
    }
}
