//! What a backend sends, and what a parent lends.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Map, Value};
use valet_agent::{Usage, fuzzing};
use valet_auth::{Claims, ClaimsError};

/// A stream has the same events and the same end however it is cut, holds no more text than came, and no event is
/// more than a turn can take.
pub fn events(input: &[u8]) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
    let [whole, others @ ..] = crate::cuts(input).map(|chunks| {
        let chunks: Vec<Bytes> = chunks.into_iter().map(Bytes::copy_from_slice).collect();
        runtime.block_on(fuzzing::stream(stream::iter(chunks)))
    });
    for other in others {
        assert_eq!(other, whole, "the chunks make a difference");
    }
    let (events, end) = whole;
    assert!(events.iter().map(String::len).sum::<usize>() <= input.len(), "more text than came");
    if let Err(reason) = end {
        crate::must_speak(&reason);
    }
    let mut used = Usage::default();
    for event in events {
        fuzzing::event(&event, &mut used);
    }
}

/// What is made of a completion can be sent back: each call has arguments that are an object, and an answer with its
/// id right behind it.
pub fn completions(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let events: Vec<String> = text.lines().map(|line| line.trim_start_matches("data: ").to_owned()).collect();
    let (messages, end) = fuzzing::completion(&events);
    if let Err(reason) = end {
        crate::must_speak(&reason);
    }
    let mut messages = messages.iter();
    while let Some(message) = messages.next() {
        assert_eq!(message["role"], "assistant", "nobody else has said anything");
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
            assert!(serde_json::from_str::<Map<String, Value>>(arguments).is_ok(), "no object: {arguments}");
            let answer = messages.next().map(|answer| &answer["tool_call_id"]);
            assert_eq!(answer, Some(&call["id"]), "a call without an answer");
        }
    }
}

/// Every refusal of a backend is understood, and has words whatever its body is, unless they are the backend's own.
pub fn failures(input: &[u8]) {
    let body = String::from_utf8_lossy(input);
    for status in [400, 401, 402, 403, 404, 429, 500, 502, 503] {
        for lent in [false, true] {
            let words = fuzzing::refusal(status, &body, lent);
            if let Some(words) = words.filter(|_| ![400, 404].contains(&status)) {
                crate::must_speak(&words);
            }
        }
    }
}

/// A text is a token or it is refused with words: both as it is, and as the payload of a token.
pub fn claims(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let as_payload = Claims::of(&format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(input)));
    for claims in [Claims::of(&text), as_payload.or_else(only_the_payload)] {
        if let Err(error) = claims {
            crate::must_speak(&error);
        }
    }
}

/// The rest of such a token is always right.
fn only_the_payload(error: ClaimsError) -> Result<Claims, ClaimsError> {
    assert!(matches!(error, ClaimsError::Json(_) | ClaimsError::Format), "{error}");
    Err(error)
}
