//! `plugin/installed`.

use valet_protocol::methods::PluginInstalled;
use valet_protocol::v2::{PluginInstalledParams, PluginInstalledResponse};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for PluginInstalled {
    async fn answer(_: Context, _: PluginInstalledParams) -> Answered<Self> {
        Ok(PluginInstalledResponse { marketplaces: Vec::new(), marketplace_load_errors: Vec::new() })
    }
}
