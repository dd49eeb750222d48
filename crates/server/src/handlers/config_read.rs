//! `config/read`.

use valet_protocol::methods::ConfigRead;
use valet_protocol::v2::ConfigReadParams;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ConfigRead {
    async fn answer(context: Context, params: ConfigReadParams) -> Answered<Self> {
        Ok(context.host.config.read(params.include_layers))
    }
}
