//! A client of a stepped turn. It keeps nothing, and asks for no memory while it waits for what it is told.

use std::time::Duration;

use serde_json::{Value, json};
use valet_protocol::{ClientRequestMethod, ServerNotificationMethod};
use valet_transport::{Arrival, Link, OutboxLimits};

use crate::host::TestHost;

/// How long anything awaited may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A connection that has opened itself.
pub(super) struct Listener {
    link: Link,
    calls: i64,
}

impl Listener {
    pub(super) async fn connect(host: &TestHost) -> Self {
        let mut listener = Self { link: host.link(OutboxLimits::default()), calls: 0 };
        listener.ask("initialize", &json!({ "clientInfo": { "name": "listener", "version": "1.0" } })).await;
        listener
    }

    /// Sends a request that is expected to be carried out.
    pub(super) async fn call<M: ClientRequestMethod>(&mut self, params: M::Params) -> M::Response {
        let params = serde_json::to_value(params).expect("parameters serialise");
        let result = self.ask(M::METHOD, &params).await;
        serde_json::from_value(result).unwrap_or_else(|error| panic!("{}: {error}", M::METHOD))
    }

    /// Waits for the result. What is told before is passed over.
    async fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.calls += 1;
        let request = json!({ "id": self.calls, "method": method, "params": params });
        self.link.outbox.push(request.to_string().into());
        loop {
            let arrival = self.next(method).await;
            let mut message: Value = serde_json::from_slice(&arrival).expect("the host sends JSON");
            assert_eq!(message.get("error"), None, "{method} is carried out");
            if message["id"] == self.calls {
                return message["result"].take();
            }
        }
    }

    /// Waits until this was told. Others are passed over.
    pub(super) async fn told<N: ServerNotificationMethod>(&mut self) {
        while !is::<N>(&self.next(N::METHOD).await) {}
    }

    async fn next(&mut self, what: &str) -> Arrival {
        let arrival = tokio::time::timeout(LIMIT, self.link.inbox.next()).await;
        arrival.unwrap_or_else(|_| panic!("waited in vain for {what}")).expect("the connection stands")
    }
}

/// Notifications open with their method.
fn is<N: ServerNotificationMethod>(message: &[u8]) -> bool {
    let rest = message.strip_prefix(br#"{"method":""#).and_then(|rest| rest.strip_prefix(N::METHOD.as_bytes()));
    rest.is_some_and(|rest| rest.starts_with(b"\""))
}
