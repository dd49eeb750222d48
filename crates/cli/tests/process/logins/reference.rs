//! One home for both programs: the reference takes the file that Valet wrote, and Valet the one of the reference.

use std::process::Stdio;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::process::Command;
use valet_client::{AppServer, Client, Handlers};
use valet_protocol::methods as m;
use valet_protocol::v2::GetAccountParams;
use valet_tests::installed;

use super::{Desk, LIMIT, approved};

async fn reference(desk: &Desk, args: &[&str], text: &str) -> Option<String> {
    let mut command = Command::new(installed::codex()?);
    command.args(args).env("CODEX_HOME", desk.path()).env("HOME", desk.path()).kill_on_drop(true);
    command.env_remove("OPENAI_API_KEY");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = tokio::io::AsyncWriteExt::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).await;
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{args:?}: {said}");
    Some(said)
}

/// What the reference's app server says of the home's account.
async fn account(desk: &Desk) -> Option<Value> {
    let mut command = std::process::Command::new(installed::codex()?);
    command.arg("app-server").env("CODEX_HOME", desk.path()).env("HOME", desk.path()).stderr(Stdio::null());
    let server = AppServer::spawn(&mut command).unwrap();
    let (client, _told) = Client::new(server.link, Handlers::new());
    let asked = async {
        client.initialize("t", "1", true).await.unwrap();
        client.request_part::<m::AccountRead, Value>(GetAccountParams::default()).await.unwrap()
    };
    Some(tokio::time::timeout(LIMIT, asked).await.unwrap()["account"].clone())
}

#[tokio::test]
async fn the_reference_takes_a_login_that_valet_made() {
    let desk = Desk::open(approved("acct-2")).await;
    desk.done(&["login", "--device"]).await;
    let Some(said) = reference(&desk, &["login", "status"], "").await else { return };
    assert!(said.contains("Logged in using ChatGPT"), "{said}");
    let account_there = account(&desk).await.unwrap();
    assert_eq!(account_there["type"], "chatgpt");
    assert_eq!((&account_there["email"], &account_there["planType"]), (&json!("user@example.com"), &json!("team")));
    desk.run_with(&["login", "--api-key"], "sk-mine").await;
    let said = reference(&desk, &["login", "status"], "").await.unwrap();
    assert!(said.contains("API key"), "{said}");
    assert_eq!(account(&desk).await.unwrap(), json!({ "type": "apiKey" }));
    reference(&desk, &["logout"], "").await;
    assert_eq!(desk.run(&["status"]).await.out, "Nobody is logged in: `valet login` logs in.\n");
}

#[tokio::test]
async fn valet_takes_a_login_that_the_reference_made_and_keeps_what_it_does_not_know() {
    let desk = Desk::open(approved("acct-1")).await;
    let issuer = desk.sim.origin();
    let device = ["login", "--device-auth", "--experimental_issuer", &issuer];
    if reference(&desk, &device, "").await.is_none() {
        return;
    }
    let status = desk.json(&["status", "--json"]).await;
    assert_eq!((&status["accountId"], &status["account"]["planType"]), (&json!("acct-1"), &json!("pro")));
    assert_eq!(status["rateLimitsError"], Value::Null);
    let provenance = desk.read("auth.json")["tokens"]["oauth_provenance"].clone();
    assert!(provenance.is_object());
    // Put aside and taken back, it is the same login for the reference.
    desk.run_with(&["login", "--api-key"], "sk-1").await;
    desk.done(&["accounts", "use", "acct-1"]).await;
    assert!(reference(&desk, &["login", "status"], "").await.unwrap().contains("Logged in using ChatGPT"));
    reference(&desk, &["login", "--with-api-key"], "sk-theirs").await;
    assert!(desk.done(&["status"]).await.starts_with("Logged in with an API key (api-key-"));
}
