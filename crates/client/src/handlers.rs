//! How a client answers the server's requests.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::value::{RawValue, to_raw_value};
use valet_protocol::jsonrpc::decoder_text;
use valet_protocol::{ErrorObject, ServerRequestMethod};

type Handler = dyn Fn(Option<Box<RawValue>>) -> BoxFuture<'static, Result<Box<RawValue>, ErrorObject>> + Send + Sync;

/// One function per request of the server. A request without one is answered with -32601.
#[derive(Clone, Default)]
pub struct Handlers(HashMap<&'static str, Arc<Handler>>);

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Handlers {
    /// None at first.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers requests of type `M`. Each runs in a task of its own.
    #[must_use]
    pub fn on<M, F>(mut self, handler: impl Fn(M::Params) -> F + Send + Sync + 'static) -> Self
    where
        M: ServerRequestMethod,
        F: Future<Output = Result<M::Response, ErrorObject>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let answer = move |params: Option<Box<RawValue>>| {
            let handler = Arc::clone(&handler);
            let answer = async move {
                let text = params.as_ref().map_or("null", |params| params.get());
                let params =
                    serde_json::from_str(text).map_err(|error| ErrorObject::undecodable(decoder_text(&error)))?;
                let response = handler(params).await?;
                to_raw_value(&response).map_err(|error| ErrorObject::internal(error.to_string()))
            };
            answer.boxed()
        };
        self.0.insert(M::METHOD, Arc::new(answer));
        self
    }

    pub(crate) async fn answer(
        &self,
        method: &str,
        params: Option<Box<RawValue>>,
    ) -> Result<Box<RawValue>, ErrorObject> {
        match self.0.get(method) {
            Some(handler) => handler(params).await,
            None => Err(ErrorObject::method_not_found(format!("this client does not answer {method}"))),
        }
    }
}
