//! `model/list`.

use valet_agent::catalog::MODELS;
use valet_protocol::ErrorObject;
use valet_protocol::methods::ModelList;
use valet_protocol::v2::{ModelListParams, ModelListResponse};

use super::invalid_cursor;
use crate::convert;
use crate::dispatch::{Context, Handler};
use crate::responder::Responder;

impl Handler for ModelList {
    async fn handle(_: Context, params: ModelListParams, responder: Responder<Self>) {
        responder.respond(page(&params));
    }
}

fn page(params: &ModelListParams) -> Result<ModelListResponse, ErrorObject> {
    let start = match &params.cursor {
        None => 0,
        Some(cursor) => {
            let position = cursor.parse().ok().filter(|position| *position < MODELS.len());
            position.ok_or_else(|| invalid_cursor(cursor))?
        }
    };
    let limit = params.limit.map_or(MODELS.len(), |limit| limit.max(1) as usize);
    let end = MODELS.len().min(start.saturating_add(limit));
    let models = MODELS[start..end].iter().zip(start..);
    Ok(ModelListResponse {
        data: models.map(|(model, position)| convert::model(model, position == 0)).collect(),
        next_cursor: (end < MODELS.len()).then(|| end.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::page;
    use pretty_assertions::assert_eq;
    use valet_agent::catalog::MODELS;
    use valet_protocol::v2::ModelListParams;

    #[test]
    fn pages_of_one_model_add_up_to_the_list() {
        let mut names = Vec::new();
        let mut cursor = None;
        loop {
            let answer = page(&ModelListParams { cursor, limit: Some(1), ..ModelListParams::default() }).unwrap();
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
        let error =
            page(&ModelListParams { cursor: Some("zzz".to_owned()), ..ModelListParams::default() }).unwrap_err();
        assert_eq!(error.message, "invalid cursor: zzz");
    }
}
