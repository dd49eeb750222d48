//! Logging in and out. The names of the rows are those of the specification.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v1::{AuthMode, GetAuthStatusParams, PlanType};
use valet_protocol::v2::{self, Account, GetAccountParams};
use valet_sim::{Endpoint, Script, TokenRequest};
use valet_tests::{TestClient, TestHost};

const LOGIN: &str = "account/login/start";

fn lent(token: &str) -> Value {
    json!({ "type": "chatgptAuthTokens", "accessToken": token, "chatgptAccountId": "acct-1" })
}

async fn account(client: &mut TestClient) -> Option<Account> {
    client.request::<m::AccountRead>(GetAccountParams::default()).await.account
}

#[tokio::test]
async fn ea_1_a_token_is_not_taken_without_the_experimental_capability() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.connect();
    client.initialize_with(Value::Null).await;
    let token = client.token(TokenRequest::default()).access_token;
    let refusal = client.refused(LOGIN, lent(&token)).await;
    assert_eq!(refusal.code, -32600);
    assert_eq!(refusal.message, "account/login/start.chatgptAuthTokens requires experimentalApi capability");
    assert_eq!(refusal.kind.as_deref(), Some("experimentalRequired"));
    assert_eq!(account(&mut client).await, None);
}

#[tokio::test]
async fn ea_2_and_ea_3_a_missing_field_is_named() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    let rows = [
        (json!({ "type": "chatgptAuthTokens", "chatgptAccountId": "acct-1" }), "missing field `accessToken`"),
        (
            json!({ "type": "chatgptAuthTokens", "idToken": "a", "accessToken": "b" }),
            "missing field `chatgptAccountId`",
        ),
        (json!({ "type": "nope" }), "unknown variant `nope`"),
    ];
    for (params, reason) in rows {
        let refusal = client.refused(LOGIN, params).await;
        assert_eq!(refusal.code, -32600);
        assert!(refusal.message.starts_with(&format!("Invalid request: {reason}")), "{}", refusal.message);
    }
}

#[tokio::test]
async fn ea_4_and_its_mirror_the_configuration_can_force_one_kind_of_login() {
    let host = TestHost::builder().config("forced_login_method = \"api\"").start().await;
    let mut client = host.client().await;
    let token = client.token(TokenRequest::default()).access_token;
    let refusal = client.refused(LOGIN, lent(&token)).await;
    assert_eq!(refusal.message, "External ChatGPT auth is disabled. Use API key login instead.");

    let host = TestHost::builder().config("forced_login_method = \"chatgpt\"").start().await;
    let mut client = host.client().await;
    let refusal = client.refused(LOGIN, json!({ "type": "apiKey", "apiKey": "sk-1" })).await;
    assert_eq!(refusal.message, "API key login is disabled. Use ChatGPT login instead.");
}

#[tokio::test]
async fn ea_5_a_workspace_outside_the_forced_ones_is_refused() {
    for line in ["forced_chatgpt_workspace_id = [\"ws-a\", \"ws-b\"]", "forced_chatgpt_workspace_id = \"ws-a\""] {
        let host = TestHost::builder().config(line).start().await;
        let mut client = host.client().await;
        let token = client.token(TokenRequest::default()).access_token;
        let refusal = client.refused(LOGIN, lent(&token)).await;
        assert_eq!(refusal.code, -32600);
        assert!(refusal.message.starts_with("External auth must use one of workspace(s) [\"ws-a\""), "{refusal:?}");
        assert!(refusal.message.ends_with("], but received \"acct-1\"."), "{refusal:?}");
        // The parameter counts, not the claim in the token.
        let params = json!({ "type": "chatgptAuthTokens", "accessToken": token, "chatgptAccountId": "ws-a" });
        client.call(LOGIN, params).await.unwrap();
    }
}

#[tokio::test]
async fn ea_6_a_text_that_is_no_jwt_is_refused_and_the_next_good_token_is_taken() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    for text in ["not-a-jwt", "", "a.b"] {
        let refusal = client.refused(LOGIN, lent(text)).await;
        assert_eq!((refusal.code, refusal.kind.as_deref()), (-32603, Some("invalidToken")));
        assert_eq!(refusal.message, "failed to set external auth: invalid ID token format");
    }
    client.lend(TokenRequest::default()).await;
    assert!(account(&mut client).await.is_some());
}

