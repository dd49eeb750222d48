//! `skills/list`.

use valet_protocol::methods::SkillsList;
use valet_protocol::v2::{SkillsListEntry, SkillsListParams, SkillsListResponse};

use super::directories;
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for SkillsList {
    async fn handle(_: Context, params: SkillsListParams, responder: Responder<Self>) {
        let entry = |cwd| SkillsListEntry { cwd, skills: Vec::new(), errors: Vec::new() };
        responder.respond(Ok(SkillsListResponse { data: directories(params.cwds).into_iter().map(entry).collect() }));
    }
}
