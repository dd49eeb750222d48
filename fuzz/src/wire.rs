//! What a client sends: lines, envelopes, parameters.

use serde_json::Value;
use serde_json::value::RawValue;
use valet_protocol::jsonrpc::{self, Message};
use valet_protocol::{
    ClientNotificationMethod, ClientRequestMethod, ErrorCode, ErrorObject, MethodVisitor, RequestId,
    ServerNotificationMethod, ServerRequestMethod, experimental, methods,
};
use valet_transport::lines::LineBuffer;

/// Small, so that inputs of a few bytes get past it.
const LINE_LIMIT: usize = 24;

/// Lines that are put together from chunks are the lines of the whole, whatever the chunks.
pub fn lines(input: &[u8]) {
    let expected: Vec<&[u8]> = input.split(|byte| *byte == b'\n').filter_map(line).collect();
    for chunks in crate::cuts(input) {
        assert_eq!(put_together(&chunks), expected);
    }
}

/// What a line is to be, an empty text if it is too long.
fn line(raw: &[u8]) -> Option<&[u8]> {
    if raw.len() > LINE_LIMIT {
        return Some(b"");
    }
    let line = raw.strip_suffix(b"\r").unwrap_or(raw);
    (!line.is_empty()).then_some(line)
}

fn put_together(chunks: &[&[u8]]) -> Vec<bytes::Bytes> {
    let mut buffer = LineBuffer::new(LINE_LIMIT);
    let mut lines = Vec::new();
    for chunk in chunks {
        let mut rest = *chunk;
        while !rest.is_empty() {
            let (taken, line) = buffer.take(rest);
            assert!(taken > 0, "no progress");
            lines.extend(line);
            rest = &rest[taken..];
        }
    }
    lines.extend(buffer.finish());
    lines
}

/// A text that is taken for a message is an object with the id that was taken, and what is written about it
/// reads as what it was written from.
pub fn envelope(input: &[u8]) {
    let message = match Message::parse(input) {
        Ok(message) => message,
        Err(malformed) => return must_be_answerable(&malformed),
    };
    assert_eq!(input.trim_ascii_start().first(), Some(&b'{'), "only an object is a message");
    let null = RawValue::NULL;
    match message {
        Message::Request { id, method, params } => {
            must_be_the_id_of(input, &id);
            let params = params.unwrap_or(null);
            let again = written(jsonrpc::write_request(&method, &id, &params));
            let Ok(Message::Request { id: id_again, method: method_again, params: params_again }) =
                Message::parse(&again)
            else {
                panic!("a request reads as something else")
            };
            assert_eq!((id_again, method_again), (id, method));
            assert_eq!(params_again.map(RawValue::get), Some(params.get()));
        }
        Message::Notification { method, params } => {
            let again = written(jsonrpc::write_notification(&method, params.as_ref(), None));
            let Ok(Message::Notification { method: method_again, params: params_again }) = Message::parse(&again)
            else {
                panic!("a notification reads as something else")
            };
            assert_eq!(method_again, method);
            assert_eq!(params_again.map(RawValue::get), params.map(RawValue::get));
        }
        Message::Response { id, outcome } => {
            must_be_the_id_of(input, &id);
            let again = written(jsonrpc::write_response(&id, &outcome.unwrap_or(null)));
            let Ok(Message::Response { id: id_again, outcome: outcome_again }) = Message::parse(&again) else {
                panic!("an answer reads as something else")
            };
            assert_eq!(id_again, id);
            assert_eq!(outcome_again.map(RawValue::get).ok(), Some(outcome.unwrap_or(null).get()));
        }
    }
}

fn written(text: serde_json::Result<Vec<u8>>) -> Vec<u8> {
    match text {
        Ok(text) => text,
        Err(error) => panic!("what was read cannot be written: {error}"),
    }
}

/// Another reader sees the same id, of the same type. Not all that this crate reads can be read as a whole: deep
/// parameters stay raw here.
fn must_be_the_id_of(input: &[u8], id: &RequestId) {
    if let Ok(whole) = serde_json::from_slice::<Value>(input) {
        assert_eq!(serde_json::to_value(id).ok().as_ref(), whole.get("id"));
    }
}

fn must_be_answerable(error: &impl std::fmt::Display) {
    crate::must_speak(error);
    let answer = jsonrpc::write_error(None, &ErrorObject::invalid_request(error.to_string()));
    let answer: Result<Value, _> = serde_json::from_slice(&answer);
    assert!(answer.is_ok_and(|answer| answer["id"].is_null()), "the answer to no message cannot be read");
}

/// Any JSON is taken or refused as the parameters of any method, with words and with the code for a mistake of the
/// client; what is taken means the same when it is written and read again.
pub fn params(input: &[u8]) {
    if let Ok(params) = serde_json::from_slice::<&RawValue>(input) {
        methods::visit(&mut EveryMethod(params));
    }
}

struct EveryMethod<'a>(&'a RawValue);

impl MethodVisitor for EveryMethod<'_> {
    fn client_request<M: ClientRequestMethod>(&mut self) {
        if let Err(refusal) = experimental::check(M::METHOD, M::GATES, Some(self.0)) {
            must_be_a_mistake(&refusal);
            let of_a_gate = refusal.message.ends_with(" requires experimentalApi capability");
            assert!(of_a_gate || self.0.get().starts_with('['), "{}", refusal.message);
        }
        let params = match M::parse(Some(self.0)) {
            Ok(params) => params,
            Err(refusal) => return must_be_a_mistake(&refusal),
        };
        let _ = M::order(&params);
        let text = written(serde_json::to_vec(&params));
        let again: M::Params = match serde_json::from_slice(&text) {
            Ok(again) => again,
            Err(error) => panic!("{}: what was written cannot be read: {error}", M::METHOD),
        };
        assert_eq!(written(serde_json::to_vec(&again)), text, "{}", M::METHOD);
    }

    fn server_request<M: ServerRequestMethod>(&mut self) {
        // What a client answers is read like this, and is refused like this.
        if let Err(error) = serde_json::from_str::<M::Response>(self.0.get()) {
            crate::must_speak(&error);
        }
    }

    fn server_notification<M: ServerNotificationMethod>(&mut self) {}

    fn client_notification<M: ClientNotificationMethod>(&mut self) {}
}

fn must_be_a_mistake(refusal: &ErrorObject) {
    crate::must_speak(refusal);
    assert_eq!(refusal.code, ErrorCode::InvalidRequest as i64);
}