#[tokio::test]
async fn an_empty_account_and_an_empty_api_key_are_no_logins() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    let token = client.token(TokenRequest::default()).access_token;
    for empty in ["", " \n"] {
        let lent = json!({ "type": "chatgptAuthTokens", "accessToken": token, "chatgptAccountId": empty });
        let key = json!({ "type": "apiKey", "apiKey": empty });
        for (params, name) in [(lent, "chatgptAccountId"), (key, "apiKey")] {
            let refusal = client.refused(LOGIN, params).await;
            assert_eq!((refusal.code, refusal.kind.as_deref()), (-32600, Some("invalidParams")));
            assert_eq!(refusal.message, format!("Invalid request: `{name}` is empty"));
        }
    }
    assert_eq!(account(&mut client).await, None);
}

#[tokio::test]
async fn ea_7_other_logins_are_refused_while_a_token_is_lent() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    client.lend(TokenRequest::default()).await;
    let others = [
        json!({ "type": "apiKey", "apiKey": "sk-1" }),
        json!({ "type": "chatgpt" }),
        json!({ "type": "chatgptDeviceCode" }),
        json!({ "type": "amazonBedrock", "apiKey": "k", "region": "r" }),
    ];
    for params in others {
        let refusal = client.refused(LOGIN, params).await;
        assert_eq!(
            refusal.message,
            "External auth is active. Use account/login/start (chatgptAuthTokens) to update it or account/logout to clear it."
        );
    }
}

#[tokio::test]
async fn logins_that_are_not_served_say_so() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    let refusal = client.refused(LOGIN, json!({ "type": "amazonBedrock", "apiKey": "k", "region": "r" })).await;
    assert_eq!((refusal.code, refusal.kind.as_deref()), (-32600, Some("notSupported")));
}

#[tokio::test]
async fn ea_8_another_token_replaces_the_first_one() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    client.lend(TokenRequest::default()).await;
    client.lend(TokenRequest::account("acct-2").plan("plus")).await;
    let Some(Account::Chatgpt { plan_type, workspace_name, .. }) = account(&mut client).await else {
        panic!("somebody is logged in")
    };
    assert_eq!((plan_type, workspace_name.as_deref()), (PlanType::Plus, Some("Demo")));
}

#[tokio::test]
async fn ea_10_the_response_comes_first_then_completed_then_updated() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    client.lend(TokenRequest::default()).await;
    let messages = client.record();
    let messages: Vec<String> = messages
        .messages()
        .iter()
        .skip_while(|(_, message)| message["method"] != LOGIN)
        .map(|(_, message)| message["method"].as_str().unwrap_or("response").to_owned())
        .collect();
    assert_eq!(messages, [LOGIN, "response", "account/login/completed", "account/updated"]);
}

#[tokio::test]
async fn ea_11_everybody_who_is_initialized_hears_of_a_login_and_nobody_else() {
    let host = TestHost::start(Script::new()).await;
    let mut parent = host.client().await;
    let mut other = host.connect();
    other.initialize_with(Value::Null).await;
    let silent = host.connect();
    parent.lend(TokenRequest::default()).await;
    assert!(other.wait_for::<m::AccountLoginCompleted>().await.success);
    assert_eq!(other.wait_for::<m::AccountUpdated>().await.auth_mode, Some(AuthMode::ChatgptAuthTokens));
    assert!(silent.record().messages().is_empty());
}

#[tokio::test]
async fn ea_12_the_plan_comes_from_the_parameter_then_from_the_token() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    let rows = [(Some("Education"), "pro", "edu"), (None, "HC", "enterprise"), (None, "platinum", "unknown")];
    for (param, claim, expected) in rows {
        let token = client.token(TokenRequest::default().plan(claim)).access_token;
        let mut params = lent(&token);
        params["chatgptPlanType"] = json!(param);
        client.call(LOGIN, params).await.unwrap();
        let told = client.wait_for::<m::AccountUpdated>().await.plan_type;
        assert_eq!(told.unwrap().as_str(), expected);
    }
}

#[tokio::test]
async fn ea_13_a_later_connection_is_told_who_is_logged_in() {
    let host = TestHost::start(Script::new()).await;
    let mut parent = host.client().await;
    parent.lend(TokenRequest::default()).await;
    let mut late = host.client().await;
    let told = late.wait_for::<m::AccountUpdated>().await;
    assert_eq!((told.auth_mode, told.plan_type), (Some(AuthMode::ChatgptAuthTokens), Some(PlanType::Pro)));
}

#[tokio::test]
async fn ea_17_a_token_replaces_an_api_key() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    client.call(LOGIN, json!({ "type": "apiKey", "apiKey": "sk-1" })).await.unwrap();
    assert_eq!(client.wait_for::<m::AccountUpdated>().await.auth_mode, Some(AuthMode::ApiKey));
    assert_eq!(account(&mut client).await, Some(Account::ApiKey {}));
    client.lend(TokenRequest::default()).await;
    assert!(matches!(account(&mut client).await, Some(Account::Chatgpt { .. })));
}

