//! Browser logins, with a client of HTTP for a browser.

use std::net::TcpListener;
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_protocol::methods as m;
use valet_protocol::v1::{AuthMode, PlanType};
use valet_protocol::v2::Account;
use valet_sim::{Decision, IssuerPolicy, TokenRequest};
use valet_tests::{TestHost, login_ports};

use super::{LOGIN, account, begin, built_in, completed, file, issuer, kept, refreshes, script, script_with};

const CALLBACK: &str = "http://127.0.0.1:1455/auth/callback";

/// Opens an address as a browser does; returns the status, the address it ended at, and the page.
async fn browse(address: &str) -> (u16, String, String) {
    let response = reqwest::get(address).await.unwrap();
    let (status, ended_at) = (response.status().as_u16(), response.url().to_string());
    (status, ended_at, response.text().await.unwrap())
}

fn parameter(address: &str, name: &str) -> Option<String> {
    let address = reqwest::Url::parse(address).unwrap();
    address.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

pub(super) async fn nobody_listens() {
    for port in [1455, 1457] {
        for host in ["127.0.0.1", "[::1]"] {
            let free = async {
                while tokio::net::TcpStream::connect(format!("{host}:{port}")).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(5), free).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_login_goes_from_the_address_over_the_issuers_page_to_a_turn() {
    let _ports = login_ports();
    let host = built_in(script()).start().await;
    let mut client = host.client().await;
    let (id, begun) = begin(&mut client, "chatgpt").await;
    let address = begun["authUrl"].as_str().unwrap();
    assert_eq!(begun["type"], "chatgpt");
    let expected = [
        ("response_type", "code"),
        ("client_id", "app_EMoamEEZ73f0CkXaXp7hrann"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile email offline_access api.connectors.read api.connectors.invoke"),
        ("code_challenge_method", "S256"),
        ("id_token_add_organizations", "true"),
        ("codex_cli_simplified_flow", "true"),
        ("originator", "test_client"),
    ];
    for (name, value) in expected {
        assert_eq!(parameter(address, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(parameter(address, "allowed_workspace_id"), None);

    let (status, ended_at, page) = browse(address).await;
    assert_eq!(status, 200);
    assert!(page.contains("You are logged in"), "{page}");
    assert!(!ended_at.contains("id_token"), "no secret stays in the address bar: {ended_at}");
    let told = completed(&mut client).await;
    assert_eq!((told.login_id, told.success, told.error), (Some(id), true, None));
    let told = client.wait_for::<m::AccountUpdated>().await;
    assert_eq!((told.auth_mode, told.plan_type), (Some(AuthMode::Chatgpt), Some(PlanType::Pro)));
    let Some(Account::Chatgpt { email, .. }) = account(&mut client).await else { panic!("somebody is logged in") };
    assert_eq!(email.as_deref(), Some("user@example.com"));
    nobody_listens().await;

    let thread = client.thread().await;
    assert_eq!(client.turn(&thread, "hi").await.streamed_text(), "Hello.");
    let requests = host.sim.requests();
    let turn = requests.iter().find(|request| request.is_turn()).unwrap();
    assert_eq!(turn.path_only(), "/backend-api/codex/responses");
    assert_eq!(turn.header("chatgpt-account-id"), Some("acct-1"));
    assert_eq!(turn.header("originator"), Some("test_client"));
    assert_eq!(turn.bearer.as_deref(), kept(&host)["tokens"]["access_token"].as_str());
    assert_eq!(refreshes(&host), 0);
}

#[tokio::test]
async fn the_response_comes_first_then_completed_then_updated() {
    let _ports = login_ports();
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    let (_, begun) = begin(&mut client, "chatgpt").await;
    browse(begun["authUrl"].as_str().unwrap()).await;
    client.wait_for::<m::AccountUpdated>().await;
    let messages = client.record();
    let messages = messages.messages().iter().skip_while(|(_, message)| message["method"] != LOGIN);
    let messages: Vec<_> = messages.map(|(_, message)| message["method"].as_str().unwrap_or("response")).collect();
    assert_eq!(messages, [LOGIN, "response", "account/login/completed", "account/updated"]);
}

#[tokio::test]
async fn a_second_login_displaces_the_first_which_is_told_before_the_new_response() {
    let _ports = login_ports();
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    let (first, _) = begin(&mut client, "chatgpt").await;
    let (second, begun) = begin(&mut client, "chatgpt").await;
    let messages = client.record();
    let messages = messages.messages().iter().skip_while(|(_, message)| message["result"]["loginId"] != first);
    let messages: Vec<_> = messages.map(|(_, message)| message["method"].as_str().unwrap_or("response")).collect();
    assert_eq!(messages, ["response", LOGIN, "account/login/completed", "response"]);
    let told = completed(&mut client).await;
    assert_eq!(told.login_id.as_deref(), Some(first.as_str()));
    assert_eq!(told.error.as_deref(), Some("Login server error: Login cancelled"));
    browse(begun["authUrl"].as_str().unwrap()).await;
    let told = completed(&mut client).await;
    assert_eq!((told.login_id, told.success), (Some(second), true));
}

#[tokio::test]
async fn a_cancelled_login_is_answered_first_and_told_then_and_nobody_listens() {
    let _ports = login_ports();
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    let (id, _) = begin(&mut client, "chatgpt").await;
    let cancelled = client.call("account/login/cancel", json!({ "loginId": id })).await.unwrap();
    assert_eq!(cancelled, json!({ "status": "canceled" }));
    let told = completed(&mut client).await;
    assert_eq!(told.login_id.as_deref(), Some(id.as_str()));
    assert_eq!(told.error.as_deref(), Some("Login server error: Login was not completed"));
    nobody_listens().await;
    let again = client.call("account/login/cancel", json!({ "loginId": id })).await.unwrap();
    assert_eq!(again, json!({ "status": "notFound" }));
    let refusal = client.refused("account/login/cancel", json!({ "loginId": "zzz" })).await;
    assert_eq!((refusal.code, refusal.message.as_str()), (-32600, "invalid login id: zzz"));
}

#[tokio::test]
async fn a_bad_state_and_a_replay_get_a_400_and_the_login_is_not_disturbed() {
    let _ports = login_ports();
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    let (_, begun) = begin(&mut client, "chatgpt").await;
    let address = begun["authUrl"].as_str().unwrap();
    let state = parameter(address, "state").unwrap();
    for query in ["code=x&state=bad", "code=x", "state=&code=x", ""] {
        let (status, _, page) = browse(&format!("{CALLBACK}?{query}")).await;
        assert_eq!((status, page.contains("State mismatch")), (400, true), "{query}: {page}");
    }
    let (status, _, page) = browse(&format!("{CALLBACK}?state={state}")).await;
    assert_eq!((status, page.contains("Missing authorization code")), (400, true), "{page}");

    let location = approved(address).await;
    assert_eq!(browse(&location).await.0, 200);
    assert!(completed(&mut client).await.success);
    // The listener may be there for a moment, for the last page. It takes nothing any more.
    if let Ok(replayed) = reqwest::get(&location).await {
        assert_eq!(replayed.status().as_u16(), 400);
    }
    nobody_listens().await;
}

/// Where the issuer sends the browser.
async fn approved(address: &str) -> String {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response = client.get(address).send().await.unwrap();
    response.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_who_says_no_and_a_code_that_is_no_good_end_the_login_in_the_issuers_words() {
    let _ports = login_ports();
    let host = TestHost::start(script_with(IssuerPolicy { approve: Decision::Deny, ..issuer() })).await;
    let mut client = host.client().await;
    let (_, begun) = begin(&mut client, "chatgpt").await;
    let (_, _, page) = browse(begun["authUrl"].as_str().unwrap()).await;
    let told = completed(&mut client).await;
    assert!(!told.success);
    let error = told.error.unwrap();
    let words = error.strip_prefix("Login server error: Sign-in failed: ").unwrap_or_else(|| panic!("{error}"));
    assert!(page.contains(words), "{page}");

    let (_, begun) = begin(&mut client, "chatgpt").await;
    let state = parameter(begun["authUrl"].as_str().unwrap(), "state").unwrap();
    browse(&format!("{CALLBACK}?code=bogus&state={state}")).await;
    let error = completed(&mut client).await.error.unwrap();
    let expected = "Login server error: Token exchange failed: token endpoint returned status 400 Bad Request: ";
    assert!(error.starts_with(expected), "{error}");
    assert!(!file(&host).exists());
    assert_eq!(account(&mut client).await, None);
}

#[tokio::test]
async fn with_the_first_port_taken_the_second_one_is_used_and_with_both_each_is_named() {
    let _ports = login_ports();
    let first = TcpListener::bind("127.0.0.1:1455").unwrap();
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    let (id, begun) = begin(&mut client, "chatgpt").await;
    let address = begun["authUrl"].as_str().unwrap();
    assert_eq!(parameter(address, "redirect_uri").as_deref(), Some("http://127.0.0.1:1457/auth/callback"));
    assert_eq!(browse(address).await.0, 200);
    assert_eq!(completed(&mut client).await.login_id, Some(id));
    nobody_listens_at(1457).await;

    let second = TcpListener::bind("127.0.0.1:1457").unwrap();
    let refusal = client.refused(LOGIN, json!({ "type": "chatgpt" })).await;
    assert_eq!(refusal.code, -32603);
    for port in ["port 1455: ", "port 1457: "] {
        assert!(refusal.message.contains(port), "{}", refusal.message);
    }
    drop((first, second));
    begin(&mut client, "chatgpt").await;
}

async fn nobody_listens_at(port: u16) {
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn another_host_that_waits_for_a_browser_leaves_the_port_when_it_is_asked() {
    let _ports = login_ports();
    let (one, other) = (TestHost::start(script()).await, TestHost::start(script()).await);
    let (mut first, mut second) = (one.client().await, other.client().await);
    begin(&mut first, "chatgpt").await;
    let (_, begun) = begin(&mut second, "chatgpt").await;
    assert_eq!(completed(&mut first).await.error.as_deref(), Some("Login server error: Login cancelled"));
    let address = begun["authUrl"].as_str().unwrap();
    assert_eq!(parameter(address, "redirect_uri").as_deref(), Some(CALLBACK));
    assert_eq!(browse(address).await.0, 200);
    assert!(completed(&mut second).await.success);
}

#[tokio::test]
async fn an_address_that_a_browser_elsewhere_ended_at_can_be_pasted() {
    let _ports = login_ports();
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    let (id, begun) = begin(&mut client, "chatgpt").await;
    let location = approved(begun["authUrl"].as_str().unwrap()).await;
    let paste = |id: &str, address: &str| json!({ "loginId": id, "redirectUrl": address });
    let refused = [
        (paste(&id, "not an address"), "this is not the address that the browser was sent to"),
        (paste(&id, &location.replace("state=", "state=x")), "State mismatch"),
        (paste("9f89b442-0ba3-4a02-8f38-58b293069413", &location), "no login of this id waits for a browser"),
    ];
    for (params, message) in refused {
        assert_eq!(client.refused("valet/login/redirect", params).await.message, message);
    }
    let pasted = client.call("valet/login/redirect", paste(&id, &location)).await.unwrap();
    assert_eq!(pasted, json!({}));
    assert!(completed(&mut client).await.success);
    nobody_listens().await;
    let refusal = client.refused("valet/login/redirect", paste(&id, &location)).await;
    assert_eq!(refusal.message, "no login of this id waits for a browser");
}

#[tokio::test]
async fn a_token_that_a_parent_lends_and_a_key_end_a_login_that_waits() {
    let _ports = login_ports();
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    let (id, _) = begin(&mut client, "chatgpt").await;
    client.call(LOGIN, json!({ "type": "apiKey", "apiKey": "sk-1" })).await.unwrap();
    let told = completed(&mut client).await;
    assert_eq!(told.login_id, Some(id));
    assert_eq!(told.error.as_deref(), Some("Login server error: Login was not completed"));
    assert_eq!(completed(&mut client).await.login_id, None);

    let (id, _) = begin(&mut client, "chatgpt").await;
    let token = client.token(TokenRequest::account("acct-9")).access_token;
    let lent = json!({ "type": "chatgptAuthTokens", "accessToken": token, "chatgptAccountId": "acct-9" });
    client.call(LOGIN, lent).await.unwrap();
    assert_eq!(completed(&mut client).await.login_id, Some(id));
    nobody_listens().await;
    assert!(matches!(account(&mut client).await, Some(Account::Chatgpt { .. })));
}

#[tokio::test]
async fn a_host_that_ends_tells_who_waits_and_listens_no_more() {
    let _ports = login_ports();
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    let (id, _) = begin(&mut client, "chatgpt").await;
    host.shutdown().await;
    let told = completed(&mut client).await;
    assert_eq!((told.login_id, told.success), (Some(id), false));
    nobody_listens().await;
}

#[tokio::test]
async fn the_configuration_can_forbid_it_or_name_the_workspaces() {
    let _ports = login_ports();
    let host = TestHost::builder().script(script()).config("forced_login_method = \"api\"").start().await;
    let mut client = host.client().await;
    for kind in ["chatgpt", "chatgptDeviceCode"] {
        let refusal = client.refused(LOGIN, json!({ "type": kind })).await;
        assert_eq!(refusal.message, "ChatGPT login is disabled. Use API key login instead.");
    }

    let allowed = "forced_chatgpt_workspace_id = [\"ws-a\", \"ws-b\"]";
    let host = TestHost::builder().script(script()).config(allowed).start().await;
    let mut client = host.client().await;
    let (id, begun) = begin(&mut client, "chatgpt").await;
    let address = begun["authUrl"].as_str().unwrap();
    assert_eq!(parameter(address, "allowed_workspace_id").as_deref(), Some("ws-a,ws-b"));
    client.call("account/login/cancel", json!({ "loginId": id })).await.unwrap();
    completed(&mut client).await;
    // An issuer that does not care lets another workspace through.
    begin(&mut client, "chatgptDeviceCode").await;
    let error = completed(&mut client).await.error.unwrap();
    assert_eq!(error, "Login is restricted to workspace(s) ws-a, ws-b, but current credentials belong to acct-1");
    assert!(!file(&host).exists());
}

#[tokio::test]
async fn a_strict_host_has_no_method_to_paste_an_address() {
    let host = TestHost::builder().script(script()).config("valet.compat = \"strict\"").start().await;
    let mut client = host.connect();
    client.initialize().await;
    let refusal = client.refused("valet/login/redirect", json!({ "loginId": "x", "redirectUrl": "y" })).await;
    assert!(refusal.message.contains("unknown variant `valet/login/redirect`"), "{}", refusal.message);
}
