//! How much of each subscription is used: as a table, for programs, and for as long as somebody watches.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use valet_sim::{Fault, IssuerPolicy, Script, TokenPolicy};

use super::{Desk, LIMIT, approved, script};

const FIRST: &str = "user@example.com_acct-1";
const SECOND: &str = "user@example.com_acct-2";
const HOUR: i64 = 3600;

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs().try_into().unwrap()
}

/// The first account is used up in three hours, the second one has one window of which little is used.
fn usage(mut script: Script) -> Script {
    let window = |used: f64, hours: i64, left: i64| json!({ "used_percent": used, "limit_window_seconds": hours * HOUR, "reset_at": now() + left + 30 });
    let limit = |windows: [Value; 2]| {
        let [primary, secondary] = windows;
        json!({ "plan_type": "pro", "rate_limit": { "allowed": true, "primary_window": primary, "secondary_window": secondary } })
    };
    let first = limit([window(100.0, 5, 3 * HOUR), window(60.0, 168, 100 * HOUR)]);
    let second = limit([window(20.0, 5, HOUR), Value::Null]);
    script.usage_of = [("acct-1".to_owned(), first), ("acct-2".to_owned(), second)].into();
    script
}

impl Desk {
    /// Both accounts are logged in, the second one last.
    async fn with_both() -> Self {
        let desk = Self::open(approved("acct-1")).await;
        desk.done(&["login", "--device"]).await;
        desk.approve("acct-2");
        desk.done(&["login", "--device"]).await;
        desk.sim.replace_script(usage(script(approved("acct-1"))));
        desk
    }

    /// Both are refused from now on unless they are renewed.
    fn refuse(&self, issuer: IssuerPolicy) {
        let tokens = TokenPolicy { refuse_everywhere: true, ..TokenPolicy::default() };
        self.sim.replace_script(usage(script(issuer).tokens(tokens)));
        self.sim.tokens().expire_all();
    }

    /// What the two files say, the one of the login that is used first.
    fn refresh_tokens(&self) -> [Value; 2] {
        ["auth.json", &format!("accounts/{FIRST}.json")].map(|file| self.read(file)["tokens"]["refresh_token"].clone())
    }

    fn watch(&self, args: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
        let args = [&["accounts", "usage", "--watch"], args].concat();
        let mut child = self.command(&args).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines)
    }
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    tokio::time::timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().expect("a line")
}

