//! Logins by device code.

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_protocol::methods as m;
use valet_protocol::v1::AuthMode;
use valet_sim::{Decision, DevicePolicy, Fault, IssuerPolicy, RecordedRequest};
use valet_tests::TestHost;

use super::{LOGIN, begin, completed, issuer, kept, log_in, script, script_with};

#[tokio::test]
async fn the_person_types_the_code_in_and_the_polls_that_come_too_early_are_no_harm() {
    for pending_status in [403, 404] {
        let device = DevicePolicy { after_polls: 1, pending_status, ..issuer().device };
        let host = TestHost::start(script_with(IssuerPolicy { device, ..issuer() })).await;
        let mut client = host.client().await;
        let (id, begun) = begin(&mut client, "chatgptDeviceCode").await;
        assert_eq!(begun["verificationUrl"], format!("{}/codex/device", host.sim.origin()));
        assert_eq!(begun["userCode"], "SIMS-00001");
        let told = completed(&mut client).await;
        assert_eq!((told.login_id, told.success), (Some(id), true));
        assert_eq!(client.wait_for::<m::AccountUpdated>().await.auth_mode, Some(AuthMode::Chatgpt));
        assert_eq!(kept(&host)["tokens"]["account_id"], "acct-1");
    }
}

#[tokio::test]
async fn an_issuer_without_device_codes_and_one_that_fails_are_told_apart() {
    let device = DevicePolicy { enabled: false, ..issuer().device };
    let host = TestHost::start(script_with(IssuerPolicy { device, ..issuer() })).await;
    let refusal = host.client().await.refused(LOGIN, json!({ "type": "chatgptDeviceCode" })).await;
    assert_eq!((refusal.code, refusal.kind.as_deref()), (-32600, Some("notSupported")));
    assert!(refusal.message.starts_with("device code login is not enabled for this Codex server"), "{refusal:?}");

    let fault = Fault::status("/api/accounts/deviceauth/usercode", 503);
    let host = TestHost::start(script_with(issuer().fault(fault))).await;
    let refusal = host.client().await.refused(LOGIN, json!({ "type": "chatgptDeviceCode" })).await;
    assert_eq!((refusal.code, refusal.kind.as_deref()), (-32603, Some("upstream")));
    assert!(
        refusal.message.starts_with(
            "failed to request device code: device code request failed with status 503 Service Unavailable"
        ),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_poll_that_fails_in_passing_does_not_send_the_person_away() {
    let fault = Fault::status("/api/accounts/deviceauth/token", 502).times(1);
    let host = TestHost::start(script_with(issuer().fault(fault))).await;
    log_in(&mut host.client().await).await;
}

#[tokio::test]
async fn a_cancelled_login_and_one_that_the_person_refuses_are_told() {
    let device = DevicePolicy { approve: Decision::Ask, ..issuer().device };
    let host = TestHost::start(script_with(IssuerPolicy { device, ..issuer() })).await;
    let mut client = host.client().await;
    let (id, _) = begin(&mut client, "chatgptDeviceCode").await;
    // The first question is asked at once.
    let answered = |request: &RecordedRequest| request.path.ends_with("deviceauth/token") && request.status.is_some();
    host.sim.wait_for_requests(answered, 1).await;
    let cancelled = client.call("account/login/cancel", json!({ "loginId": id })).await.unwrap();
    assert_eq!(cancelled, json!({ "status": "canceled" }));
    assert_eq!(completed(&mut client).await.error.as_deref(), Some("Login was not completed"));
    // What was cancelled is not asked for any more.
    let polls = || host.sim.requests().iter().filter(|request| request.path.ends_with("deviceauth/token")).count();
    let before = polls();
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert_eq!(polls(), before);

    let (first, _) = begin(&mut client, "chatgptDeviceCode").await;
    let (_, begun) = begin(&mut client, "chatgptDeviceCode").await;
    assert_eq!(completed(&mut client).await.login_id, Some(first));
    host.sim.issuer().deny(begun["userCode"].as_str().unwrap()).unwrap();
    assert!(!completed(&mut client).await.success);
}

#[tokio::test]
async fn a_browser_login_is_not_displaced_by_one_of_another_kind() {
    let _ports = valet_tests::login_ports();
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    let (browser, _) = begin(&mut client, "chatgpt").await;
    let (device, _) = begin(&mut client, "chatgptDeviceCode").await;
    let told = completed(&mut client).await;
    assert_eq!((told.login_id, told.success), (Some(device), true));
    let cancelled = client.call("account/login/cancel", json!({ "loginId": browser })).await.unwrap();
    assert_eq!(cancelled, json!({ "status": "canceled" }));
}
