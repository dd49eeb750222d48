//! The envelope: what arrives is split into id, method and raw payload; what leaves is written once.
//! Parameters and results stay raw here; the method table says what they are.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ts_rs::TS;

use crate::error::ErrorObject;

/// The id of a request: a string or an integer, echoed as it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema, TS)]
#[serde(untagged)]
pub enum RequestId {
    /// A text of the requester's choice.
    String(String),
    /// An integer of the requester's choice.
    Integer(#[ts(type = "number")] i64),
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl Visitor<'_> for IdVisitor {
            type Value = RequestId;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or an integer")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RequestId, E> {
                Ok(RequestId::String(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<RequestId, E> {
                Ok(RequestId::Integer(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<RequestId, E> {
                i64::try_from(number).map(RequestId::Integer).map_err(|_| E::custom("integer out of range"))
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
        }
    }
}

/// A message that arrived, payloads still raw.
#[derive(Debug)]
pub enum Message<'a> {
    /// The other side wants an answer.
    Request {
        /// To be echoed in the answer.
        id: RequestId,
        /// The name of the method.
        method: Cow<'a, str>,
        /// Absent when the member was absent.
        params: Option<&'a RawValue>,
    },
    /// The other side tells, and expects nothing.
    Notification {
        /// The name of the method.
        method: Cow<'a, str>,
        /// Absent when the member was absent.
        params: Option<&'a RawValue>,
    },
    /// The answer to a request of ours.
    Response {
        /// The id that we gave the request.
        id: RequestId,
        /// The raw `result`, or the raw `error` in whatever shape it came.
        outcome: Result<&'a RawValue, &'a RawValue>,
    },
}

/// Why a text is not a message. Never carries the text itself.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Not a JSON object of the envelope's shape.
    #[error("not a JSON-RPC object{}", place(*column))]
    NotAnObject {
        /// Whether it is JSON at all.
        json: bool,
        /// Where it goes wrong.
        column: usize,
    },
    /// The id is neither a string nor an integer.
    #[error("the id is neither a string nor an integer")]
    BadId,
    /// Neither a method nor an answer.
    #[error("neither a method nor an answer")]
    Empty,
}

fn place(column: usize) -> String {
    match column {
        0 | 1 => ": each line, or frame of a websocket, has to be one".to_owned(),
        _ => format!(", at column {column}"),
    }
}

impl From<serde_json::Error> for Malformed {
    fn from(error: serde_json::Error) -> Self {
        // Without the decoder's words: they quote what they refuse.
        Self::NotAnObject { json: error.is_data(), column: error.column() }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// An envelope that is written as an object. On its own it could be an array of its members, too.
struct Object<'a>(Envelope<'a>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<'de>, A::Error> {
                Envelope::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// Tells a member that is `null` from one that is absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Message<'a> {
    /// Splits one text into a message. A text with both `result` and `error` counts as a result.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        let Object(envelope) = serde_json::from_slice(text)?;
        let id = match envelope.id {
            None => None,
            Some(raw) => Some(serde_json::from_str(raw.get()).map_err(|_| Malformed::BadId)?),
        };
        let params = envelope.params;
        match (id, envelope.method, envelope.result, envelope.error) {
            (Some(id), Some(method), _, _) => Ok(Self::Request { id, method, params }),
            (None, Some(method), _, _) => Ok(Self::Notification { method, params }),
            (Some(id), None, Some(result), _) => Ok(Self::Response { id, outcome: Ok(result) }),
            (Some(id), None, None, Some(error)) => Ok(Self::Response { id, outcome: Err(error) }),
            _ => Err(Malformed::Empty),
        }
    }
}

/// Writes `{"id":..,"result":..}`.
pub fn write_response(id: &RequestId, result: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Response<'a, T> {
        id: &'a RequestId,
        result: &'a T,
    }
    serde_json::to_vec(&Response { id, result })
}

/// Writes `{"error":{..},"id":..}`; without an id, `"id":null`. That is for people and for logs: it answers no request,
/// and [`Message::parse`] refuses it.
pub fn write_error(id: Option<&RequestId>, error: &ErrorObject) -> Vec<u8> {
    #[derive(Serialize)]
    struct Response<'a> {
        error: &'a ErrorObject,
        id: Option<&'a RequestId>,
    }
    // An error object is made of strings, numbers and JSON values: it always serialises.
    serde_json::to_vec(&Response { error, id }).unwrap_or_default()
}

/// Writes `{"method":..,"id":..,"params":..}`.
pub fn write_request(method: &str, id: &RequestId, params: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Request<'a, T> {
        method: &'a str,
        id: &'a RequestId,
        params: &'a T,
    }
    serde_json::to_vec(&Request { method, id, params })
}