#[tokio::test]
async fn each_account_has_its_windows_in_plain_columns() {
    let desk = Desk::with_both().await;
    let said = desk.done(&["accounts", "usage"]).await;
    assert!(!said.contains('\u{1b}') && !said.contains('█'), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    let columns =
        |line: &str| line.split("  ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect();
    let rows: Vec<Vec<String>> = lines.into_iter().map(columns).collect();
    assert_eq!(rows[0], ["account", "plan", "window", "used", "starts anew", "forecast"]);
    assert_eq!(rows[1][..4], [format!("* {SECOND}"), "pro".into(), "5 hours".into(), "20 %".into()]);
    assert!(rows[1][4].starts_with("in 1 h 0 min (") && rows[1][5] == "lasts until then", "{said}");
    assert_eq!(rows[2][..4], [FIRST, "pro", "5 hours", "100 %"]);
    assert!(rows[2][4].starts_with("in 3 h 0 min (") && rows[2][5] == "used up", "{said}");
    assert_eq!(rows[3][..4], [FIRST, "pro", "7 days", "60 %"]);
    assert!(rows[3][4].starts_with("in 4 d 4 h (") && rows[3][5].starts_with("used up in 1 d 21 h ("), "{said}");
    assert_eq!(rows.len(), 4);
}

#[tokio::test]
async fn a_program_gets_everything_that_is_known() {
    let desk = Desk::with_both().await;
    let said = desk.json(&["accounts", "usage", "--json"]).await;
    let [second, first] = said.as_array().unwrap().as_slice() else { panic!("{said}") };
    let resets_at = first["windows"][0]["resetsAt"].clone();
    assert!((now() + 3 * HOUR - resets_at.as_i64().unwrap()).abs() < 60, "{said}");
    assert_eq!(
        first["windows"][0],
        json!({ "usedPercent": 100.0, "windowSeconds": 5 * HOUR, "resetsAt": resets_at, "lasts": null, "usedUpAt": null })
    );
    assert_eq!(first["windows"][1]["lasts"], false);
    assert!(first["windows"][1]["usedUpAt"].as_i64().unwrap() > now() + 45 * HOUR, "{said}");
    let summary =
        |row: &Value| ["name", "current", "headroomPercent", "limited", "backAt", "error"].map(|key| row[key].clone());
    let expected = [json!(FIRST), json!(false), json!(0.0), json!(true), resets_at, Value::Null];
    assert_eq!(summary(first), expected);
    assert_eq!(summary(second), [json!(SECOND), json!(true), json!(80.0), json!(false), Value::Null, Value::Null]);
}

#[tokio::test]
async fn an_account_that_fails_has_a_row_that_says_so_and_the_others_are_shown() {
    let desk = Desk::with_both().await;
    desk.refuse(approved("acct-1"));
    let [_, first] = desk.refresh_tokens();
    desk.sim.tokens().revoke(first.as_str().unwrap());
    let said = desk.done(&["accounts", "usage"]).await;
    assert!(said.contains(" 20 %"), "{said}");
    assert!(said.contains(&format!("  {FIRST}  pro   not known: ")) && said.contains("sign in again"), "{said}");
    let said = desk.json(&["accounts", "usage", "--json"]).await;
    assert_eq!(
        (&said[0]["error"], &said[1]["loginNeeded"], &said[1]["learnedAt"]),
        (&Value::Null, &json!(true), &Value::Null)
    );
    desk.sim.shutdown().await;
    let said = desk.done(&["accounts", "usage"]).await;
    assert_eq!(said.matches("not known: ").count(), 2, "{said}");
}

#[tokio::test]
async fn tokens_that_are_refused_are_renewed_and_kept_each_at_its_place() {
    let desk = Desk::with_both().await;
    desk.refuse(approved("acct-1"));
    let before = desk.refresh_tokens();
    let said = desk.json(&["accounts", "usage", "--json"]).await;
    assert_eq!((&said[0]["error"], &said[1]["error"]), (&Value::Null, &Value::Null));
    let after = desk.refresh_tokens();
    assert!(before[0] != after[0] && before[1] != after[1]);
    assert_eq!(desk.read("auth.json")["tokens"]["account_id"], "acct-2");
    assert_eq!(desk.shelf(), [format!("{FIRST}.json")]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_that_is_killed_while_it_renews_loses_no_login() {
    let desk = Desk::with_both().await;
    let slow = Fault::slow("/oauth/token", Duration::from_millis(500)).grant_type("refresh_token");
    desk.refuse(approved("acct-1").fault(slow));
    let before = desk.refresh_tokens();
    let mut child = desk.command(&["accounts", "usage"]).spawn().unwrap();
    let asked = desk.sim.wait_for_requests(|request| request.body["grant_type"] == "refresh_token", 1);
    tokio::time::timeout(LIMIT, asked).await.unwrap();
    child.kill().await.unwrap();
    // The lock keeps the second one waiting; both go on by themselves, as far as they had begun.
    let changed = async {
        while desk.refresh_tokens() == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, changed).await.unwrap();
    let said = desk.json(&["accounts", "usage", "--json"]).await;
    assert_eq!((&said[0]["error"], &said[1]["error"]), (&Value::Null, &Value::Null));
    let grants = desk.sim.tokens().grants();
    assert!(grants.iter().flat_map(|grant| &grant.redemptions).all(|redemption| redemption.refused.is_none()));
}

#[cfg(unix)]
#[tokio::test]
async fn whoever_watches_is_told_of_changes_until_ctrl_c() {
    let desk = Desk::with_both().await;
    let (mut child, mut lines) = desk.watch(&["--json"]);
    let said: Value = serde_json::from_str(&line(&mut lines).await).unwrap();
    assert_eq!((&said[0]["name"], &said[0]["current"]), (&json!(SECOND), &json!(true)));
    desk.done(&["accounts", "use", "acct-1"]).await;
    let said: Value = serde_json::from_str(&line(&mut lines).await).unwrap();
    assert_eq!((&said[0]["name"], &said[0]["current"]), (&json!(FIRST), &json!(true)));
    crate::support::signal(child.id().unwrap(), rustix::process::Signal::INT);
    let ended = tokio::time::timeout(LIMIT, child.wait()).await.unwrap().unwrap();
    assert_eq!((ended.code(), lines.next_line().await.unwrap()), (Some(0), None));
    let fetches = desk.sim.requests().iter().filter(|request| request.path.ends_with("/wham/usage")).count();
    assert_eq!(fetches, 2, "once a minute, and not for each table");
}

#[tokio::test]
async fn a_table_that_nobody_reads_is_not_watched_any_more() {
    let desk = Desk::with_both().await;
    let (mut child, mut lines) = desk.watch(&[]);
    let head = line(&mut lines).await;
    assert!(head.starts_with("account") && !head.contains('\u{1b}'), "{head}");
    drop(lines);
    desk.done(&["accounts", "use", "acct-1"]).await;
    let ended = tokio::time::timeout(LIMIT, child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn without_a_chatgpt_login_there_is_nothing_to_show() {
    let desk = Desk::open(approved("acct-1")).await;
    desk.run_with(&["login", "--api-key"], "sk-1").await;
    let said = desk.done(&["accounts", "usage"]).await;
    assert_eq!(said, "There are no ChatGPT logins. `valet login` makes one.\n");
    assert_eq!(desk.json(&["accounts", "usage", "--json"]).await, json!([]));
}
