//! The JSON-RPC dialect: what a careless client may send, and what it gets.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_sim::Script;
use valet_tests::{Direction, TestClient, TestHost};

async fn client() -> (TestHost, TestClient) {
    let host = TestHost::start(Script::new()).await;
    let client = host.client().await;
    (host, client)
}

/// The next good request works.
async fn still_works(client: &mut TestClient) {
    let nothing = json!({ "data": [], "nextCursor": null });
    assert_eq!(client.call("thread/loaded/list", json!({})).await.unwrap(), nothing);
}

#[tokio::test]
async fn ids_of_every_kind_come_back_as_they_were() {
    let (_host, mut client) = client().await;
    for id in [json!(0), json!(-7), json!("0"), json!("initialize"), json!(""), json!(9_007_199_254_740_993_i64)] {
        let answer = client.ask(json!({ "id": id, "method": "thread/loaded/list", "params": {} })).await;
        assert_eq!(answer["id"], id);
        assert!(answer.get("jsonrpc").is_none());
    }
}

#[tokio::test]
async fn text_that_is_no_message_is_dropped_and_the_next_good_request_works() {
    let (_host, mut client) = client().await;
    let before = client.record().messages().len();
    for text in ["nonsense", "{\"id\":1", "[]", "[{\"id\":1,\"method\":\"thread/list\"}]", "{\"id\":4}", "7", "\u{0}"] {
        client.send_text(text);
    }
    for id in [json!(null), json!(1.5), json!({}), json!([1])] {
        client.send_text(&json!({ "id": id, "method": "thread/loaded/list", "params": {} }).to_string());
    }
    still_works(&mut client).await;
    let answers = client.record().messages()[before..].iter().filter(|(to, _)| *to == Direction::ToClient).count();
    assert_eq!(answers, 1, "nothing but the good request was answered");
}

#[tokio::test]
async fn t_8_whoever_asks_for_it_is_told_of_text_that_is_no_message() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.connect();
    client.initialize_with(json!({ "valet": { "parseErrors": true } })).await;
    client.send_text("nonsense");
    client.send_text("{\"id\":null,\"method\":\"x\"}");
    still_works(&mut client).await;
    let record = client.record();
    let told: Vec<_> =
        record.messages().iter().filter(|(_, m)| m["id"].is_null() && m.get("error").is_some()).collect();
    let codes: Vec<_> = told.iter().map(|(_, message)| message["error"]["code"].clone()).collect();
    assert_eq!(codes, [-32700, -32600]);
}

#[tokio::test]
async fn an_unknown_method_names_the_known_ones_before_and_after_initialize() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.connect();
    for _ in 0..2 {
        let refusal = client.refused("no/such", json!({})).await;
        assert_eq!((refusal.code, refusal.kind.as_deref()), (-32600, Some("methodNotFound")));
        let start = "Invalid request: unknown variant `no/such`, expected one of `initialize`, `account/read`, ";
        assert!(refusal.message.starts_with(start), "{}", refusal.message);
        if client.record().messages().len() == 2 {
            client.initialize().await;
        }
    }
    still_works(&mut client).await;
}

#[tokio::test]
async fn a_call_before_initialize_is_refused_and_initialize_still_works() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.connect();
    let refusal = client.refused("thread/start", json!({})).await;
    assert_eq!((refusal.code, refusal.message.as_str()), (-32600, "Not initialized"));
    client.initialize().await;
    still_works(&mut client).await;
}

#[tokio::test]
async fn a_second_initialize_is_refused() {
    let (_host, mut client) = client().await;
    let params = json!({ "clientInfo": { "name": "x", "version": "1" } });
    let refusal = client.refused("initialize", params).await;
    assert_eq!((refusal.code, refusal.message.as_str()), (-32600, "Already initialized"));
    still_works(&mut client).await;
}

#[tokio::test]
async fn bad_parameters_are_named_in_the_words_of_the_reference() {
    let (_host, mut client) = client().await;
    let rows = [
        ("turn/start", json!({ "input": [] }), "missing field `threadId`"),
        ("turn/start", json!({ "threadId": 5, "input": [] }), "invalid type: integer `5`, expected a string"),
        ("thread/list", json!({ "useStateDbOnly": null }), "invalid type: null, expected a boolean"),
        (
            "thread/start",
            json!({ "sandbox": "nope" }),
            "unknown variant `nope`, expected one of `read-only`, `workspace-write`, `danger-full-access`",
        ),
    ];
    for (method, params, reason) in rows {
        let refusal = client.refused(method, params).await;
        assert_eq!(refusal.message, format!("Invalid request: {reason}"));
        assert_eq!((refusal.code, refusal.kind.as_deref()), (-32600, Some("invalidParams")));
    }
    let answer = client.ask(json!({ "id": 77, "method": "account/read" })).await;
    assert_eq!(answer["error"]["message"], "Invalid request: missing field `params`");
    still_works(&mut client).await;
}

