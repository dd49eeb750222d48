//! The one door: every request is read, recorded, answered and followed to its end here.
//! What is answered is decided in the modules below, one per group of endpoints.

mod call;
mod chat;
mod control;
pub(crate) mod issuer;
mod reply;
mod side;
mod turn;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    response::Response as HttpResponse,
};
use serde_json::json;

use crate::{
    http::{
        call::Call,
        reply::{Content, Reply},
    },
    log::{Outcome, Ticket},
    shared::Shared,
    wire,
};

/// Where the control endpoints are. Calls of these are not recorded.
pub(crate) const CONTROL_PREFIX: &str = "/sim/";

/// Whether this is a path of the model.
pub(crate) fn is_model_path(path: &str) -> bool {
    is_responses_path(path) || path == CHAT_PATH
}

fn is_responses_path(path: &str) -> bool {
    matches!(path, "/v1/responses" | "/backend-api/codex/responses")
}

/// The model in its older form.
const CHAT_PATH: &str = "/v1/chat/completions";

/// Answers any request.
pub(crate) async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> HttpResponse {
    let call = match Call::read(request).await {
        Ok(call) => call,
        Err(reason) => return Reply::error(413, &reason, "request_too_large").into_http(),
    };
    if call.path.starts_with(CONTROL_PREFIX) {
        return control::reply(&shared, &call).into_http();
    }
    let ticket = shared.log.open(call.record());
    let reply = route(&shared, &call);
    send(&shared, reply, ticket).await
}

fn route(shared: &Shared, call: &Call) -> Reply {
    if let Some(endpoint) = shared.playback.endpoint(&call.method, &call.path) {
        let delay = Duration::from_millis(endpoint.delay_ms);
        return Reply::value(endpoint.status, endpoint.body).after(delay);
    }
    match (call.method.as_str(), call.path.as_str()) {
        ("POST", path) if is_responses_path(path) => turn::reply(shared, call),
        // What a client that tries a websocket first expects where there is none.
        ("GET", path) if is_responses_path(path) => {
            Reply::error(426, "The model is served over POST.", "upgrade_required")
        }
        ("POST", CHAT_PATH) => chat::reply(shared, call),
        ("GET", "/v1/models" | "/backend-api/codex/models") => side::models(shared, call),
        ("GET", "/backend-api/wham/accounts/check") => side::accounts_check(shared, call),
        ("GET", "/backend-api/wham/settings/user") => side::settings(shared, call),
        ("GET", "/backend-api/wham/usage") => side::usage(shared, call),
        ("GET", "/backend-api/wham/rate-limit-reset-credits") => side::reset_credits(shared, call),
        ("GET", "/backend-api/wham/profiles/me") => side::profile(shared, call),
        ("POST", "/backend-api/wham/usage/thread_usage/query") => side::thread_usage(shared, call),
        (_, path) if issuer::PATHS.contains(&path) => issuer::reply(shared, call),
        _ => Reply::unknown_endpoint(call),
    }
}

async fn send(shared: &Arc<Shared>, reply: Reply, mut ticket: Ticket) -> HttpResponse {
    if !reply.delay.is_zero() {
        let mut stop = shared.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(reply.delay) => {}
            () = stop.reached() => {}
        }
    }
    ticket.answered(reply.status, reply.rule);
    match reply.content {
        Content::Stream(response) => {
            let (wire, body) = wire::pair(ticket, shared.stop.clone());
            let shared = Arc::clone(shared);
            tokio::spawn(async move { crate::responses::perform(&response, &shared.ids, wire).await });
            reply::build(reply.status, "text/event-stream", &reply.headers, body)
        }
        Content::Chat(response, order) => {
            let content_type = if order.stream { "text/event-stream" } else { "application/json" };
            let (wire, body) = wire::pair(ticket, shared.stop.clone());
            let shared = Arc::clone(shared);
            tokio::spawn(async move { crate::chat::perform(&response, &order, &shared.ids, wire).await });
            reply::build(reply.status, content_type, &reply.headers, body)
        }
        Content::Value(value) => {
            ticket.end(Outcome::Finished);
            reply::value(reply.status, &reply.headers, &value)
        }
        Content::Page(html) => {
            ticket.end(Outcome::Finished);
            reply::build(reply.status, "text/html; charset=utf-8", &reply.headers, html.into())
        }
    }
}

impl Reply {
    fn unknown_endpoint(call: &Call) -> Self {
        let message = format!("The sim has no {} {}.", call.method, call.path);
        Self::value(404, json!({"error": {"message": message, "code": "not_found"}}))
    }
}
