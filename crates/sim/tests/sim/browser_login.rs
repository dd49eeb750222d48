//! The login in a browser: the page, the decision, the way back, the code.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use url::Url;
use valet_sim::{Decision, GrantKind, Identity, IssuerPolicy, Script, Sim};

use crate::support::{Client, Page, query};

const CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";
const CALLBACK: &str = "http://127.0.0.1:1455/auth/callback";
/// The pair of RFC 7636.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Nothing in it survives a careless trip through an address.
const STATE: &str = "a&b=c+d e%20/ü";

async fn start(issuer: IssuerPolicy) -> Result<Client> {
    Client::new(&Sim::start(Script::new().issuer(issuer)).await?)
}

/// The address of a login in order, with some members in place of its own; an empty one is left out.
fn address(client: &Client, changes: &[(&str, &str)]) -> Result<String> {
    let mut members = vec![
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile email offline_access"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", STATE),
    ];
    members.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    members.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    Ok(Url::parse_with_params(&format!("{}/oauth/authorize", client.sim.origin()), members)?.into())
}

async fn begin(client: &Client, changes: &[(&str, &str)]) -> Result<Page> {
    client.browse(&address(client, changes)?).await
}

/// The members that a login comes back with when it is approved at once.
async fn code(client: &Client) -> Result<String> {
    let page = begin(client, &[("auto", "acct-1")]).await?;
    query(&page.location()?).remove("code").context("no code")
}

/// Exchanges a code, with some members in place of the right ones.
async fn exchange(client: &Client, code: &str, changes: &[(&str, &str)]) -> Result<(u16, Value)> {
    let right = [
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT_ID),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
    ];
    let members = right.map(|(name, value)| {
        let change = changes.iter().find(|(changed, _)| *changed == name);
        (name, change.map_or(value, |(_, value)| value))
    });
    client.token(&members).await
}

fn claims(token: &Value) -> Result<Value> {
    let payload = token.as_str().and_then(|token| token.split('.').nth(1)).context("not a token")?;
    Ok(serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload)?)?)
}

#[tokio::test]
async fn a_person_presses_continue_and_the_code_becomes_tokens() -> Result<()> {
    let client = start(IssuerPolicy::default()).await?;
    let page = begin(&client, &[("originator", "parent_app")]).await?;
    assert_eq!(page.status, 200);
    for text in ["parent_app", CLIENT_ID, CALLBACK, "Continue as user@example.com (acct-1)", "Cancel"] {
        assert!(page.html.contains(text), "{}", page.html);
    }
    let pressed = [("request", page.value("request")?), ("account", page.value("account")?)];
    let back = client.submit("/oauth/authorize", &pressed).await?;
    assert_eq!(back.status, 302);
    let back = back.location()?;
    assert_eq!((back.port(), back.path()), (Some(1455), "/auth/callback"));
    let members = query(&back);
    assert_eq!(members["state"], STATE);

    let (status, tokens) = exchange(&client, &members["code"], &[]).await?;
    assert_eq!((status, &tokens["expires_in"]), (200, &json!(3600)));
    let id = claims(&tokens["id_token"])?;
    assert_eq!(id["email"], "user@example.com");
    assert_eq!(
        id["https://api.openai.com/auth"],
        json!({
            "chatgpt_plan_type": "pro", "chatgpt_account_id": "acct-1",
            "chatgpt_user_id": "user-1", "user_id": "user-1",
            "organizations": [{"id": "org-acct-1", "title": "Demo", "role": "owner", "is_default": true}],
        })
    );
    assert_eq!(client.turn_status(tokens["access_token"].as_str().unwrap_or_default()).await?, 200);
    let grants = client.sim.tokens().grants();
    assert_eq!(
        (grants.len(), grants[0].kind, grants[0].client_id.as_deref()),
        (1, GrantKind::Browser, Some(CLIENT_ID))
    );
    Ok(())
}

#[tokio::test]
async fn cancelling_goes_back_with_an_error_and_a_page_is_answered_once() -> Result<()> {
    let client = start(IssuerPolicy::default()).await?;
    let page = begin(&client, &[]).await?;
    let pressed = [("request", page.value("request")?), ("deny", page.value("deny")?)];
    let members = query(&client.submit("/oauth/authorize", &pressed).await?.location()?);
    assert_eq!((members["error"].as_str(), members["state"].as_str()), ("access_denied", STATE));
    assert_eq!(members.get("code"), None);
    let again = client.submit("/oauth/authorize", &pressed).await?;
    assert_eq!(again.status, 400);
    assert!(again.html.contains("is waiting for a decision"), "{}", again.html);
    Ok(())
}

