//! Who may pass, for how long, and what is never shown.

use std::time::Duration;

use anyhow::Result;
use pretty_assertions::assert_eq;
use serde_json::json;
use valet_sim::{Script, Sim, TokenPolicy, TokenRequest, fingerprint};

use crate::support::Client;

/// A JWT that no sim issued.
const FOREIGN: &str = "eyJhbGciOiJub25lIn0.e30.x";

async fn start(tokens: TokenPolicy) -> Result<(Sim, Client)> {
    let sim = Sim::start(Script::responses(["one".into(), "two".into()]).tokens(tokens)).await?;
    let client = Client::new(&sim)?;
    Ok((sim, client))
}

#[tokio::test]
async fn the_first_token_of_an_account_can_be_refused_at_once() -> Result<()> {
    let (sim, client) = start(TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() }).await?;
    let first = sim.tokens().issue(TokenRequest::default());
    let second = sim.tokens().issue(TokenRequest::default());
    let other = sim.tokens().issue(TokenRequest::account("acct-2"));

    let refused = client.turn(&first.access_token, "hi").await?;
    assert_eq!(refused.status(), 401);
    assert_eq!(
        refused.json::<serde_json::Value>().await?,
        json!({"error": {"message": "Provided authentication token is expired.",
            "type": "invalid_request_error", "code": "token_expired", "param": null}})
    );
    assert_eq!(client.turn_status(&other.access_token).await?, 401);
    let answer = client.turn(&second.access_token, "hi").await?.text().await?;
    assert!(answer.contains("\"one\""), "a refused request consumes no response: {answer}");
    Ok(())
}

#[tokio::test]
async fn uses_count_turns_and_not_side_calls() -> Result<()> {
    let (sim, client) = start(TokenPolicy { uses: Some(1), ..TokenPolicy::default() }).await?;
    let token = sim.tokens().issue(TokenRequest::default()).access_token;
    for _ in 0..3 {
        assert_eq!(client.call("GET", "/v1/models", Some(&token)).await?.0, 200);
    }
    assert_eq!(client.turn_status(&token).await?, 200);
    assert_eq!(client.turn_status(&token).await?, 401);
    let longer = sim.tokens().issue(TokenRequest::default().uses(2)).access_token;
    for status in [200, 200, 401] {
        assert_eq!(client.turn_status(&longer).await?, status);
    }
    Ok(())
}

#[tokio::test]
async fn tokens_expire_by_the_clock_and_by_hand() -> Result<()> {
    let (sim, client) = start(TokenPolicy::default()).await?;
    let stale = sim.tokens().issue(TokenRequest::default().lifetime(Duration::ZERO));
    assert_eq!(client.turn_status(&stale.access_token).await?, 401);

    let [one, two, three] = [(); 3].map(|()| sim.tokens().issue(TokenRequest::default()));
    sim.tokens().expire(&one.access_token);
    assert_eq!(client.turn_status(&one.access_token).await?, 401);
    assert_eq!(client.turn_status(&two.access_token).await?, 200);
    assert_eq!(sim.tokens().expire_all(), 2);
    assert_eq!(client.turn_status(&three.access_token).await?, 401);
    Ok(())
}

#[tokio::test]
async fn side_calls_refuse_an_expired_token_only_when_told_so() -> Result<()> {
    for (refuse_everywhere, status) in [(false, 200), (true, 401)] {
        let (sim, client) = start(TokenPolicy { refuse_everywhere, ..TokenPolicy::default() }).await?;
        let token = sim.tokens().issue(TokenRequest::default()).access_token;
        let path = "/backend-api/wham/accounts/check";
        assert_eq!(client.call("GET", path, Some(&token)).await?.0, 200);
        sim.tokens().expire(&token);
        assert_eq!(client.call("GET", path, Some(&token)).await?.0, status);
    }
    Ok(())
}

#[tokio::test]
async fn other_credentials_are_judged_by_the_policy() -> Result<()> {
    let (_sim, client) = start(TokenPolicy::default()).await?;
    assert_eq!(client.turn_status(FOREIGN).await?, 401);
    assert_eq!(client.turn_status("any-key").await?, 200);
    let path = "/v1/responses";
    assert_eq!(client.call("POST", path, None).await?.1["error"]["code"], "missing_token");

    let api_keys = Some(vec!["key-1".to_owned()]);
    let (sim, client) =
        start(TokenPolicy { accept_unknown: true, api_keys, anonymous: true, ..TokenPolicy::default() }).await?;
    assert_eq!(client.turn_status("key-1").await?, 200);
    assert_eq!(client.turn_status("key-2").await?, 401);
    assert_eq!(client.turn_status(FOREIGN).await?, 200);
    sim.tokens().expire(FOREIGN);
    assert_eq!(client.turn_status(FOREIGN).await?, 401);
    Ok(())
}

#[tokio::test]
async fn a_new_script_decides_about_keys_and_foreign_tokens_that_an_older_one_took() -> Result<()> {
    let (sim, client) = start(TokenPolicy { accept_unknown: true, ..TokenPolicy::default() }).await?;
    let issued = sim.tokens().issue(TokenRequest::default()).access_token;
    for credential in ["key-1", FOREIGN, issued.as_str()] {
        assert_eq!(client.turn_status(credential).await?, 200);
    }
    let api_keys = Some(vec!["key-2".to_owned()]);
    sim.replace_script(Script::text("two").tokens(TokenPolicy { api_keys, ..TokenPolicy::default() }));
    for (credential, status) in [("key-1", 401), ("key-2", 200), (FOREIGN, 401), (issued.as_str(), 200)] {
        assert_eq!(client.turn_status(credential).await?, status, "{credential}");
    }
    sim.replace_script(Script::text("three"));
    assert_eq!(client.turn_status("key-1").await?, 200);
    Ok(())
}

#[tokio::test]
async fn secrets_are_recorded_but_not_shown() -> Result<()> {
    let api_keys = Some(vec!["script-key".to_owned()]);
    let (sim, client) = start(TokenPolicy { api_keys, ..TokenPolicy::default() }).await?;
    let token = sim.tokens().issue(TokenRequest::default());
    client.turn_status(&token.access_token).await?;
    let body = json!({"grant_type": "refresh_token", "refresh_token": token.refresh_token});
    client.post("/oauth/token", &body).await?;

    let requests = sim.requests();
    assert_eq!(requests[0].bearer.as_deref(), Some(token.access_token.as_str()));
    let script =
        Script::new().tokens(TokenPolicy { api_keys: Some(vec!["script-key".to_owned()]), ..TokenPolicy::default() });
    let shown = format!("{sim:?} {:?} {token:?} {requests:?} {script:?}", sim.tokens());
    let listed = client.get("/sim/requests").await?.1.to_string();
    for text in [shown, listed] {
        assert!(text.contains(&fingerprint(&token.access_token)) && text.contains("/v1/responses"));
        for secret in [token.access_token.as_str(), &token.id_token, &token.refresh_token, "script-key"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    Ok(())
}
