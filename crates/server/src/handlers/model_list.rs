//! `model/list`.

use std::sync::Arc;

use valet_agent::{Asker, Model};
use valet_protocol::ErrorObject;
use valet_protocol::methods::ModelList;
use valet_protocol::v2::{self, ModelListParams, ModelListResponse};

use super::invalid_cursor;
use crate::context::Context;
use crate::convert;
use crate::dispatch::{Answered, Answers};

impl Answers for ModelList {
    async fn answer(context: Context, params: ModelListParams) -> Answered<Self> {
        let models = models(&context, params.model_provider.as_deref()).await?;
        page(&models, &params, context.host.config.strict())
    }
}

/// The models of a provider for whoever is logged in.
async fn models(context: &Context, provider_id: Option<&str>) -> Result<Arc<[Model]>, ErrorObject> {
    let host = &context.host;
    let config = &host.config;
    let login = host.accounts.current(context.connection.id);
    let provider_id = provider_id.unwrap_or_else(|| config.provider_id());
    config.check_provider(provider_id).map_err(|_| not_configured(provider_id))?;
    // A provider whose key is missing is not asked.
    let provider = config.provider(provider_id, login.as_ref().map(|login| login.mode())).ok();
    let Some((provider, session)) = provider.zip(context.connection.session()) else { return Ok(Model::built_in()) };
    let account = config.payer(&provider, login);
    let asker = Asker { provider: &provider, account: account.as_ref(), origin: &session.origin };
    Ok(host.models.list(&host.http, asker).await)
}

/// The reference's words.
fn not_configured(provider_id: &str) -> ErrorObject {
    let message = format!(
        "This chat uses model provider “{provider_id}”, which is no longer configured. Restore this provider’s configuration to continue."
    );
    ErrorObject::invalid_request_params(message)
}

/// The first model that is not hidden is the default.
fn page(models: &[Model], params: &ModelListParams, strict: bool) -> Result<ModelListResponse, ErrorObject> {
    let default = models.iter().position(|model| !model.hidden);
    let wanted = |model: &Model| params.include_hidden == Some(true) || !model.hidden;
    let shown = models.iter().enumerate().filter(|(_, model)| wanted(model));
    let shown: Vec<v2::Model> =
        shown.map(|(position, model)| convert::model(model, Some(position) == default, strict)).collect();
    let start = match &params.cursor {
        None => 0,
        Some(cursor) => cursor.parse().map_err(|_| invalid_cursor(cursor))?,
    };
    if start > shown.len() {
        return Err(ErrorObject::invalid_request_params(format!(
            "cursor {start} exceeds total models {}",
            shown.len()
        )));
    }
    let limit = params.limit.map_or(shown.len(), |limit| limit.max(1) as usize);
    let end = shown.len().min(start.saturating_add(limit));
    let next_cursor = (end < shown.len()).then(|| end.to_string());
    Ok(ModelListResponse { data: shown.into_iter().take(end).skip(start).collect(), next_cursor })
}

#[cfg(test)]
mod tests {
    use super::page;
    use pretty_assertions::assert_eq;
    use valet_agent::Model;
    use valet_agent::catalog::MODELS;
    use valet_protocol::v2::ModelListParams;

    #[test]
    fn pages_of_one_model_add_up_to_the_list() {
        let mut names = Vec::new();
        let mut cursor = None;
        loop {
            let params = ModelListParams { cursor, limit: Some(1), ..ModelListParams::default() };
            let answer = page(&Model::built_in(), &params, false).unwrap();
            names.extend(answer.data.into_iter().map(|model| model.model));
            cursor = answer.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(names, MODELS.map(|model| model.slug));
    }

    #[test]
    fn a_cursor_that_never_was_is_refused() {
        for (cursor, message) in [("zzz", "invalid cursor: zzz"), ("7", "cursor 7 exceeds total models 6")] {
            let params = ModelListParams { cursor: Some(cursor.to_owned()), ..ModelListParams::default() };
            assert_eq!(page(&Model::built_in(), &params, false).unwrap_err().message, message);
        }
    }

    #[test]
    fn what_is_hidden_is_told_on_request_and_is_never_the_default() {
        let mut models = Model::built_in().to_vec();
        models[0].hidden = true;
        let listed = |include_hidden| {
            let params = ModelListParams { include_hidden: Some(include_hidden), ..ModelListParams::default() };
            let data = page(&models, &params, false).unwrap().data;
            (data.len(), data.iter().position(|model| model.is_default))
        };
        assert_eq!(listed(true), (MODELS.len(), Some(1)));
        assert_eq!(listed(false), (MODELS.len() - 1, Some(0)));
    }
}
