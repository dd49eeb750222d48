//! What is told to clients unasked: written once, for however many of them.

use bytes::Bytes;
use chrono::Utc;
use serde::Serialize;
use valet_protocol::ServerNotificationMethod;
use valet_protocol::jsonrpc::write_notification;
use valet_transport::Delta;

use crate::connection::Connection;

/// A piece of a longer text: the parameters of every notification that carries one.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Piece<'a> {
    /// The thread.
    pub(crate) thread_id: &'a str,
    /// The turn.
    pub(crate) turn_id: &'a str,
    /// The item whose text it is.
    pub(crate) item_id: &'a str,
    /// The part of the summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) summary_index: Option<i64>,
    /// The part of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_index: Option<i64>,
    /// Last, so that everything before it names the text that it is a piece of.
    pub(crate) delta: &'a str,
}

/// What stands between the name of a text and a piece of it.
const DELTA: &[u8] = br#""delta":""#;

/// A notification that is ready to be sent.
#[derive(Clone)]
pub(crate) struct Notification {
    method: &'static str,
    message: Message,
}

#[derive(Clone)]
enum Message {
    Whole(Bytes),
    /// Carries a piece of a longer text.
    Delta(Delta),
}

impl Notification {
    pub(crate) fn new<N: ServerNotificationMethod>(params: &N::Params) -> Option<Self> {
        match write_notification(N::METHOD, Some(params), Some(now())) {
            Ok(message) => Some(Self { method: N::METHOD, message: Message::Whole(message.into()) }),
            Err(error) => {
                tracing::error!(method = N::METHOD, %error, "a notification could not be written");
                None
            }
        }
    }

    /// Of a method whose parameters are a [`Piece`].
    pub(crate) fn piece<N: ServerNotificationMethod>(piece: &Piece<'_>) -> Option<Self> {
        let now = now();
        let message = write_notification(N::METHOD, Some(piece), Some(now)).ok()?;
        // No text in a JSON message holds a bare quote: what is found is the member.
        let start = message.windows(DELTA.len()).position(|window| window == DELTA)? + DELTA.len();
        let tail = format!("\"}},\"emittedAtMs\":{now}}}");
        let end = message.len().checked_sub(tail.len())?;
        Some(Self { method: N::METHOD, message: Message::Delta(Delta::new(message.into(), start..end)) })
    }

    /// Sends it unless the connection is not initialized or does not want it.
    pub(crate) fn send_to(&self, connection: &Connection) {
        let wanted = connection.session().is_some_and(|session| !session.opted_out.contains(self.method));
        match &self.message {
            _ if !wanted => {}
            Message::Whole(message) => connection.send(message.clone()),
            Message::Delta(delta) => connection.send_delta(delta.clone()),
        }
    }
}

/// Unix milliseconds.
fn now() -> u64 {
    u64::try_from(Utc::now().timestamp_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Message, Notification, Piece};
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};
    use valet_protocol::ServerNotificationMethod;
    use valet_protocol::methods as m;
    use valet_transport::{OutboxLimits, link};

    const PIECE: Piece<'static> = Piece {
        thread_id: "thread \"delta\":\"",
        turn_id: "turn",
        item_id: "item",
        summary_index: None,
        content_index: None,
        delta: "",
    };

    fn params<N: ServerNotificationMethod>(piece: &Piece<'_>) -> Value {
        let Message::Delta(delta) = Notification::piece::<N>(piece).unwrap().message else { panic!("not a delta") };
        let message: Value = serde_json::from_slice(&delta.into_message()).unwrap();
        serde_json::from_value::<N::Params>(message["params"].clone()).unwrap();
        message["params"].clone()
    }

    #[test]
    fn a_piece_of_text_is_what_its_method_promises() {
        params::<m::AgentMessageDelta>(&PIECE);
        params::<m::CommandExecutionOutputDelta>(&PIECE);
        params::<m::ReasoningTextDelta>(&Piece { content_index: Some(0), ..PIECE });
        let last = params::<m::ReasoningSummaryTextDelta>(&Piece { summary_index: Some(2), delta: "é\n", ..PIECE });
        let expected = json!({
            "threadId": "thread \"delta\":\"", "turnId": "turn", "itemId": "item", "summaryIndex": 2, "delta": "é\n",
        });
        assert_eq!(last, expected);
    }

    #[tokio::test]
    async fn pieces_of_one_text_that_are_joined_are_a_message_with_the_whole_text() {
        let (link, _inlet, mut outlet) = link(OutboxLimits::default());
        let filler = format!("[{}0]", "0,".repeat(40_000));
        link.outbox.push(filler.into());
        for text in ["a \"quote\"", "\u{0} and \\", " ünïcode 🦀"] {
            let notification = Notification::piece::<m::AgentMessageDelta>(&Piece { delta: text, ..PIECE }).unwrap();
            let Message::Delta(delta) = notification.message else { panic!("not a delta") };
            link.outbox.push_delta(delta);
        }
        outlet.next().await.unwrap();
        let joined = outlet.next().await.unwrap();
        assert_eq!(joined.len(), 1);
        let joined: Value = serde_json::from_slice(&joined[0]).unwrap();
        assert_eq!(joined["params"]["delta"], "a \"quote\"\u{0} and \\ ünïcode 🦀");
        assert!(joined["emittedAtMs"].is_u64());
    }
}
