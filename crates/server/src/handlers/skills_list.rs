//! `skills/list`.

use valet_protocol::methods::SkillsList;
use valet_protocol::v2::{SkillsListEntry, SkillsListParams, SkillsListResponse};

use super::directories;
use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for SkillsList {
    async fn answer(_: Context, params: SkillsListParams) -> Answered<Self> {
        let entry = |cwd| SkillsListEntry { cwd, skills: Vec::new(), errors: Vec::new() };
        Ok(SkillsListResponse { data: directories(params.cwds).into_iter().map(entry).collect() })
    }
}