#[tokio::test]
async fn an_api_key_is_sent_and_a_401_to_it_asks_nobody() {
    let script = Script::text("Hello.").tokens(valet_sim::TokenPolicy {
        api_keys: Some(vec!["sk-good".to_owned()]),
        ..valet_sim::TokenPolicy::default()
    });
    let host = TestHost::start(script).await;
    let mut client = host.client().await;
    let thread = client.thread().await;
    for (key, status) in [("sk-bad", v2::TurnStatus::Failed), ("sk-good", v2::TurnStatus::Completed)] {
        client.call(LOGIN, json!({ "type": "apiKey", "apiKey": key })).await.unwrap();
        assert_eq!(client.turn(&thread, "hello").await.turn.status, status);
    }
    assert!(!client.was_asked());
    assert_eq!(host.sim.requests().last().unwrap().bearer.as_deref(), Some("sk-good"));
}

#[tokio::test]
async fn logout_is_answered_first_then_told_and_turns_go_out_without_a_token() {
    let script =
        Script::text("Hello.").tokens(valet_sim::TokenPolicy { anonymous: true, ..valet_sim::TokenPolicy::default() });
    let host = TestHost::start(script).await;
    let mut client = host.parent().await;
    client.call("account/logout", Value::Null).await.unwrap();
    let told = client.wait_for::<m::AccountUpdated>().await;
    assert_eq!((told.auth_mode, told.plan_type), (None, None));
    assert_eq!(account(&mut client).await, None);
    let thread = client.thread().await;
    assert_eq!(client.turn(&thread, "hello").await.turn.status, v2::TurnStatus::Completed);
    assert_eq!(host.sim.requests().last().unwrap().bearer, None);
}

#[tokio::test]
async fn x_16_a_logout_ends_a_running_turn_with_the_kind_reauth_required() {
    let slow = valet_sim::Response::new().text("Wait").delay(std::time::Duration::from_secs(30)).text("for ever");
    let host = TestHost::start(Script::respond(slow)).await;
    let mut client = host.parent().await;
    let thread = client.thread().await;
    let turn_id = client.start_turn(&thread, "hello").await;
    client.wait_for::<m::AgentMessageDelta>().await;
    client.call("account/logout", Value::Null).await.unwrap();
    let error = client.end_of(&turn_id).await.turn.error.unwrap();
    assert_eq!(error.message, "Fatal error: application network permission was revoked");
    assert_eq!(error.codex_error_info, Some(v2::CodexErrorInfo::Unauthorized));
    assert_eq!(error.additional_details.as_deref(), Some("reauthRequired"));
}

#[tokio::test]
async fn x_21_the_token_is_given_back_to_its_lender_and_to_nobody_else() {
    let host = TestHost::start(Script::new()).await;
    let mut parent = host.client().await;
    let lent = parent.lend(TokenRequest::default()).await;
    let mut other = host.client().await;
    let params = || GetAuthStatusParams { include_token: Some(true), refresh_token: None };
    let own = parent.request::<m::GetAuthStatus>(params()).await;
    assert_eq!(own.auth_token.unwrap().expose(), lent.access_token);
    let others = other.request::<m::GetAuthStatus>(params()).await;
    assert_eq!((others.auth_method, others.auth_token), (Some(AuthMode::ChatgptAuthTokens), None));
}

#[tokio::test]
async fn x_24_a_failed_discovery_leaves_the_workspace_unnamed_and_the_login_in_force() {
    let broken = Endpoint::new(500, json!({ "error": { "message": "no" } }));
    let script = Script::text("Hello.").endpoint("GET /backend-api/wham/accounts/check", broken);
    let host = TestHost::start(script).await;
    let mut client = host.parent().await;
    let read = client.request::<m::AccountRead>(GetAccountParams::default()).await;
    assert_eq!(read.workspace_routing, None);
    assert!(matches!(read.account, Some(Account::Chatgpt { workspace_name: None, .. })));
    let thread = client.thread().await;
    assert_eq!(client.turn(&thread, "hello").await.turn.status, v2::TurnStatus::Completed);
}

#[tokio::test]
async fn a_provider_with_a_key_of_its_own_needs_no_login() {
    let host = TestHost::builder().provider("requires_openai_auth = false").start().await;
    let mut client = host.client().await;
    client.lend(TokenRequest::default()).await;
    let read = client.request::<m::AccountRead>(GetAccountParams::default()).await;
    assert_eq!((read.account, read.requires_openai_auth), (None, false));
}

