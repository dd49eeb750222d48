//! An answer before it is HTTP, and how it becomes HTTP.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response as HttpResponse,
};
use serde_json::{Value, json};

use crate::{chat::Order, response::Response};

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    /// Pause before anything is sent.
    pub(super) delay: Duration,
    /// The rule it came from, for the record.
    pub(super) rule: Option<usize>,
    pub(super) content: Content,
}

pub(super) enum Content {
    Stream(Response),
    Chat(Response, Order),
    /// A string is sent as it is, anything else as JSON.
    Value(Value),
    Page(String),
}

impl Reply {
    fn new(status: u16, content: Content) -> Self {
        Self { status, headers: BTreeMap::new(), delay: Duration::ZERO, rule: None, content }
    }

    pub(super) fn value(status: u16, value: Value) -> Self {
        Self::new(status, Content::Value(value))
    }

    /// A page of HTML.
    pub(super) fn page(status: u16, html: String) -> Self {
        Self::new(status, Content::Page(html))
    }

    /// Sends a browser elsewhere.
    pub(super) fn redirect(location: String) -> Self {
        let mut reply = Self::new(302, Content::Page(String::new()));
        reply.headers.insert("location".to_owned(), location);
        reply
    }

    /// An error as RFC 6749 spells it.
    pub(super) fn refusal(error: &str, description: &str) -> Self {
        Self::value(400, json!({"error": error, "error_description": description}))
    }

    pub(super) fn error(status: u16, message: &str, code: &str) -> Self {
        let error = json!({"message": message, "type": "invalid_request_error", "code": code, "param": null});
        Self::value(status, json!({"error": error}))
    }

    pub(super) fn scripted(mut response: Response, rule: Option<usize>) -> Self {
        let status = response.status;
        let headers = std::mem::take(&mut response.headers);
        let delay = Duration::from_millis(response.delay_ms);
        let content = if response.is_stream() {
            Content::Stream(response)
        } else {
            Content::Value(response.body.unwrap_or_else(|| words(status)))
        };
        Self { status, headers, delay, rule, content }
    }

    pub(super) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// For answers that are not followed in the record, which are always values.
    pub(super) fn into_http(self) -> HttpResponse {
        match self.content {
            Content::Value(content) => value(self.status, &self.headers, &content),
            Content::Stream(_) | Content::Chat(..) | Content::Page(_) => {
                build(self.status, "text/plain; charset=utf-8", &self.headers, Body::empty())
            }
        }
    }
}

/// The body of an answer for which the script has a status, and no body.
pub(super) fn words(status: u16) -> Value {
    json!({"error": {"message": format!("Scripted status {status}.")}})
}

pub(super) fn value(status: u16, headers: &BTreeMap<String, String>, value: &Value) -> HttpResponse {
    match value {
        Value::String(text) => build(status, "text/plain; charset=utf-8", headers, text.clone().into()),
        json => build(status, "application/json", headers, json.to_string().into()),
    }
}

/// Invalid statuses and headers can only come from scripts made in Rust; they become a 500 and
/// nothing.
pub(super) fn build(
    status: u16,
    content_type: &'static str,
    headers: &BTreeMap<String, String>,
    body: Body,
) -> HttpResponse {
    let mut http = HttpResponse::new(body);
    *http.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    http.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    http.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            http.headers_mut().insert(name, value);
        }
    }
    http
}
