//! The control endpoints, and the handle's own means of control.

use anyhow::Result;
use pretty_assertions::assert_eq;
use serde_json::json;
use valet_sim::{Script, Sim, fingerprint};

use crate::support::Client;

#[tokio::test]
async fn tokens_are_issued_and_expired_over_http() -> Result<()> {
    let client = Client::new(&Sim::start(Script::default()).await?)?;
    let params = json!({"account": "acct-2", "plan": "team", "uses": 1, "lifetimeMs": 60_000});
    let (status, issued) = client.post("/sim/tokens", &params).await?;
    assert_eq!(status, 200);
    assert_eq!((&issued["chatgptAccountId"], &issued["chatgptPlanType"]), (&json!("acct-2"), &json!("team")));
    assert_eq!((&issued["userId"], &issued["email"]), (&json!("user-1"), &json!("user@example.com")));
    assert!(issued["expiresAt"].is_u64() && issued["refreshToken"].is_string(), "{issued}");
    let token = issued["accessToken"].as_str().unwrap_or_default();
    assert_eq!(issued["fingerprint"], fingerprint(token));
    assert_eq!(client.turn_status(token).await?, 200);
    assert_eq!(client.turn_status(token).await?, 401);

    let (_, issued) = client.call("POST", "/sim/tokens", None).await?;
    let token = issued["accessToken"].as_str().unwrap_or_default();
    let body = json!({"accessToken": token});
    assert_eq!(client.post("/sim/tokens/expire", &body).await?, (200, json!({"expired": 1})));
    assert_eq!(client.turn_status(token).await?, 401);
    let all = client.call("POST", "/sim/tokens/expire", None).await?;
    assert_eq!(all, (200, json!({"expired": 1})), "the spent token of acct-2 is not expired yet");
    Ok(())
}

#[tokio::test]
async fn the_record_is_listed_without_control_calls() -> Result<()> {
    let client = Client::new(&Sim::start(Script::default()).await?)?;
    client.turn_status("key").await?;
    client.get("/v1/models").await?;
    let all = client.get("/sim/requests").await?.1;
    let first = &all["requests"][0];
    assert_eq!((&first["seq"], &first["method"], &first["path"]), (&json!(1), &json!("POST"), &json!("/v1/responses")));
    assert_eq!((&first["status"], &first["bearer"]), (&json!(200), &json!(fingerprint("key"))));
    assert_eq!(first["headers"].get("authorization"), None);
    let later = client.get("/sim/requests?since=1").await?.1;
    assert_eq!(later["requests"].as_array().map(Vec::len), Some(1));
    assert_eq!(later["requests"][0]["path"], "/v1/models");
    assert_eq!(client.get("/sim/requests?since=x").await?.0, 400);
    Ok(())
}

#[tokio::test]
async fn a_script_is_replaced_and_a_bad_one_is_explained() -> Result<()> {
    let client = Client::new(&Sim::start(Script::text("old")).await?)?;
    let script = json!({"rules": [{"responses": [{"steps": [{"text": "new"}]}]}]});
    assert_eq!(client.post("/sim/script", &script).await?, (200, json!({})));
    let (status, body) = client.post("/sim/script", &json!({"rulez": []})).await?;
    assert_eq!(status, 400);
    let message = body["error"]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("unknown field `rulez`") && message.contains("line 1"), "{message}");
    let events = client.events("hi").await?;
    assert_eq!(events[events.len() - 2]["item"]["content"][0]["text"], "new");
    Ok(())
}

#[tokio::test]
async fn misspelt_parameters_and_unknown_controls_are_refused() -> Result<()> {
    let client = Client::new(&Sim::start(Script::default()).await?)?;
    assert_eq!(client.post("/sim/tokens", &json!({"acount": "x"})).await?.0, 400);
    assert_eq!(client.get("/sim/nothing").await?.0, 404);
    Ok(())
}

#[test]
fn handles_can_be_shared_between_threads() {
    fn shareable<T: Clone + Send + Sync + 'static>() {}
    shareable::<Sim>();
}
