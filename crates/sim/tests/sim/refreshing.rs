//! Refresh tokens: rotation, reuse, revocation, and what goes wrong on the way.

use std::time::Duration;

use anyhow::{Context as _, Result};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_sim::{
    Fault, IssuedToken, IssuerPolicy, Outcome, RefreshState, Script, Sim, TokenPolicy, TokenRequest, fingerprint,
};

use crate::support::Client;

const TOKEN: &str = "/oauth/token";

async fn start(tokens: TokenPolicy) -> Result<(Client, IssuedToken)> {
    let client = Client::new(&Sim::start(Script::new().tokens(tokens)).await?)?;
    let issued = client.sim.tokens().issue(TokenRequest::account("acct-9").plan("team"));
    Ok((client, issued))
}

async fn with_fault(fault: Fault) -> Result<(Client, IssuedToken)> {
    let (client, issued) = start(TokenPolicy::default()).await?;
    client.sim.replace_script(Script::new().issuer(IssuerPolicy::default().fault(fault)));
    Ok((client, issued))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}

/// The `error.code` of an answer.
fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn refresh_tokens_rotate_and_are_good_once() -> Result<()> {
    let (client, issued) = start(TokenPolicy::default()).await?;
    let form = [("grant_type", "refresh_token"), ("refresh_token", issued.refresh_token.as_str())];
    let (status, body) = client.token(&form).await?;
    assert_eq!(status, 200);
    let access_token = text(&body, "access_token")?;
    assert_ne!(access_token, issued.access_token);
    assert_ne!(text(&body, "id_token")?, issued.id_token);
    let newer = text(&body, "refresh_token")?;
    assert_ne!(newer, issued.refresh_token);
    assert_eq!(client.turn_status(access_token).await?, 200);
    let check = client.call("GET", "/backend-api/wham/accounts/check", Some(access_token)).await?.1;
    assert_eq!((&check["default_account_id"], &check["accounts"][0]["plan_type"]), (&json!("acct-9"), &json!("team")));

    assert_eq!(code(&client.token(&form).await?), (401, "refresh_token_reused"));
    assert_eq!(client.refresh(newer).await?.0, 200, "the reuse of an older one does not harm it");
    assert_eq!(code(&client.refresh("rt_invented").await?), (401, "refresh_token_invalidated"));
    let other = client.post(TOKEN, &json!({"grant_type": "password"})).await?;
    assert_eq!((other.0, &other.1["error"]), (400, &json!("unsupported_grant_type")));
    Ok(())
}

#[tokio::test]
async fn a_grant_tells_what_was_redeemed_and_why() -> Result<()> {
    let (client, issued) = start(TokenPolicy::default()).await?;
    let body = json!({
        "grant_type": "refresh_token", "refresh_token": issued.refresh_token, "client_id": "any",
        "refresh_reason": "forced",
    });
    let newer = client.post(TOKEN, &body).await?.1;
    client.post(TOKEN, &body).await?;

    let grants = client.sim.tokens().grants();
    let grant = grants.first().context("no grant")?;
    let redemptions = grant.redemptions.iter();
    let redemptions: Vec<_> =
        redemptions.map(|one| (one.fingerprint.as_str(), one.reason.as_deref(), one.refused.as_deref())).collect();
    let shown = fingerprint(&issued.refresh_token);
    assert_eq!(
        redemptions,
        [(shown.as_str(), Some("forced"), None), (&shown, Some("forced"), Some("refresh_token_reused"))]
    );
    let tokens = grant.refresh_tokens.iter();
    let tokens: Vec<_> = tokens.map(|token| (token.fingerprint.clone(), token.state)).collect();
    let newer = fingerprint(text(&newer, "refresh_token")?);
    assert_eq!(tokens, [(shown, RefreshState::Spent), (newer.clone(), RefreshState::Good)]);

    let listed = client.get("/sim/issuer").await?.1["grants"][0].clone();
    assert_eq!(listed["refreshTokens"][1], json!({"fingerprint": newer, "state": "good"}));
    assert_eq!((&listed["kind"], &listed["owner"]["account"]), (&json!("issued"), &json!("acct-9")));
    assert!(listed["redemptions"][0]["at"].as_u64() > Some(1_700_000_000_000), "{listed}");
    Ok(())
}

#[tokio::test]
async fn a_reuse_can_end_the_whole_grant() -> Result<()> {
    let (client, issued) = start(TokenPolicy { reuse_revokes: true, ..TokenPolicy::default() }).await?;
    let newer = client.refresh(&issued.refresh_token).await?.1;
    assert_eq!(client.turn_status(text(&newer, "access_token")?).await?, 200);
    assert_eq!(code(&client.refresh(&issued.refresh_token).await?), (401, "refresh_token_reused"));
    assert_eq!(code(&client.refresh(text(&newer, "refresh_token")?).await?), (401, "refresh_token_invalidated"));
    assert_eq!(client.turn_status(text(&newer, "access_token")?).await?, 401);
    Ok(())
}

#[tokio::test]
async fn within_the_grace_a_reuse_gets_the_same_answer() -> Result<()> {
    let (client, issued) = start(TokenPolicy { refresh_grace_ms: 600_000, ..TokenPolicy::default() }).await?;
    let (first, second) = (client.refresh(&issued.refresh_token).await?, client.refresh(&issued.refresh_token).await?);
    assert_eq!(first, second);
    client.sim.replace_script(Script::new());
    assert_eq!(code(&client.refresh(&issued.refresh_token).await?), (401, "refresh_token_reused"));
    Ok(())
}

