//! Who is logged in, until when, and how much of the plan is used.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_sim::TokenPolicy;

use super::{Desk, approved, script};

#[tokio::test]
async fn nobody_is_a_failure_for_machines_and_a_sentence_for_people() {
    let desk = Desk::open(approved("acct-1")).await;
    let said = desk.run(&["status"]).await;
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (1, "Nobody is logged in: `valet login` logs in.\n", "")
    );
    let said = desk.run(&["status", "--json"]).await;
    assert_eq!((said.code, serde_json::from_str::<Value>(&said.out).unwrap()), (1, json!({ "loggedIn": false })));
}

#[tokio::test]
async fn a_login_is_shown_with_its_plan_its_end_and_its_limits() {
    let desk = Desk::open(approved("acct-2")).await;
    desk.done(&["login", "--device"]).await;
    let said = desk.done(&["status"]).await;
    let names: Vec<&str> = said.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["Logged", "plan", "account", "token", "limit", "limit"]);
    for words in ["ChatGPT as user@example.com", "team", "acct-2", "12 % of 5 hours used", "34 % of 7 days used"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = desk.json(&["status", "--json"]).await;
    assert_eq!(said["loggedIn"], true);
    let account = json!({ "type": "chatgpt", "email": "user@example.com", "planType": "team", "workspaceName": null });
    assert_eq!(said["account"], account);
    assert_eq!((&said["accountId"], &said["userId"]), (&json!("acct-2"), &json!("user-1")));
    assert!(said["expiresAt"].is_i64(), "{said}");
    assert_eq!(said["rateLimits"]["rateLimits"]["primary"]["usedPercent"], 12);
    assert_eq!(said["rateLimitsError"], Value::Null);
}

#[tokio::test]
async fn the_login_of_a_home_is_told_in_the_log_as_the_one_that_is_kept() {
    let desk = Desk::open(approved("acct-1")).await;
    desk.done(&["login", "--device"]).await;
    let output = desk.command(&["status"]).env("VALET_LOG", "info").output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let line = said.lines().find(|line| line.contains("taken up")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains("the login that is kept was taken up") && line.contains("mode=Chatgpt"), "{line}");
    assert!(line.contains("token=\""), "{line}");
}

#[tokio::test]
async fn without_a_network_all_but_the_limits_is_known_and_why_is_said() {
    let desk = Desk::open(approved("acct-1")).await;
    desk.done(&["login", "--device"]).await;
    desk.sim.shutdown().await;
    let said = desk.done(&["status"]).await;
    assert!(said.contains("user@example.com") && said.contains("pro") && said.contains("good until"), "{said}");
    assert!(said.contains("limits   not known: failed to fetch codex rate limits"), "{said}");
    let said = desk.json(&["status", "--json"]).await;
    assert_eq!((&said["loggedIn"], &said["rateLimits"]), (&json!(true), &Value::Null));
    assert!(said["rateLimitsError"].as_str().unwrap().starts_with("failed to fetch"), "{said}");
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_and_the_new_one_is_kept() {
    let tokens = TokenPolicy { refuse_everywhere: true, reuse_revokes: true, ..TokenPolicy::default() };
    let desk = Desk::open(approved("acct-1")).await;
    desk.sim.replace_script(script(approved("acct-1")).tokens(tokens));
    desk.done(&["login", "--device"]).await;
    for _ in 0..2 {
        let old = desk.read("auth.json")["tokens"]["refresh_token"].clone();
        desk.sim.tokens().expire_all();
        assert_eq!(desk.json(&["status", "--json"]).await["rateLimitsError"], Value::Null);
        assert_ne!(desk.read("auth.json")["tokens"]["refresh_token"], old);
    }
    assert!(!desk.sim.tokens().grants()[0].revoked);
}

#[tokio::test]
async fn a_login_that_is_refused_for_good_is_not_called_good() {
    let tokens = TokenPolicy { refuse_everywhere: true, ..TokenPolicy::default() };
    let desk = Desk::open(approved("acct-1")).await;
    desk.sim.replace_script(script(approved("acct-1")).tokens(tokens));
    desk.done(&["login", "--device"]).await;
    assert_eq!(desk.json(&["status", "--json"]).await["loginNeeded"], false);
    assert!(desk.sim.tokens().revoke(desk.read("auth.json")["tokens"]["refresh_token"].as_str().unwrap()));
    desk.sim.tokens().expire_all();
    let said = desk.run(&["status"]).await;
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.lines().count() == 1 && said.err.contains("a login is refused for good"), "{}", said.err);
    assert!(said.out.contains("  token    refused for good: log in again with `valet login`\n"), "{}", said.out);
    assert!(!said.out.contains("good until"), "{}", said.out);
    let said = desk.run(&["status", "--json"]).await;
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &told["loggedIn"], &told["loginNeeded"]), (1, &json!(true), &json!(true)));
}

#[tokio::test]
async fn an_api_key_has_no_limits_and_no_end() {
    let desk = Desk::open(approved("acct-1")).await;
    desk.run_with(&["login", "--api-key"], "sk-1").await;
    let said = desk.done(&["status"]).await;
    assert!(said.starts_with("Logged in with an API key (api-key-"), "{said}");
    assert!(said.contains("not known: chatgpt authentication required to read rate limits\n"), "{said}");
    let said = desk.json(&["status", "--json"]).await;
    assert_eq!((&said["account"], &said["expiresAt"]), (&json!({ "type": "apiKey" }), &Value::Null));
}

#[tokio::test]
async fn what_cannot_be_read_or_is_not_allowed_is_not_taken_for_nobody() {
    let desk = Desk::open(approved("acct-1")).await;
    std::fs::write(desk.file("auth.json"), "{\"OPENAI_API_KEY\": \"sk-canary\",").unwrap();
    let said = desk.run(&["status"]).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("auth.json is not a file of logins (line 1, column 31)"), "{}", said.err);
    assert!(!said.err.contains("sk-canary"));
    std::fs::write(desk.file("auth.json"), "{\"OPENAI_API_KEY\": \"sk-canary\"}").unwrap();
    let said = desk.run(&["status", "-c", "forced_login_method=chatgpt"]).await;
    assert_eq!((said.code, said.err.as_str()), (1, "valet: API key login is disabled. Use ChatGPT login instead.\n"));
}
