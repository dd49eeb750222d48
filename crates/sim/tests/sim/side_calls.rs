//! The calls around a turn.

use anyhow::Result;
use pretty_assertions::assert_eq;
use serde_json::json;
use valet_sim::{Endpoint, Script, Sim, TokenRequest};

use crate::support::Client;

#[tokio::test]
async fn the_workspace_is_that_of_the_token() -> Result<()> {
    let sim = Sim::start(Script::default()).await?;
    let token = sim.tokens().issue(TokenRequest::account("acct-7").plan("plus")).access_token;
    let (status, body) = Client::new(&sim)?.call("GET", "/backend-api/wham/accounts/check", Some(&token)).await?;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({
            "accounts": [{"id": "acct-7", "plan_type": "plus", "name": "Demo", "structure": "workspace",
                "workspace_backend_origin": "NO_CONSTRAINT", "account_routing_override": "NO_CONSTRAINT"}],
            "account_ordering": ["acct-7"],
            "default_account_id": "acct-7",
        })
    );
    Ok(())
}

#[tokio::test]
async fn models_settings_and_usage_are_served() -> Result<()> {
    let sim = Sim::start(Script::default()).await?;
    let client = Client::new(&sim)?;
    let models = client.get("/v1/models?client_version=0.169.0").await?.1;
    assert_eq!((&models["models"][0]["slug"], &models["data"][0]["id"]), (&json!("gpt-5.5"), &json!("gpt-5.5")));
    assert_eq!(client.get("/backend-api/wham/settings/user").await?, (200, json!({})));
    let usage = client.get("/backend-api/wham/usage").await?.1;
    assert_eq!(usage["plan_type"], "pro");
    assert_eq!(usage["rate_limit"]["primary_window"]["limit_window_seconds"], 18_000);
    let profile = client.get("/backend-api/wham/profiles/me").await?.1;
    assert_eq!(profile["stats"]["daily_usage_buckets"][0]["start_date"], "2026-01-01");
    let credits = client.get("/backend-api/wham/rate-limit-reset-credits").await?.1;
    assert_eq!((&credits["available_count"], &credits["credits"][1]["status"]), (&json!(1), &json!("redeemed")));
    let paths: Vec<_> = sim.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths[0], "/v1/models?client_version=0.169.0");
    Ok(())
}

#[tokio::test]
async fn a_script_replaces_endpoints_and_usage() -> Result<()> {
    let mut script = Script::new()
        .endpoint("GET /backend-api/wham/accounts/check", Endpoint::new(503, json!({"error": "down"})))
        .endpoint("GET /backend-api/wham/config/bundle", Endpoint::default())
        .endpoint("GET /v1/models", Endpoint::new(200, json!({"models": [{"slug": "other"}]})));
    script.usage = Some(json!({"plan_type": "free"}));
    script.usage_of = [("acct-7".to_owned(), json!({"plan_type": "team"}))].into();
    let sim = Sim::start(script).await?;
    let client = Client::new(&sim)?;
    let check = client.get("/backend-api/wham/accounts/check").await?;
    assert_eq!(check, (503, json!({"error": "down"})));
    assert_eq!(client.get("/backend-api/wham/config/bundle").await?, (200, json!({})));
    assert_eq!(client.get("/backend-api/wham/usage").await?.1, json!({"plan_type": "free"}));
    let token = sim.tokens().issue(TokenRequest::account("acct-7")).access_token;
    let other = client.call("GET", "/backend-api/wham/usage", Some(&token)).await?.1;
    assert_eq!(other, json!({"plan_type": "team"}));
    let models = client.get("/v1/models?client_version=0.169.0").await?.1;
    assert_eq!(models, json!({"models": [{"slug": "other"}]}));
    Ok(())
}

#[tokio::test]
async fn unknown_endpoints_are_404_and_recorded() -> Result<()> {
    let sim = Sim::start(Script::default()).await?;
    let client = Client::new(&sim)?;
    let (status, body) = client.get("/v1/files").await?;
    assert_eq!((status, &body["error"]["message"]), (404, &json!("The sim has no GET /v1/files.")));
    assert_eq!(client.get("/v1/responses").await?.0, 426);
    let statuses: Vec<_> = sim.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(404), Some(426)]);
    Ok(())
}
