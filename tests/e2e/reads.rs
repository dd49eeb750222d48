//! Reads that touch no thread: models and the configuration.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{ConfigReadParams, ModelListParams};
use valet_sim::{Endpoint, Script, Sim, TokenPolicy, TokenRequest};
use valet_tests::{TestClient, TestHost};

#[tokio::test]
async fn models_are_listed_with_one_default_and_efforts_that_every_client_library_takes() {
    let host = TestHost::builder().with("model_provider=openai").start().await;
    let mut client = host.client().await;
    let models = client.request::<m::ModelList>(ModelListParams::default()).await.data;
    assert_eq!(models.iter().filter(|model| model.is_default).count(), 1);
    for model in models {
        let efforts: Vec<_> = model.supported_reasoning_efforts.iter().map(|e| e.reasoning_effort.as_str()).collect();
        assert_eq!(efforts, ["low", "medium", "high", "xhigh"]);
        assert!(efforts.contains(&model.default_reasoning_effort.as_str()));
    }
}

#[tokio::test]
async fn the_configuration_in_force_names_where_each_key_comes_from() {
    let host =
        TestHost::builder().config("custom_key = 5").with("model=\"from the flag\"").with("a.b=words").start().await;
    let mut client = host.client().await;
    let read = client.request::<m::ConfigRead>(ConfigReadParams { include_layers: true, cwd: None }).await;
    assert_eq!(read.config.model.as_deref(), Some("from the flag"));
    assert_eq!(read.config.more["custom_key"], 5);
    assert_eq!(read.config.more["a"], json!({ "b": "words" }));
    let origin = |key: &str| serde_json::to_value(&read.origins[key].name).unwrap();
    assert_eq!(origin("model"), json!({ "type": "sessionFlags" }));
    let file = host.home().join("config.toml").display().to_string();
    assert_eq!(origin("custom_key"), json!({ "type": "user", "file": file, "profile": null }));
    let layers = read.layers.unwrap();
    assert_eq!(layers.len(), 2);
    assert_eq!(layers[1].config["model"], "gpt-5.5");
}

#[tokio::test]
async fn unknown_keys_are_named_once_in_a_warning_and_known_ones_are_not() {
    let host = TestHost::builder()
        .config("bogus = 1")
        .config("check_for_update_on_startup = false")
        .provider("also_bogus = 1")
        .start()
        .await;
    let client = host.client().await;
    let summary = "Unknown configuration keys are ignored: bogus, model_providers.sim.also_bogus";
    assert_eq!(warnings(&client), [summary]);
}

