//! Which models a login can use, and what is said to whoever has chosen another.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{CodexErrorInfo, ModelListParams, TurnStatus};
use valet_sim::{Endpoint, RecordedRequest, Response, Script, TokenPolicy, TokenRequest};
use valet_tests::{TestClient, TestHost};

const MODELS: &str = "GET /v1/models";
const REFUSAL: &str = "The 'gpt-5.5' model is not supported when using Codex with a ChatGPT account.";

fn catalog() -> Value {
    let level = |effort: &str| json!({ "effort": effort, "description": effort });
    json!({ "models": [
        { "slug": "later", "display_name": "Later", "visibility": "list", "priority": 2 },
        { "slug": "hidden", "visibility": "hide", "priority": 0 },
        {
            "slug": "first", "display_name": "First", "description": "Best", "visibility": "list", "priority": 1,
            "supported_reasoning_levels": [level("low"), level("ultra")], "default_reasoning_level": "low",
            "service_tiers": [{ "id": "priority", "name": "Fast", "description": "2x" }], "upgrade": { "model": "next" },
        },
    ]})
}

fn script(body: Value) -> Script {
    Script::text("Hello.").endpoint(MODELS, Endpoint::new(200, body))
}

async fn names(client: &mut TestClient) -> Vec<String> {
    let listed = client.request::<m::ModelList>(ModelListParams::default()).await;
    listed.data.into_iter().map(|model| model.id).collect()
}

fn asked(host: &TestHost) -> Vec<RecordedRequest> {
    host.sim.requests().into_iter().filter(|request| request.path.starts_with("/v1/models")).collect()
}

#[tokio::test]
async fn a_subscription_has_the_models_that_the_backend_tells_of() {
    let host = TestHost::start(script(catalog())).await;
    let mut parent = host.parent().await;
    let listed = parent.request::<m::ModelList>(ModelListParams::default()).await.data;
    assert_eq!(listed.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["first", "later"]);
    let first = &listed[0];
    assert!(first.is_default && !listed[1].is_default);
    assert_eq!((first.display_name.as_str(), first.description.as_str()), ("First", "Best"));
    let efforts: Vec<_> = first.supported_reasoning_efforts.iter().map(|e| e.reasoning_effort.as_str()).collect();
    assert_eq!(efforts, ["low"], "no effort that client libraries refuse");
    assert_eq!((first.upgrade.as_deref(), first.service_tiers[0].id.as_str()), (Some("next"), "priority"));
    let all = ModelListParams { include_hidden: Some(true), ..ModelListParams::default() };
    let all = parent.request::<m::ModelList>(all).await.data;
    let all: Vec<_> = all.iter().map(|model| (model.id.as_str(), model.hidden)).collect();
    assert_eq!(all, [("hidden", true), ("first", false), ("later", false)]);
    let asked = asked(&host);
    assert_eq!(asked.len(), 1, "what was told is kept");
    assert_eq!(asked[0].path, "/v1/models?client_version=0.169.0");
    assert_eq!(asked[0].headers["chatgpt-account-id"], "acct-1");
}

#[tokio::test]
async fn an_api_key_has_the_built_in_models_and_nobody_is_asked_for_them() {
    let host = TestHost::builder().script(script(catalog())).with("model_provider=openai").start().await;
    let mut client = host.client().await;
    client.call("account/login/start", json!({ "type": "apiKey", "apiKey": "sk-1" })).await.unwrap();
    assert!(names(&mut client).await.contains(&"gpt-5.5".to_owned()));
    assert_eq!(asked(&host).len(), 0);
}

#[tokio::test]
async fn a_provider_of_ones_own_has_the_models_that_its_server_names() {
    let body = json!({ "object": "list", "data": [{ "id": "llama", "object": "model" }] });
    let tokens = TokenPolicy { anonymous: true, ..TokenPolicy::default() };
    let host = TestHost::builder().script(script(body).tokens(tokens)).provider("requires_openai_auth = false").start();
    let host = host.await;
    let mut client = host.client().await;
    assert_eq!(names(&mut client).await, ["llama"]);
    assert_eq!(asked(&host)[0].path, "/v1/models");
    let built_in = json!({ "modelProvider": "openai" });
    let listed = client.call("model/list", built_in).await.unwrap();
    assert!(listed["data"].as_array().unwrap().len() > 1, "{listed}");
    let refusal = client.refused("model/list", json!({ "modelProvider": "nope" })).await;
    assert!(refusal.message.starts_with("This chat uses model provider “nope”"), "{}", refusal.message);
}

#[tokio::test]
async fn a_switch_of_accounts_forgets_the_models_of_the_one_before() {
    let host = TestHost::start(script(catalog())).await;
    let mut parent = host.parent().await;
    assert_eq!(names(&mut parent).await, ["first", "later"]);
    host.sim.replace_script(script(json!({ "models": [{ "slug": "other" }] })));
    parent.lend(TokenRequest::account("acct-1")).await;
    assert_eq!(names(&mut parent).await, ["first", "later"], "another token of the same account changes nothing");
    parent.lend(TokenRequest::account("acct-2")).await;
    assert_eq!(names(&mut parent).await, ["other"]);
    parent.lend(TokenRequest::account("acct-1")).await;
    assert_eq!(names(&mut parent).await, ["other"], "and what was before is asked for again");
}

