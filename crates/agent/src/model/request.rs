//! The requests to the model: the body of `POST /responses`, and the address and the headers on either wire.

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, Method, Request, RequestBuilder, Url};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use valet_auth::HttpError;

use super::wire::Wire;
use super::{catalog, chat};
use crate::failure::{Failure, FailureClass};
use crate::history::History;
use crate::settings::{Origin, Provider, Settings};

/// Which conversation and turn a request belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestIds<'a> {
    pub(crate) thread_id: &'a str,
    pub(crate) turn_id: &'a str,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// To go on with a turn.
    Turn,
    /// To sum up.
    Compaction,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    stream: bool,
    store: bool,
    input: Input<'a>,
    tools: &'a [Value],
    tool_choice: &'static str,
    parallel_tool_calls: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning<'a>>,
    include: &'static [&'static str],
    prompt_cache_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    client_metadata: Value,
}

/// The history, written from the texts it is kept as.
struct Input<'a>(&'a History);

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.input())
    }
}

#[derive(Serialize)]
struct Reasoning<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
}

#[derive(Serialize)]
struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Value>,
}

/// As much as a body usually holds beside the history.
const BESIDE_THE_ITEMS: usize = 16 * 1024;

/// Writes the body.
pub(crate) fn body(
    settings: &Settings,
    ids: RequestIds<'_>,
    history: &History,
    tools: &[Value],
    kind: RequestKind,
) -> Result<Bytes, Failure> {
    // A long history is not to be moved again and again while the body grows.
    let items: usize = history.input().map(|item| item.get().len() + 1).sum();
    let mut bytes = Vec::with_capacity(items + BESIDE_THE_ITEMS);
    let written = match settings.provider.wire {
        Wire::Responses => serde_json::to_writer(&mut bytes, &responses_body(settings, ids, history, tools, kind)),
        Wire::Chat => serde_json::to_writer(&mut bytes, &chat::body(settings, history, tools)),
    };
    written.map_err(|error| Failure::new(FailureClass::Other, error.to_string()))?;
    Ok(bytes.into())
}

fn responses_body<'a>(
    settings: &'a Settings,
    ids: RequestIds<'a>,
    history: &'a History,
    tools: &'a [Value],
    kind: RequestKind,
) -> Body<'a> {
    let default_effort = catalog::find(&settings.model).map(|model| model.default_effort);
    let effort = settings.effort.as_deref().or(default_effort);
    let format = settings.output_schema.as_ref().map(
        |schema| json!({ "type": "json_schema", "name": "codex_output_schema", "strict": true, "schema": schema }),
    );
    let verbosity = settings.verbosity.as_deref();
    Body {
        model: &settings.model,
        stream: true,
        store: false,
        input: Input(history),
        tools,
        tool_choice: "auto",
        parallel_tool_calls: kind == RequestKind::Turn,
        reasoning: (effort.is_some() || settings.summary.is_some())
            .then_some(Reasoning { effort, summary: settings.summary }),
        include: &["reasoning.encrypted_content"],
        prompt_cache_key: ids.thread_id,
        text: (verbosity.is_some() || format.is_some()).then_some(Text { verbosity, format }),
        service_tier: settings.service_tier.as_deref(),
        client_metadata: metadata(ids, kind),
    }
}

fn metadata(ids: RequestIds<'_>, kind: RequestKind) -> Value {
    let mut metadata = json!({
            "session_id": ids.thread_id,
            "thread_id": ids.thread_id,
            "turn_id": ids.turn_id,
            "root_turn_id": ids.turn_id,
            "x-codex-window-id": window_id(ids),
    });
    if kind == RequestKind::Compaction {
        metadata["request_kind"] = "compaction".into();
    }
    metadata
}

/// Makes the request, complete but for the credential.
pub(crate) fn request(
    client: &Client,
    settings: &Settings,
    origin: &Origin,
    ids: RequestIds<'_>,
    body: Bytes,
) -> Result<Request, Failure> {
    let provider = &settings.provider;
    let url = format!("{}/{}", provider.base_url.trim_end_matches('/'), provider.wire.path());
    let url = Url::parse(&url).map_err(|error| {
        let message = format!("the base_url of model provider `{}` is not a URL: {error}", provider.id);
        Failure::new(FailureClass::Other, message)
    })?;
    let window_id = window_id(ids);
    let headers = headers([
        (ACCEPT, "text/event-stream"),
        (CONTENT_TYPE, "application/json"),
        (HeaderName::from_static("session-id"), ids.thread_id),
        (HeaderName::from_static("thread-id"), ids.thread_id),
        (HeaderName::from_static("x-client-request-id"), ids.thread_id),
        (HeaderName::from_static("x-codex-window-id"), &window_id),
    ]);
    let request = provider.request(client, Method::POST, url, origin).headers(headers).body(body).build();
    request.map_err(|error| Failure::new(FailureClass::Other, HttpError::from(error).to_string()))
}

impl Provider {
    /// A request to the provider, with what all of them carry. A name and a password in the address become a header, so
    /// that nobody who is told the address is told them.
    pub(crate) fn request(&self, client: &Client, method: Method, url: Url, origin: &Origin) -> RequestBuilder {
        let originator = HeaderName::from_static("originator");
        let own = headers([(USER_AGENT, origin.user_agent.as_str()), (originator, origin.originator.as_str())]);
        client.request(method, url).query(&self.query).headers(self.headers.clone()).headers(own)
    }
}

fn headers<'a>(pairs: impl IntoIterator<Item = (HeaderName, &'a str)>) -> HeaderMap {
    // Ids are uuids, and a client's name was checked when it came: nothing is left out here.
    let header = |(name, value)| Some((name, HeaderValue::from_str(value).ok()?));
    pairs.into_iter().filter_map(header).collect()
}

fn window_id(ids: RequestIds<'_>) -> String {
    format!("{}:0", ids.thread_id)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pretty_assertions::assert_eq;
    use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
    use reqwest::{Method, Url};
    use valet_auth::HttpClient;

    use crate::model::wire::Wire;
    use crate::settings::{Origin, Provider, Retries};

    #[test]
    fn a_password_in_the_address_is_sent_and_is_not_told_with_the_address() {
        let provider = Provider {
            id: "mine".to_owned(),
            wire: Wire::Responses,
            base_url: String::new(),
            query: [("version".to_owned(), "1".to_owned())].into(),
            headers: HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static("theirs"))]),
            models_url: None,
            retries: Retries::Together(0),
            stream_idle_timeout: Duration::ZERO,
            key: None,
        };
        let origin = Origin { originator: "me".to_owned(), user_agent: "me/1".to_owned() };
        let http = HttpClient::default();
        let url = Url::parse("https://user:secret@example.com/v1/responses").unwrap();
        let request = provider.request(http.get().unwrap(), Method::POST, url, &origin).build().unwrap();
        assert_eq!(request.url().as_str(), "https://example.com/v1/responses?version=1");
        // `printf user:secret | base64`
        assert_eq!(request.headers()[AUTHORIZATION], "Basic dXNlcjpzZWNyZXQ=");
        let agents: Vec<_> = request.headers().get_all(USER_AGENT).iter().collect();
        assert_eq!(agents, ["me/1"]);
    }
}