#[tokio::test]
async fn methods_without_parameters_take_none_null_and_an_object() {
    let (_host, mut client) = client().await;
    for (id, params) in [(100, None), (101, Some(Value::Null)), (102, Some(json!({}))), (103, Some(json!({ "x": 1 })))]
    {
        let mut message = json!({ "id": id, "method": "configRequirements/read" });
        if let Some(params) = params {
            message["params"] = params;
        }
        let answer = client.ask(message).await;
        assert_eq!(answer["result"], json!({ "supportsIndependentSpeedModes": true, "requirements": null }));
    }
}

#[tokio::test]
async fn unknown_members_parameters_and_notifications_are_ignored() {
    let (_host, mut client) = client().await;
    client.send_text("{\"method\":\"no/such/notification\",\"params\":{\"x\":1}}");
    client.send_text("{\"method\":\"initialized\"}");
    client.send_text("{\"id\":4711,\"result\":{}}");
    let message = json!({
        "jsonrpc": "2.0", "trace": {}, "id": 1000, "method": "thread/loaded/list", "params": { "no": "such" },
    });
    assert_eq!(client.ask(message).await["result"]["data"], json!([]));
}

#[tokio::test]
async fn experimental_fields_and_values_need_the_capability() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.connect();
    client.initialize_with(Value::Null).await;
    let granular = json!({
        "granular": { "sandbox_approval": true, "rules": true, "mcp_elicitations": true },
    });
    let rows = [
        (json!({ "dynamicTools": [] }), "thread/start.dynamicTools requires experimentalApi capability"),
        (json!({ "approvalPolicy": granular }), "askForApproval.granular requires experimentalApi capability"),
    ];
    for (params, message) in rows {
        assert_eq!(client.refused("thread/start", params).await.message, message);
    }
    client.call("thread/start", json!({ "dynamicTools": null })).await.unwrap();
}

#[tokio::test]
async fn initialize_answers_with_a_user_agent_that_clients_can_parse() {
    let host = TestHost::start(Script::new()).await;
    let mut first = host.connect();
    let answer = first.initialize().await;
    let user_agent = answer["userAgent"].as_str().unwrap();
    assert!(user_agent.starts_with("test_client/0.169.0 ("), "{user_agent}");
    assert!(user_agent.ends_with(" (test_client; 1.0)"), "{user_agent}");
    assert_eq!(answer["valet"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(answer["codexHome"], host.home().display().to_string());
}

#[tokio::test]
async fn a_client_name_that_no_header_can_carry_is_refused_and_may_be_mended() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.connect();
    let params = json!({ "clientInfo": { "name": "a\nb", "version": "1" } });
    let refusal = client.refused("initialize", params).await;
    assert_eq!(refusal.message, "Invalid clientInfo.name: 'a\nb'. Must be a valid HTTP header value.");
    client.initialize().await;
}

#[tokio::test]
async fn notifications_that_a_client_does_not_want_are_not_sent_to_it() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.connect();
    let unwanted = json!(["thread/started", "no/such", "account/updated"]);
    client.initialize_with(json!({ "experimentalApi": true, "optOutNotificationMethods": unwanted })).await;
    client.thread().await;
    let token = client.token(valet_sim::TokenRequest::default());
    let login = json!({ "type": "chatgptAuthTokens", "accessToken": token.access_token, "chatgptAccountId": "acct-1" });
    client.call("account/login/start", login).await.unwrap();
    client.wait_for::<valet_protocol::methods::AccountLoginCompleted>().await;
    still_has_no(&mut client, "thread/started").await;
    still_has_no(&mut client, "account/updated").await;
}

async fn still_has_no(client: &mut TestClient, method: &str) {
    client.call("account/read", json!({})).await.unwrap();
    assert!(client.record().messages().iter().all(|(_, message)| message["method"] != method));
}