/// Writes `{"method":..,"params":..,"emittedAtMs":..}`; either of the last two may be left out.
pub fn write_notification(
    method: &str,
    params: Option<&impl Serialize>,
    emitted_at_ms: Option<u64>,
) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Notification<'a, T> {
        method: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        params: Option<&'a T>,
        #[serde(skip_serializing_if = "Option::is_none")]
        emitted_at_ms: Option<u64>,
    }
    serde_json::to_vec(&Notification { method, params, emitted_at_ms })
}

/// The decoder's text without the position, which says nothing about a message on a wire.
pub fn decoder_text(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Malformed, Message, RequestId, write_error, write_response};
    use crate::error::ErrorObject;
    use pretty_assertions::assert_eq;

    fn id_of(text: &str) -> RequestId {
        match Message::parse(text.as_bytes()).unwrap() {
            Message::Request { id, .. } | Message::Response { id, .. } => id,
            Message::Notification { .. } => panic!("a notification has no id"),
        }
    }

    #[test]
    fn ids_keep_their_type_and_value() {
        for id in ["0", "-7", "9007199254740993", "\"word\"", "\"0\"", "\"\""] {
            let id_back = id_of(&format!(r#"{{"id":{id},"method":"x"}}"#));
            assert_eq!(serde_json::to_string(&id_back).unwrap(), id);
        }
    }

    #[test]
    fn an_id_of_null_or_float_makes_the_message_malformed_and_not_a_notification() {
        for id in ["null", "1.5", "{}", "[1]", "true", "18446744073709551615"] {
            let text = format!(r#"{{"id":{id},"method":"x"}}"#);
            assert!(matches!(Message::parse(text.as_bytes()), Err(Malformed::BadId)), "{id}");
        }
    }

    #[test]
    fn a_result_of_null_is_an_answer_and_wins_over_an_error() {
        let message = Message::parse(br#"{"id":1,"error":{"code":1},"result":null}"#).unwrap();
        assert!(matches!(message, Message::Response { outcome: Ok(raw), .. } if raw.get() == "null"));
    }

    #[test]
    fn extra_members_and_the_jsonrpc_header_are_ignored() {
        let text = br#"{"jsonrpc":"2.0","trace":{"a":1},"params":{"b":2},"method":"m/n","id":1}"#;
        assert!(matches!(Message::parse(text).unwrap(), Message::Request { method, .. } if method == "m/n"));
    }

    #[test]
    fn texts_that_are_no_message_are_named_as_such() {
        for text in [
            "",
            "nonsense",
            "[]",
            "[{\"id\":1}]",
            "[1,\"x\"]",
            "[null,\"x\"]",
            "7",
            "{\"id\":4}",
            "{}",
            "\"x\"",
            "{\"id\":1",
        ] {
            assert!(Message::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_refused_is_not_quoted() {
        for text in [r#""hush""#, r#"{"method":{"hush":1}}"#, r#"{"id":1,"method":"x" hush"#, r#"["hush"]"#] {
            let malformed = Message::parse(text.as_bytes()).unwrap_err();
            let words = format!("{malformed} {malformed:?}");
            assert!(words.starts_with("not a JSON-RPC object") && !words.contains("hush"), "{words}");
        }
    }

    #[test]
    fn members_are_written_in_the_order_of_the_reference() {
        let id = RequestId::String("a".to_owned());
        assert_eq!(write_response(&id, &1).unwrap(), br#"{"id":"a","result":1}"#);
        let error = write_error(Some(&id), &ErrorObject::invalid_request("no"));
        assert_eq!(String::from_utf8(error).unwrap(), r#"{"error":{"code":-32600,"message":"no"},"id":"a"}"#);
    }
}