/// What a new client was told about the configuration.
fn warnings(client: &TestClient) -> Vec<String> {
    let record = client.record();
    let told = record.messages().iter().map(|(_, message)| message);
    let warnings = told.filter(|message| message["method"] == "configWarning");
    warnings.map(|message| message["params"]["summary"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_model_provider_that_is_not_there_is_told_before_a_thread_asks_for_it() {
    let host = TestHost::builder().with("model_provider=nope").start().await;
    let mut client = host.client().await;
    assert_eq!(warnings(&client), ["invalid configuration: Model provider `nope` not found"]);
    let refusal = client.refused("thread/start", json!({})).await;
    assert!(
        refusal.message.ends_with("`model_provider` has to be a key of `model_providers`, or \"openai\""),
        "{refusal:?}"
    );
    client.call("thread/start", json!({ "modelProvider": "sim" })).await.unwrap();
}

#[tokio::test]
async fn nobody_administers_this_host() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    let read = client.call("configRequirements/read", Value::Null).await.unwrap();
    assert_eq!(read, json!({ "supportsIndependentSpeedModes": true, "requirements": null }));
}

#[tokio::test]
async fn rate_limits_are_read_from_the_backend_and_a_401_there_asks_the_parent_too() {
    let policy = TokenPolicy { refuse_everywhere: true, ..TokenPolicy::default() };
    let host = TestHost::start(Script::new().tokens(policy)).await;
    let mut parent = host.client().await;
    let refusal = parent.refused("account/rateLimits/read", Value::Null).await;
    assert_eq!(refusal.message, "codex account authentication required to read rate limits");
    let lent = parent.lend(TokenRequest::default()).await;
    host.sim.tokens().expire(&lent.access_token);
    parent.answer_refreshes();
    let limits = parent.call("account/rateLimits/read", Value::Null).await.unwrap();
    assert_eq!(limits["rateLimits"]["limitId"], "codex");
    assert!(limits["rateLimits"]["primary"]["usedPercent"].is_number(), "{limits}");
    assert_eq!(limits["rateLimits"], limits["rateLimitsByLimitId"]["codex"]);
}

#[tokio::test]
async fn rate_limits_of_an_api_key_are_not_to_be_had_and_a_failure_names_the_backends_words() {
    let broken = Endpoint::new(503, json!({ "error": { "message": "later" } }));
    let host = TestHost::start(Script::new().endpoint("GET /backend-api/wham/usage", broken)).await;
    let mut client = host.client().await;
    client.call("account/login/start", json!({ "type": "apiKey", "apiKey": "sk-1" })).await.unwrap();
    let refusal = client.refused("account/rateLimits/read", json!({})).await;
    assert_eq!(refusal.message, "chatgpt authentication required to read rate limits");
    client.lend(TokenRequest::default()).await;
    let refusal = client.refused("account/rateLimits/read", json!({})).await;
    assert_eq!((refusal.code, refusal.kind.as_deref()), (-32603, Some("upstream")));
    assert!(refusal.message.starts_with("failed to fetch codex rate limits: GET http://"), "{}", refusal.message);
    assert!(refusal.message.contains("failed: 503 Service Unavailable; content-type=application/json; body="));
}

#[tokio::test]
async fn a_password_in_the_address_of_the_backend_is_not_told_with_its_failures() {
    let broken = Endpoint::new(503, json!({ "error": "later" }));
    let sim = Sim::start(Script::new().endpoint("GET /backend-api/wham/usage", broken)).await.unwrap();
    let address = sim.chatgpt_base_url().replace("http://", "http://person:secret@");
    let host = TestHost::builder().with(&format!("chatgpt_base_url={address}")).start().await;
    let mut client = host.client().await;
    client.lend(TokenRequest::default()).await;
    let refusal = client.refused("account/rateLimits/read", json!({})).await;
    let told = format!("GET {}/wham/usage failed: 503", sim.chatgpt_base_url());
    assert!(refusal.message.contains(&told), "{}", refusal.message);
}

#[tokio::test]
async fn a_backend_of_accounts_that_is_not_there_is_told_with_the_key_of_its_address() {
    // Nobody listens on port 0.
    let address = "chatgpt_base_url=http://127.0.0.1:0/backend-api";
    for (over, strict) in [("valet.compat=default", false), ("valet.compat=strict", true)] {
        let host = TestHost::builder().with(address).with(over).start().await;
        let mut client = host.client().await;
        let token = client.token(TokenRequest::default()).access_token;
        let login = json!({ "type": "chatgptAuthTokens", "accessToken": token, "chatgptAccountId": "acct-1" });
        client.call("account/login/start", login).await.unwrap();
        for method in ["account/rateLimits/read", "account/usage/read"] {
            let refusal = client.refused(method, json!({})).await;
            let remedy = "; check `chatgpt_base_url`, the network and the proxy";
            assert_eq!(refusal.message.ends_with(remedy), !strict, "{}", refusal.message);
        }
    }
}

#[tokio::test]
async fn values_that_are_often_keys_are_not_shown_to_clients() {
    let host = TestHost::builder()
        .provider("http_headers = { x-api-key = \"sk-1-secret\" }")
        .provider("query_params = { key = \"sk-2-secret\" }")
        .with("mcp_servers.a.env={ TOKEN = \"sk-3-secret\" }")
        .with("mcp_servers.a.bearer_token=\"sk-4-secret\"")
        .with("openai_base_url=\"https://user:sk-5-secret@example.com/v1\"")
        .start()
        .await;
    let mut client = host.client().await;
    let read = client.call("config/read", json!({ "includeLayers": true })).await.unwrap();
    assert_eq!(read["config"]["model_providers"]["sim"]["http_headers"], json!({ "x-api-key": "[hidden]" }));
    assert_eq!(read["config"]["openai_base_url"], "https://[hidden]@example.com/v1");
    assert!(!read.to_string().contains("-secret"), "{read:#}");
}