#[tokio::test]
async fn who_asks_at_the_same_time_causes_one_request() {
    let slow = Endpoint { delay_ms: 200, ..Endpoint::new(200, catalog()) };
    let host = TestHost::start(Script::new().endpoint(MODELS, slow)).await;
    let mut parent = host.parent().await;
    let two = [parent.begin("model/list", json!({})), parent.begin("model/list", json!({ "limit": 1 }))];
    for answer in two {
        assert_eq!(answer.await.unwrap()["data"][0]["id"], "first");
    }
    assert_eq!(asked(&host).len(), 1);
}

#[tokio::test]
async fn a_backend_that_is_silent_costs_five_seconds_and_the_next_answer_none() {
    let silent = Endpoint { delay_ms: 60_000, ..Endpoint::new(200, catalog()) };
    let host = TestHost::start(Script::new().endpoint(MODELS, silent)).await;
    let mut parent = host.parent().await;
    let built_in = names(&mut parent).await;
    assert!(built_in.contains(&"gpt-5.5".to_owned()));
    assert_eq!(names(&mut parent).await, built_in);
    assert_eq!(asked(&host).len(), 1, "it is left alone for a while");
}

#[tokio::test]
async fn a_token_that_is_refused_for_the_models_is_renewed() {
    let tokens = TokenPolicy { refuse_everywhere: true, ..TokenPolicy::default() };
    let host = TestHost::start(Script::new().tokens(tokens)).await;
    let mut parent = host.parent().await;
    host.sim.tokens().expire(&parent.lend(TokenRequest::default()).await.access_token);
    assert_eq!(names(&mut parent).await, ["gpt-5.5", "gpt-5.5-mini"]);
    let statuses: Vec<_> = asked(&host).into_iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(401), Some(200)]);
}

#[tokio::test]
async fn a_response_that_names_another_list_has_it_asked_for_again() {
    let heard = Response::new().text("Hello.").header("x-models-etag", "\"new\"");
    let responses = || Script::responses([heard.clone()]);
    let host = TestHost::start(responses().endpoint(MODELS, Endpoint::new(200, catalog()))).await;
    let mut parent = host.parent().await;
    assert_eq!(names(&mut parent).await, ["first", "later"]);
    let other = Endpoint::new(200, json!({ "models": [{ "slug": "other" }] }));
    host.sim.replace_script(responses().endpoint(MODELS, other));
    let thread = parent.thread().await;
    parent.turn(&thread, "hello").await;
    assert_eq!(names(&mut parent).await, ["other"]);
}

#[tokio::test]
async fn a_model_that_the_login_cannot_use_fails_with_those_that_it_can() {
    let refusals = [
        Response::status(400).body(json!({ "detail": REFUSAL })),
        Response::status(400).body(json!({ "error": { "message": REFUSAL, "param": "model" } })),
        Response::status(404).body(json!({ "error": { "message": REFUSAL, "code": "model_not_found" } })),
        Response::new().failed("model_not_found", REFUSAL),
    ];
    let count = refusals.len();
    let script = Script::responses(refusals).endpoint(MODELS, Endpoint::new(200, catalog()));
    let host = TestHost::start(script).await;
    let mut parent = host.parent().await;
    for _ in 0..count {
        let thread = parent.thread().await;
        let ended = parent.turn(&thread, "hello").await;
        let error = ended.turn.error.unwrap();
        assert_eq!(ended.turn.status, TurnStatus::Failed);
        assert_eq!(error.message, format!("{REFUSAL} Models that work with this login: first, later."));
        assert_eq!(error.codex_error_info, Some(CodexErrorInfo::ModelNotFound));
    }
    assert_eq!(asked(&host).len(), 1);
}

#[tokio::test]
async fn where_the_backend_names_no_models_the_built_in_ones_are_only_likely() {
    let refusal = Response::status(400).body(json!({ "detail": REFUSAL }));
    let script = Script::responses([refusal]).endpoint(MODELS, Endpoint::new(500, json!({})));
    let host = TestHost::start(script).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let message = parent.turn(&thread, "hello").await.turn.error.unwrap().message;
    assert!(message.starts_with(&format!("{REFUSAL} Models that often work: gpt-")), "{message}");
    assert!(!message.contains(" gpt-5.5,") && !message.ends_with(" gpt-5.5."), "{message}");
}

#[tokio::test]
async fn in_strict_mode_the_refusal_of_a_model_is_told_as_it_came() {
    let body = json!({ "detail": REFUSAL });
    let script = Script::responses([Response::status(400).body(body.clone())]);
    let host = TestHost::builder().script(script).with("valet.compat=strict").start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let error = parent.turn(&thread, "hello").await.turn.error.unwrap();
    assert_eq!((error.message, error.codex_error_info), (body.to_string(), Some(CodexErrorInfo::Other)));
    assert_eq!(asked(&host).len(), 0);
}