#[tokio::test]
async fn the_script_or_the_address_decides_at_once() -> Result<()> {
    let client = start(IssuerPolicy::decided(Decision::Approve("acct-1".to_owned()))).await?;
    assert!(query(&begin(&client, &[]).await?.location()?).contains_key("code"));
    let denied = query(&begin(&client, &[("auto", "deny")]).await?.location()?);
    assert_eq!(denied["error"], "access_denied");
    assert_eq!(begin(&client, &[("auto", "ask")]).await?.status, 200);
    assert_eq!(begin(&client, &[("auto", "acct-9")]).await?.status, 400);

    client.sim.replace_script(Script::new().issuer(IssuerPolicy::decided(Decision::Deny)));
    assert!(query(&begin(&client, &[]).await?.location()?).contains_key("error"));
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_not_in_order_is_told_why() -> Result<()> {
    let client = start(IssuerPolicy::default()).await?;
    let cases = [
        (("response_type", "token"), "`response_type` must be &quot;code&quot;, not &quot;token&quot;."),
        (("client_id", ""), "`client_id` is missing."),
        (("client_id", "app_other"), "`client_id` &quot;app_other&quot; is not known."),
        (("redirect_uri", "http://example.com/auth/callback"), "`redirect_uri` must be http, on this machine"),
        (("redirect_uri", "https://127.0.0.1:1455/auth/callback"), "`redirect_uri` must be http, on this machine"),
        (("redirect_uri", "http://127.0.0.1:1455/elsewhere"), "`redirect_uri` must be http, on this machine"),
        (("redirect_uri", "callback"), "is not an address"),
        (("scope", "openid profile email"), "`scope` lacks &quot;offline_access&quot;."),
        (("code_challenge_method", "plain"), "`code_challenge_method` must be &quot;S256&quot;"),
        (("code_challenge", "short"), "`code_challenge` is not a SHA-256 hash in base64url."),
        (("state", ""), "`state` is missing."),
    ];
    for (change, problem) in cases {
        let page = begin(&client, &[change]).await?;
        assert_eq!(page.status, 400, "{change:?}");
        assert!(page.html.contains(problem), "{change:?}: {}", page.html);
    }
    for host in ["localhost", "[::1]", "127.0.0.1"] {
        let page = begin(&client, &[("redirect_uri", &format!("http://{host}:9/auth/callback"))]).await?;
        assert_eq!(page.status, 200, "{host}");
    }
    Ok(())
}

#[tokio::test]
async fn only_accounts_of_the_allowed_workspaces_can_log_in() -> Result<()> {
    let accounts = ["acct-1", "acct-2", "acct-3"].map(Identity::account).to_vec();
    let client = start(IssuerPolicy { accounts, ..IssuerPolicy::default() }).await?;
    let page = begin(&client, &[("allowed_workspace_id", "acct-3,acct-2")]).await?;
    assert!(page.html.contains("(acct-2)") && page.html.contains("(acct-3)"), "{}", page.html);
    assert!(!page.html.contains("(acct-1)"), "{}", page.html);
    let pressed = [("request", page.value("request")?), ("account", "acct-1")];
    assert_eq!(client.submit("/oauth/authorize", &pressed).await?.status, 400);

    let nobody = begin(&client, &[("allowed_workspace_id", "acct-9")]).await?;
    assert!(nobody.html.contains("No account is in a workspace that is allowed."), "{}", nobody.html);
    let decided = begin(&client, &[("allowed_workspace_id", "acct-2"), ("auto", "acct-1")]).await?;
    assert_eq!(query(&decided.location()?)["error"], "access_denied");
    Ok(())
}

#[tokio::test]
async fn a_code_is_good_for_one_right_attempt() -> Result<()> {
    let client = start(IssuerPolicy::default()).await?;
    let wrong = [
        ("code", "ac_invented", "The code was not issued by this sim."),
        ("client_id", "app_other", "The code was issued to another client."),
        ("redirect_uri", "http://localhost:1455/auth/callback", "The code was issued for another `redirect_uri`."),
        ("code_verifier", "guessed", "The `code_verifier` does not fit the challenge."),
    ];
    for (name, value, problem) in wrong {
        let code = code(&client).await?;
        let refused = exchange(&client, &code, &[(name, value)]).await?;
        assert_eq!(refused, (400, json!({"error": "invalid_grant", "error_description": problem})));
    }
    let code = code(&client).await?;
    assert_eq!(exchange(&client, &code, &[]).await?.0, 200);
    let replayed = exchange(&client, &code, &[]).await?;
    assert_eq!((replayed.0, &replayed.1["error_description"]), (400, &json!("The code was used before.")));
    assert_eq!(client.sim.tokens().grants().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_wrong_attempt_spends_the_code_and_so_does_time() -> Result<()> {
    let client = start(IssuerPolicy::default()).await?;
    let guessed = code(&client).await?;
    exchange(&client, &guessed, &[("code_verifier", "guessed")]).await?;
    assert_eq!(exchange(&client, &guessed, &[]).await?.1["error_description"], "The code was used before.");

    let client = start(IssuerPolicy { code_lifetime_ms: 0, ..IssuerPolicy::default() }).await?;
    let late = code(&client).await?;
    assert_eq!(exchange(&client, &late, &[]).await?.1["error_description"], "The code has expired.");
    Ok(())
}

#[tokio::test]
async fn two_logins_at_once_do_not_mix() -> Result<()> {
    let accounts = ["acct-1", "acct-2"].map(Identity::account).to_vec();
    let client = start(IssuerPolicy { accounts, ..IssuerPolicy::default() }).await?;
    let one = begin(&client, &[("state", "one")]).await?;
    let two = begin(&client, &[("state", "two")]).await?;
    let mut seen = HashMap::new();
    for (page, account) in [(&two, "acct-2"), (&one, "acct-1")] {
        let pressed = [("request", page.value("request")?), ("account", account)];
        let members = query(&client.submit("/oauth/authorize", &pressed).await?.location()?);
        let tokens = exchange(&client, &members["code"], &[]).await?.1;
        let account = claims(&tokens["access_token"])?["https://api.openai.com/auth"]["chatgpt_account_id"].clone();
        seen.insert(members["state"].clone(), account);
    }
    assert_eq!(seen, HashMap::from([("one".into(), json!("acct-1")), ("two".into(), json!("acct-2"))]));
    Ok(())
}

#[tokio::test]
async fn a_control_call_presses_the_button() -> Result<()> {
    let client = start(IssuerPolicy::default()).await?;
    for _ in 0..3 {
        begin(&client, &[]).await?;
    }
    let shown = client.get("/sim/issuer").await?.1;
    let pending = &shown["pending"];
    assert_eq!(pending.as_array().map(Vec::len), Some(3));
    assert_eq!((&pending[0]["kind"], &pending[0]["redirectUri"]), (&json!("browser"), &json!(CALLBACK)));
    assert_eq!(pending[0]["accounts"][0]["account"], "acct-1");

    let approved = client.post("/sim/issuer/approve", &json!({"id": pending[0]["id"]})).await?.1;
    let location = Url::parse(approved["location"].as_str().context("no location")?)?;
    assert_eq!(exchange(&client, &query(&location)["code"], &[]).await?.0, 200);
    let denied = client.post("/sim/issuer/deny", &json!({"id": pending[1]["id"]})).await?.1;
    assert!(denied["location"].as_str().is_some_and(|location| location.contains("error=access_denied")), "{denied}");

    assert_eq!(client.post("/sim/issuer/deny", &json!({"id": pending[1]["id"]})).await?.0, 400);
    let other = json!({"id": pending[2]["id"], "account": "acct-9"});
    assert_eq!(client.post("/sim/issuer/approve", &other).await?.0, 400);
    let left: Vec<_> = client.sim.issuer().pending().into_iter().map(|login| json!(login.id)).collect();
    assert_eq!(left, [pending[2]["id"].clone()], "a decision that is not possible leaves the login waiting");
    Ok(())
}

#[tokio::test]
async fn what_a_script_says_is_text_on_the_page() -> Result<()> {
    let accounts = vec![Identity { email: "<b>\"&".to_owned(), ..Identity::default() }];
    let client = start(IssuerPolicy { accounts, ..IssuerPolicy::default() }).await?;
    let page = begin(&client, &[]).await?;
    assert!(page.html.contains("Continue as &lt;b&gt;&quot;&amp; (acct-1)"), "{}", page.html);
    Ok(())
}
