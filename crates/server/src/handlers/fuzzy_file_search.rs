//! `fuzzyFileSearch`.

use uuid::Uuid;
use valet_protocol::methods::FuzzyFileSearch;
use valet_protocol::v2::{FuzzyFileSearchParams, FuzzyFileSearchResponse};
use valet_workspace::search::Catalog;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};
use crate::workspace::file_match;

impl Answers for FuzzyFileSearch {
    async fn answer(context: Context, params: FuzzyFileSearchParams) -> Answered<Self> {
        let FuzzyFileSearchParams { query, roots, cancellation_token } = params;
        // Under a name of its own it can still be cancelled when its connection leaves.
        let token = cancellation_token.unwrap_or_else(|| Uuid::new_v4().to_string());
        let (workspace, id) = (&context.host.workspace, context.connection.id);
        let catalog = Catalog::new(roots.into_iter().map(Into::into).collect());
        workspace.begin_search(id, token.clone(), &catalog);
        context.forget_if_gone();
        catalog.fill().await;
        let found = catalog.search(query).await;
        workspace.end_search(id, token, &catalog);
        Ok(FuzzyFileSearchResponse { files: found.into_iter().map(file_match).collect() })
    }
}
