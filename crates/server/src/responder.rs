//! The duty to answer a request, as a value. It can be given away but not forgotten: when it is dropped,
//! by a panic or by a mistake, the request is answered with an internal error. The connection keeps the open
//! ids, so that a host that ends can answer what is left.

use std::marker::PhantomData;
use std::sync::Arc;

use valet_protocol::{ClientRequestMethod, ErrorObject, RequestId};

use crate::connection::Connection;

/// The one answer to one request.
pub(crate) struct Responder<M: ClientRequestMethod> {
    open: Option<Open>,
    method: PhantomData<fn(M)>,
}

/// A request that is not answered yet.
struct Open {
    connection: Arc<Connection>,
    id: RequestId,
    weight: usize,
}

/// What a request costs beside its text while it is carried out.
const REQUEST_BYTES: usize = 4 * 1024;

impl<M: ClientRequestMethod> Responder<M> {
    /// For a request of so many bytes.
    pub(crate) fn new(connection: Arc<Connection>, id: RequestId, bytes: usize) -> Self {
        Self { open: Some(Open::new(connection, id, bytes)), method: PhantomData }
    }

    /// Answers.
    pub(crate) fn respond(mut self, result: Result<M::Response, ErrorObject>) {
        if let Some(open) = self.open.take() {
            let written = result.map(|response| M::write_response(&open.id, &response));
            open.close(M::METHOD, written);
        }
    }
}

/// Apart from the responder, so that it is compiled once and not once per method.
impl Open {
    fn new(connection: Arc<Connection>, id: RequestId, bytes: usize) -> Self {
        let weight = bytes + REQUEST_BYTES;
        connection.request_opened(&id, weight);
        Self { connection, id, weight }
    }

    /// Sends what was written, unless the request has been answered by then.
    fn close(self, method: &'static str, written: Result<serde_json::Result<Vec<u8>>, ErrorObject>) {
        let Self { connection, id, weight } = self;
        if connection.request_closed(&id, weight) {
            connection.metrics.request(method, written.as_ref().err());
            connection.answer(&id, written);
        }
    }

    #[cold]
    fn forgotten(self, method: &'static str) {
        let Self { connection, id, weight } = self;
        if connection.request_closed(&id, weight) {
            let error = ErrorObject::internal("the request was not answered; this is a bug of the host");
            connection.refuse(&id, method, &error);
        }
    }
}

impl<M: ClientRequestMethod> Drop for Responder<M> {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.forgotten(M::METHOD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Responder;
    use crate::connection::{Connection, ConnectionId, ConnectionKind};
    use crate::metrics::Metrics;
    use pretty_assertions::assert_eq;
    use valet_protocol::methods::AccountLogout;
    use valet_protocol::{ErrorObject, RequestId};
    use valet_transport::{OutboxLimits, Outlet, link};

    fn responder() -> (Responder<AccountLogout>, Outlet) {
        let (link, _sender, outlet) = link(OutboxLimits::default());
        (
            Responder::new(
                Connection::new(ConnectionId(1), ConnectionKind::Guest, link.outbox, false, Metrics::default()),
                RequestId::Integer(7),
                0,
            ),
            outlet,
        )
    }

    async fn sent(mut outlet: Outlet) -> Vec<String> {
        let messages = outlet.next().await.unwrap();
        messages.into_iter().map(|message| String::from_utf8(message.to_vec()).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_request_whose_handler_panics_is_answered_with_an_internal_error() {
        let (responder, outlet) = responder();
        let handler = tokio::spawn(async move {
            let _responder = responder;
            panic!("as if the handler had a bug");
        });
        assert!(handler.await.is_err());
        let sent = sent(outlet).await;
        assert_eq!(sent.len(), 1);
        assert!(sent[0].starts_with(r#"{"error":{"code":-32603"#), "{sent:?}");
    }

    #[tokio::test]
    async fn an_answered_request_is_answered_once() {
        let (responder, outlet) = responder();
        responder.respond(Err(ErrorObject::invalid_request("no")));
        assert_eq!(sent(outlet).await, [r#"{"error":{"code":-32600,"message":"no"},"id":7}"#]);
    }
}
