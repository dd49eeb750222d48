//! Logins that the host owns, against the issuer of the sim.

#[path = "managed/browser.rs"]
mod browser;
#[cfg(unix)]
#[path = "managed/chromium.rs"]
mod chromium;
#[path = "managed/device.rs"]
mod device;
#[path = "managed/keeping.rs"]
mod keeping;
#[path = "managed/renewal.rs"]
mod renewal;

use std::path::PathBuf;

use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{Account, AccountLoginCompletedNotification, GetAccountParams};
use valet_sim::{Decision, DevicePolicy, IssuerPolicy, Script};
use valet_tests::{HostBuilder, TestClient, TestHost};

const LOGIN: &str = "account/login/start";

/// A backend that says hello, and an issuer that lets `acct-1` in at once, by browser or by device.
fn script() -> Script {
    script_with(issuer())
}

fn script_with(issuer: IssuerPolicy) -> Script {
    Script::text("Hello.").issuer(issuer)
}

fn issuer() -> IssuerPolicy {
    let approve = Decision::Approve("acct-1".to_owned());
    let device = DevicePolicy { interval: 1, approve: approve.clone(), ..DevicePolicy::default() };
    IssuerPolicy { approve, device, ..IssuerPolicy::default() }
}

/// A host with the built-in provider: it depends on the login where its turns go.
fn built_in(script: Script) -> HostBuilder {
    TestHost::builder().script(script).with("model_provider=\"openai\"")
}

/// Begins a login; returns its id and the answer.
async fn begin(client: &mut TestClient, kind: &str) -> (String, Value) {
    let begun = client.call(LOGIN, json!({ "type": kind })).await.unwrap();
    (begun["loginId"].as_str().unwrap().to_owned(), begun)
}

/// Logs in by device code, which needs no port.
async fn log_in(client: &mut TestClient) {
    let (id, _) = begin(client, "chatgptDeviceCode").await;
    let told = completed(client).await;
    assert_eq!((told.login_id.as_deref(), told.success), (Some(id.as_str()), true), "{:?}", told.error);
    client.wait_for::<m::AccountUpdated>().await;
}

async fn completed(client: &mut TestClient) -> AccountLoginCompletedNotification {
    client.wait_for::<m::AccountLoginCompleted>().await
}

async fn account(client: &mut TestClient) -> Option<Account> {
    client.request::<m::AccountRead>(GetAccountParams::default()).await.account
}

fn file(host: &TestHost) -> PathBuf {
    host.home().join("auth.json")
}

fn kept(host: &TestHost) -> Value {
    serde_json::from_slice(&std::fs::read(file(host)).unwrap()).unwrap()
}

/// The requests for tokens: what kind, and with which status they were answered.
fn token_calls(host: &TestHost) -> Vec<(String, Option<u16>)> {
    let requests = host.sim.requests();
    let calls = requests.iter().filter(|request| request.path_only() == "/oauth/token");
    calls.map(|call| (call.body["grant_type"].as_str().unwrap_or_default().to_owned(), call.status)).collect()
}

fn refreshes(host: &TestHost) -> usize {
    token_calls(host).iter().filter(|(kind, _)| kind == "refresh_token").count()
}