#[tokio::test]
async fn refresh_tokens_expire_by_the_clock_and_by_hand() -> Result<()> {
    let (client, issued) = start(TokenPolicy { refresh_lifetime_ms: Some(0), ..TokenPolicy::default() }).await?;
    assert_eq!(code(&client.refresh(&issued.refresh_token).await?), (401, "refresh_token_expired"));

    let (client, issued) = start(TokenPolicy::default()).await?;
    let named = json!({"token": fingerprint(&issued.refresh_token)});
    assert_eq!(client.post("/sim/issuer/expire", &named).await?, (200, json!({})));
    assert_eq!(client.sim.tokens().grants()[0].refresh_tokens[0].state, RefreshState::Expired);
    assert_eq!(code(&client.refresh(&issued.refresh_token).await?), (401, "refresh_token_expired"));
    assert_eq!(client.turn_status(&issued.access_token).await?, 200);
    assert_eq!(client.post("/sim/issuer/expire", &json!({"token": "rt_invented"})).await?.0, 400);
    Ok(())
}

#[tokio::test]
async fn revocation_ends_a_grant_for_turns_side_calls_and_refreshes() -> Result<()> {
    for by_access_token in [false, true] {
        let (client, issued) = start(TokenPolicy::default()).await?;
        let other = client.sim.tokens().issue(TokenRequest::default());
        let token = if by_access_token { &issued.access_token } else { &issued.refresh_token };
        assert_eq!(client.post("/oauth/revoke", &json!({"token": token})).await?, (200, json!({})));
        let response = client.turn(&issued.access_token, "hi").await?;
        assert_eq!(response.status(), 401);
        assert_eq!(response.json::<Value>().await?["error"]["code"], "token_revoked");
        assert_eq!(client.call("GET", "/v1/models", Some(&issued.access_token)).await?.0, 401);
        assert_eq!(code(&client.refresh(&issued.refresh_token).await?), (401, "refresh_token_invalidated"));
        assert_eq!(client.turn_status(&other.access_token).await?, 200);
    }
    let (client, issued) = start(TokenPolicy::default()).await?;
    assert_eq!(client.post("/oauth/revoke", &json!({"token": "rt_invented"})).await?.0, 200);
    assert_eq!(client.post("/oauth/revoke", &json!({})).await?.0, 400);
    let named = json!({"token": fingerprint(&issued.access_token)});
    assert_eq!(client.post("/sim/issuer/revoke", &named).await?.0, 200);
    assert_eq!(client.sim.tokens().grants()[0].revoked, true);
    Ok(())
}

#[tokio::test]
async fn a_fault_answers_instead_of_the_endpoint_as_often_as_it_says() -> Result<()> {
    let fault = Fault::status(TOKEN, 500).times(2).grant_type("refresh_token");
    let (client, issued) = with_fault(fault).await?;
    let exchange = client.token(&[("grant_type", "authorization_code")]).await?;
    assert_eq!(exchange.1["error"], "invalid_grant", "the fault is about refreshes");
    for status in [500, 500, 200] {
        assert_eq!(client.refresh(&issued.refresh_token).await?.0, status);
    }

    let body = json!({"error": "invalid_grant"});
    let (client, issued) = with_fault(Fault::status(TOKEN, 400).body(body.clone())).await?;
    assert_eq!(client.refresh(&issued.refresh_token).await?, (400, body));

    let (client, issued) = with_fault(Fault::status("/oauth/revoke", 503)).await?;
    assert_eq!(client.post("/oauth/revoke", &json!({"token": issued.refresh_token})).await?.0, 503);
    assert_eq!(client.sim.tokens().grants()[0].revoked, false);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_lost_has_spent_the_token() -> Result<()> {
    let (client, issued) = with_fault(Fault::hang(TOKEN).times(1)).await?;
    let asking = client.refresh(&issued.refresh_token);
    let is_pending = |request: &valet_sim::RecordedRequest| request.path == TOKEN;
    tokio::select! {
        answer = asking => anyhow::bail!("answered: {answer:?}"),
        seen = async {
            client.sim.wait_for_requests(is_pending, 1).await;
            // The request is recorded before its work is done.
            while client.sim.tokens().grants()[0].redemptions.is_empty() {
                tokio::task::yield_now().await;
            }
            client.sim.requests()
        } => assert_eq!((seen[0].status, seen[0].outcome), (None, Outcome::Pending)),
    }
    let gone = |request: &valet_sim::RecordedRequest| request.outcome == Outcome::Abandoned;
    client.sim.wait_for_requests(gone, 1).await;
    assert_eq!(code(&client.refresh(&issued.refresh_token).await?), (401, "refresh_token_reused"));
    Ok(())
}

#[tokio::test]
async fn a_late_answer_is_the_right_one() -> Result<()> {
    let pause = Duration::from_millis(50);
    let (client, issued) = with_fault(Fault::slow(TOKEN, pause)).await?;
    let begun = std::time::Instant::now();
    assert_eq!(client.refresh(&issued.refresh_token).await?.0, 200);
    assert!(begun.elapsed() >= pause);
    Ok(())
}

#[tokio::test]
async fn forms_are_recorded_without_their_secrets() -> Result<()> {
    let (client, issued) = start(TokenPolicy::default()).await?;
    let form =
        [("grant_type", "refresh_token"), ("refresh_token", issued.refresh_token.as_str()), ("code", "ac_secret")];
    client.token(&form).await?;
    let json_called_a_form = json!({"token": issued.refresh_token}).to_string();
    client.post_form("/oauth/revoke", json_called_a_form).await?;
    let requests = client.sim.requests();
    let shown = fingerprint(&issued.refresh_token);
    assert_eq!(
        requests[0].body,
        json!({"grant_type": "refresh_token", "refresh_token": shown, "code": fingerprint("ac_secret")})
    );
    assert_eq!(requests[1].body, json!({"token": shown}));
    Ok(())
}
