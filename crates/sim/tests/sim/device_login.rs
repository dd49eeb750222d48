//! The login of a device: a code is shown here, entered there, and asked about until then.

use anyhow::{Context as _, Result};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_sim::{Decision, DevicePolicy, GrantKind, IssuerPolicy, Script, Sim};

use crate::support::Client;

const CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";

async fn start(device: DevicePolicy) -> Result<Client> {
    Client::new(&Sim::start(Script::new().issuer(IssuerPolicy { device, ..IssuerPolicy::default() })).await?)
}

/// Asks for a code.
async fn begin(client: &Client) -> Result<Value> {
    let (status, code) = client.post("/api/accounts/deviceauth/usercode", &json!({"client_id": CLIENT_ID})).await?;
    anyhow::ensure!(status == 200, "{code}");
    Ok(code)
}

/// Asks whether it was entered. The `interval` in the body does not matter.
async fn poll(client: &Client, code: &Value) -> Result<(u16, Value)> {
    client.post("/api/accounts/deviceauth/token", code).await
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}

#[tokio::test]
async fn a_person_enters_the_code_and_the_client_gets_tokens() -> Result<()> {
    let client = start(DevicePolicy::default()).await?;
    let code = begin(&client).await?;
    assert_eq!(code["interval"], "5");
    assert_eq!(poll(&client, &code).await?.0, 403);

    let user_code = text(&code, "user_code")?;
    let page = client.browse(&format!("{}/codex/device?user_code={user_code}", client.sim.origin())).await?;
    assert_eq!((page.status, page.value("user_code")?), (200, user_code));
    let pressed = [("user_code", user_code), ("account", page.value("account")?)];
    assert_eq!(client.submit("/codex/device", &pressed).await?.status, 200);

    let (status, grant) = poll(&client, &code).await?;
    assert_eq!(status, 200);
    assert!(grant["code_challenge"].is_string(), "{grant}");
    let redirect_uri = format!("{}/deviceauth/callback", client.sim.origin());
    let (status, tokens) = client
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT_ID),
            ("code", text(&grant, "authorization_code")?),
            ("code_verifier", text(&grant, "code_verifier")?),
            ("redirect_uri", &redirect_uri),
        ])
        .await?;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(client.turn_status(text(&tokens, "access_token")?).await?, 200);
    assert_eq!(client.sim.tokens().grants()[0].kind, GrantKind::Device);
    assert_eq!(poll(&client, &code).await?.0, 400, "the login has ended");
    Ok(())
}

#[tokio::test]
async fn the_script_approves_after_some_polls() -> Result<()> {
    let approve = Decision::Approve("acct-1".to_owned());
    let device = DevicePolicy { approve, after_polls: 2, pending_status: 404, interval: 0, ..DevicePolicy::default() };
    let client = start(device).await?;
    let code = begin(&client).await?;
    assert_eq!(code["interval"], "0");
    for status in [404, 404, 200] {
        assert_eq!(poll(&client, &code).await?.0, status);
    }
    Ok(())
}

#[tokio::test]
async fn a_code_can_be_refused_and_runs_out() -> Result<()> {
    let client = start(DevicePolicy::default()).await?;
    let code = begin(&client).await?;
    let pressed = [("user_code", text(&code, "user_code")?), ("deny", "yes")];
    assert_eq!(client.submit("/codex/device", &pressed).await?.status, 200);
    let (status, refused) = poll(&client, &code).await?;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("access_denied")));

    let client = start(DevicePolicy { approve: Decision::Deny, ..DevicePolicy::default() }).await?;
    let code = begin(&client).await?;
    assert_eq!(poll(&client, &code).await?.1["error"]["code"], "access_denied");

    let client = start(DevicePolicy { lifetime_ms: 0, ..DevicePolicy::default() }).await?;
    let code = begin(&client).await?;
    assert_eq!(poll(&client, &code).await?.1["error"]["code"], "expired_token");
    let pressed = [("user_code", text(&code, "user_code")?), ("account", "acct-1")];
    assert_eq!(client.submit("/codex/device", &pressed).await?.status, 400);
    Ok(())
}

#[tokio::test]
async fn device_logins_can_be_disabled_and_clients_unknown() -> Result<()> {
    let client = start(DevicePolicy { enabled: false, ..DevicePolicy::default() }).await?;
    let path = "/api/accounts/deviceauth/usercode";
    assert_eq!(client.post(path, &json!({"client_id": CLIENT_ID})).await?.0, 404);
    let client = start(DevicePolicy::default()).await?;
    assert_eq!(client.post(path, &json!({"client_id": "app_other"})).await?.0, 400);
    assert_eq!(poll(&client, &json!({"device_auth_id": "x", "user_code": "y"})).await?.0, 400);
    Ok(())
}

#[tokio::test]
async fn the_handle_decides_about_a_code() -> Result<()> {
    let client = start(DevicePolicy::default()).await?;
    let (one, two) = (begin(&client).await?, begin(&client).await?);
    let issuer = client.sim.issuer();
    let pending: Vec<_> = issuer.pending().into_iter().map(|login| (login.kind, json!(login.id))).collect();
    assert_eq!(pending, [&one, &two].map(|code| (GrantKind::Device, code["user_code"].clone())));
    assert_eq!(issuer.approve(text(&two, "user_code")?, "acct-1")?, None);
    assert_eq!(issuer.deny(text(&one, "user_code")?)?, None);
    assert_eq!(poll(&client, &one).await?.0, 400);
    assert_eq!(poll(&client, &two).await?.0, 200);
    assert_eq!(issuer.pending(), []);
    Ok(())
}