#[tokio::test]
async fn a_login_that_nobody_began_cannot_be_cancelled() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    let unknown = json!({ "loginId": "01984de2-8f74-7c91-a3b2-5c5e937cf318" });
    assert_eq!(client.call("account/login/cancel", unknown).await.unwrap(), json!({ "status": "notFound" }));
    let refusal = client.refused("account/login/cancel", json!({ "loginId": "zzz" })).await;
    assert_eq!(refusal.message, "invalid login id: zzz");
}

#[tokio::test]
async fn ea_14_ea_15_and_ea_18_expiry_claims_and_signature_of_a_token_are_not_looked_at() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    for payload in [json!({ "exp": 1_000 }), json!({}), json!({ "email": "a@b.c" })] {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!("{}.{}.not-a-signature", part(&json!({ "alg": "none" })), part(&payload));
        client.call(LOGIN, lent(&token)).await.unwrap();
        assert!(client.wait_for::<m::AccountLoginCompleted>().await.success);
        let told = client.wait_for::<m::AccountUpdated>().await;
        assert_eq!(told.plan_type, Some(PlanType::UnknownPlan));
        let read = client.request::<m::AccountRead>(GetAccountParams::default()).await;
        assert_eq!(read.user_id, None);
    }
}

#[tokio::test]
async fn x_23_a_read_is_answered_from_memory_and_says_when_the_token_expires() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    let token = client.lend(TokenRequest::default()).await;
    let before = host.sim.requests().len();
    let read = client.request::<m::AccountRead>(GetAccountParams { refresh_token: true }).await.valet.unwrap();
    assert_eq!(read.expires_at, Some(i64::try_from(token.expires_at).unwrap()));
    client.lend(TokenRequest::default()).await;
    let later = client.request::<m::AccountRead>(GetAccountParams::default()).await.valet.unwrap();
    assert!(later.revision > read.revision);
    assert_eq!(host.sim.requests().len(), before + 1, "only the second login asked the backend");
}

#[tokio::test]
async fn an_account_that_was_logged_out_can_be_logged_in_again_after_any_switches() {
    for compat in ["valet.compat=default", "valet.compat=strict"] {
        let host = TestHost::builder().script(Script::text("Hello.")).with(compat).start().await;
        let mut client = host.client().await;
        let thread = client.thread().await;
        for account in ["acct-1", "acct-2", "acct-1"] {
            client.lend(TokenRequest::account(account)).await;
        }
        assert_eq!(client.turn(&thread, "hello").await.turn.status, v2::TurnStatus::Completed);
        client.call("account/logout", Value::Null).await.unwrap();
        client.wait_for::<m::AccountUpdated>().await;
        client.lend(TokenRequest::account("acct-1")).await;
        assert_eq!(client.turn(&thread, "hello").await.turn.status, v2::TurnStatus::Completed);
    }
}

#[tokio::test]
async fn x_16_a_logout_does_not_wait_for_the_announcements_of_logins_before_it() {
    let silent = Endpoint { delay_ms: 30_000, ..Endpoint::default() };
    let script = Script::new().endpoint("GET /backend-api/wham/accounts/check", silent);
    let host = TestHost::start(script).await;
    let mut client = host.client().await;
    let began = std::time::Instant::now();
    for _ in 0..100 {
        let token = client.token(TokenRequest::default()).access_token;
        client.call(LOGIN, lent(&token)).await.unwrap();
    }
    client.call("account/logout", Value::Null).await.unwrap();
    let mut completed = 0;
    loop {
        let (method, params) = client.next().await;
        completed += usize::from(method == "account/login/completed");
        if method == "account/updated" && params["authMode"].is_null() {
            break;
        }
    }
    assert_eq!(completed, 100, "each login was told, before the logout");
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_logout_is_answered_and_told_before_the_turns_that_it_ends() {
    let slow = valet_sim::Chunks::repeat("w ", 6000).every(std::time::Duration::from_millis(10));
    let host = TestHost::start(Script::respond(valet_sim::Response::new().chunks(slow))).await;
    let mut client = host.parent().await;
    let thread = client.thread().await;
    let turn_id = client.start_turn(&thread, "hello").await;
    client.wait_for::<m::AgentMessageDelta>().await;
    client.call("account/logout", Value::Null).await.unwrap();
    let story = client.end_of(&turn_id).await;
    let story = story.story();
    let place = |method: &str| story.iter().position(|told| *told == method).unwrap();
    assert!(place("account/updated") < place("error"), "{story:?}");
}
