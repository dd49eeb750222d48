//! What the failures of chat completions mean. Servers agree on little but that there is an `error`, so it is read
//! as a value; what it means is then said in the words of the other wire.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::failure::{Failure, FailureClass};
use crate::model::errors;
use crate::model::responses::event::ResponseError;

/// How servers say that a conversation is too long: some by a name, some in words only.
const TOO_LONG: [&str; 6] =
    ["context_length", "context length", "context_size", "context size", "context window", "prompt is too long"];

/// An error, as far as it can be understood.
struct Complaint {
    /// The status that it would have had before the stream began.
    status: Option<u16>,
    name: Option<String>,
    message: String,
}

impl Complaint {
    fn of(body: &str) -> Self {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        // A few put the error into a list, or leave out what should be around it.
        let body = body.get(0).unwrap_or(&body);
        let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(body);
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        let code = &error["code"];
        let status = code.as_u64().or_else(|| code.as_str()?.parse().ok()).and_then(|code| u16::try_from(code).ok());
        let message = error.as_str().map(str::to_owned).or_else(|| text("message"));
        Self {
            status: status.filter(|status| (400..600).contains(status)),
            name: text("code").filter(|_| status.is_none()).or_else(|| text("type")),
            message: message.unwrap_or_else(|| error.to_string()),
        }
    }

    fn is_too_long(&self) -> bool {
        let said = format!("{} {}", self.name.as_deref().unwrap_or_default(), self.message).to_lowercase();
        TOO_LONG.iter().any(|words| said.contains(words))
    }

    fn is(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// The failure that the other wire has under this name.
    fn known_as(self, name: &str) -> Failure {
        errors::of_failed(ResponseError { code: Some(name.to_owned()), message: Some(self.message) })
    }
}

/// Reads a response that is none.
pub(in crate::model) fn of_status(status: StatusCode, url: &str, headers: &HeaderMap, body: &str) -> Failure {
    let complaint = Complaint::of(body);
    match status.as_u16() {
        400 | 413 | 422 if complaint.is_too_long() => complaint.known_as("context_length_exceeded"),
        429 if complaint.is("insufficient_quota") => complaint.known_as("insufficient_quota"),
        _ => errors::of_status(status, url, headers, body, false),
    }
}

/// Reads an error in the middle of a stream, or in the place of a completion.
pub(super) fn of_chunk(data: &str) -> Failure {
    let complaint = Complaint::of(data);
    match complaint.status {
        _ if complaint.is_too_long() => complaint.known_as("context_length_exceeded"),
        Some(429) => complaint.known_as("rate_limit_exceeded"),
        Some(status @ 400..500) if status != 408 => Failure::new(FailureClass::HttpStatus(status), complaint.message),
        _ => {
            let name = complaint.name.clone().unwrap_or_default();
            complaint.known_as(&name)
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use reqwest::StatusCode;

    use reqwest::header::HeaderMap;

    use super::{of_chunk, of_status};
    use crate::failure::{Failure, FailureClass, RetryAdvice};

    fn read(failure: &Failure) -> (FailureClass, bool) {
        (failure.class().clone(), failure.retry_advice() != RetryAdvice::Never)
    }

    #[test]
    fn a_conversation_that_is_too_long_is_known_in_the_words_of_many_servers() {
        let bodies = [
            r#"{"error":{"message":"too many","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","code":400}"#,
            r#"{"error":{"code":400,"type":"exceed_context_size_error","message":"request exceeds"}}"#,
            r#"{"error":"the model is loaded with context length of only 4096 tokens"}"#,
            r#"[{"error":{"message":"prompt is too long: 9 tokens > 8 maximum"}}]"#,
        ];
        for body in bodies {
            let failure = of_status(StatusCode::BAD_REQUEST, "http://x", &HeaderMap::new(), body);
            assert_eq!(read(&failure), (FailureClass::ContextWindowExceeded, false), "{body}");
            assert_eq!(read(&of_chunk(body)), (FailureClass::ContextWindowExceeded, false), "{body}");
        }
    }

    #[test]
    fn every_other_status_means_what_it_means_on_the_other_wire() {
        let rows = [
            (400, "{}", FailureClass::Other, false),
            (401, "{}", FailureClass::HttpStatus(401), false),
            (404, r#"{"error":{"code":"model_not_found"}}"#, FailureClass::ModelNotFound, false),
            (429, r#"{"error":{"code":"insufficient_quota"}}"#, FailureClass::QuotaExceeded, false),
            (429, "slow down", FailureClass::TooManyAttempts(429), true),
            (500, "{}", FailureClass::InternalServerError, true),
            (529, "{}", FailureClass::HttpStatus(529), true),
        ];
        for (status, body, class, retried) in rows {
            let failure = of_status(StatusCode::from_u16(status).unwrap(), "http://x", &HeaderMap::new(), body);
            assert_eq!(read(&failure), (class, retried), "{status} {body}");
        }
    }

    #[test]
    fn an_error_in_a_stream_is_tried_again_unless_it_says_that_this_is_in_vain() {
        let rows = [
            (r#"{"error":{"message":"lost a worker","code":502}}"#, FailureClass::Other, true),
            (r#"{"error":{"message":"lost a worker","code":"500"}}"#, FailureClass::Other, true),
            (r#"{"error":{"message":"slow","code":429}}"#, FailureClass::RateLimitExceeded, true),
            (r#"{"error":{"message":"no","code":403}}"#, FailureClass::HttpStatus(403), false),
            (r#"{"error":{"code":"server_is_overloaded"}}"#, FailureClass::ServerOverloaded, false),
            (r#"{"error":"anything"}"#, FailureClass::Other, true),
            (
                r#"{"object":"error","message":"no","type":"BadRequestError","code":400}"#,
                FailureClass::HttpStatus(400),
                false,
            ),
        ];
        for (data, class, retried) in rows {
            assert_eq!(read(&of_chunk(data)), (class, retried), "{data}");
        }
        assert!(of_chunk(r#"{"error":{"message":"lost a worker","code":502}}"#).message.ends_with("lost a worker"));
    }
}
