//! `thread/inject_items`.

use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};
use valet_protocol::ErrorObject;
use valet_protocol::methods::ThreadInjectItems;
use valet_protocol::v2::{ThreadInjectItemsParams, ThreadInjectItemsResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ThreadInjectItems {
    async fn handle(context: Context, params: ThreadInjectItemsParams, responder: Responder<Self>) {
        let thread = match context.thread(&params.thread_id) {
            Ok(thread) => thread,
            Err(error) => return responder.respond(Err(error)),
        };
        match items(&params) {
            Ok(items) => {
                thread.conversation.inject(items, || responder.respond(Ok(ThreadInjectItemsResponse {}))).await;
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}

/// The items as the model is given them. What is no item at all would spoil every later request.
fn items(params: &ThreadInjectItemsParams) -> Result<Vec<Arc<RawValue>>, ErrorObject> {
    if params.items.is_empty() {
        return Err(ErrorObject::invalid_request_params("items must not be empty"));
    }
    let item = |(index, item): (usize, &serde_json::Value)| {
        if !item["type"].is_string() {
            return Err(ErrorObject::invalid_request_params(format!(
                "items[{index}] is not a valid response item: missing field `type`"
            )));
        }
        to_raw_value(item).map(Arc::from).map_err(|error| ErrorObject::invalid_request_params(error.to_string()))
    };
    params.items.iter().enumerate().map(item).collect()
}
