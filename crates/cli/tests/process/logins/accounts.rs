//! Several logins: each is at one place, and one of them is used.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::{Desk, approved};

#[tokio::test]
async fn another_login_puts_the_first_one_aside_and_either_can_be_used() {
    let desk = Desk::open(approved("acct-1")).await;
    desk.done(&["login", "--device"]).await;
    desk.approve("acct-2");
    desk.done(&["login", "--device"]).await;
    assert_eq!(
        desk.done(&["accounts", "list"]).await,
        "* user@example.com_acct-2  team\n  user@example.com_acct-1  pro\n"
    );
    assert_eq!(desk.shelf(), ["user@example.com_acct-1.json"]);

    let said = desk.run(&["accounts", "use", "user@"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("could be user@example.com_acct-2 or user@example.com_acct-1"), "{}", said.err);
    let said = desk.done(&["accounts", "use", "ACCT-1"]).await;
    assert!(said.contains("`valet run` follows; any other host that runs goes on"), "{said}");
    assert_eq!(desk.read("auth.json")["tokens"]["account_id"], "acct-1");
    assert_eq!(desk.shelf(), ["user@example.com_acct-2.json"]);
    assert!(desk.done(&["accounts", "use", "acct-1"]).await.contains("is used already"));

    let list = desk.json(&["accounts", "list", "--json"]).await;
    let rows = list.as_array().unwrap().iter();
    let rows: Vec<_> =
        rows.map(|row| (row["current"].clone(), row["accountId"].clone(), row["type"].clone())).collect();
    let row = |current: bool, account: &str| (json!(current), json!(account), json!("chatgpt"));
    assert_eq!(rows, [row(true, "acct-1"), row(false, "acct-2")]);
    assert!(desk.sim.tokens().grants().iter().all(|grant| !grant.revoked));
}

#[tokio::test]
async fn a_login_that_was_put_aside_can_be_forgotten_and_the_one_in_use_cannot() {
    let desk = Desk::open(approved("acct-1")).await;
    desk.done(&["login", "--device"]).await;
    desk.run_with(&["login", "--api-key"], "sk-1").await;
    let said = desk.run(&["accounts", "remove", "api-key"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("is the login that is used; `valet logout` ends it"), "{}", said.err);
    let said = desk.run(&["accounts", "remove", "nobody"]).await;
    assert!(said.code == 1 && said.err.contains("no login is called `nobody`"), "{}", said.err);
    assert!(desk.done(&["accounts", "remove", "acct-1"]).await.contains("taken its tokens back"));
    assert!(desk.sim.tokens().grants()[0].revoked);
    assert_eq!((desk.shelf().len(), &desk.read("auth.json")["OPENAI_API_KEY"]), (0, &json!("sk-1")));
}

#[tokio::test]
async fn a_login_of_opencode_is_taken_over_and_both_are_warned_of_each_other() {
    let desk = Desk::open(approved("acct-1")).await;
    let path = desk.opencode("acct-2");
    desk.run_with(&["login", "--api-key"], "sk-1").await;
    let said = desk.run(&["accounts", "import", "opencode", path.to_str().unwrap()]).await;
    assert_eq!(said.out, "Imported ChatGPT as user@example.com. Its name is user@example.com_acct-2.\n");
    assert!(said.err.contains("opencode has the same login now"), "{}", said.err);
    assert_eq!(desk.read("auth.json")["OPENAI_API_KEY"], "sk-1", "the one that is used is not changed");
    desk.done(&["accounts", "use", "acct-2"]).await;
    assert_eq!(desk.json(&["status", "--json"]).await["rateLimits"]["rateLimits"]["primary"]["usedPercent"], 12);

    // Where opencode keeps it by itself; a login at once.
    let usual = desk.file(".local/share/opencode");
    std::fs::create_dir_all(&usual).unwrap();
    std::fs::copy(&path, usual.join("auth.json")).unwrap();
    let said = desk.run(&["login", "--import", "opencode"]).await;
    assert_eq!((said.code, said.out.as_str()), (0, "Logged in with ChatGPT as user@example.com.\n"));
}

#[tokio::test]
async fn a_login_that_another_program_only_lends_is_not_taken() {
    let desk = Desk::open(approved("acct-1")).await;
    let path = desk.file("other.json");
    let token = "eyJhbGciOiJub25lIn0.e30.sig";
    let lent = json!({ "id_token": token, "access_token": token, "refresh_token": "", "account_id": "acct-1" });
    let rows = [
        ("codex", json!({ "auth_mode": "chatgptAuthTokens", "tokens": lent }), "of the kind `chatgptAuthTokens`"),
        ("codex", json!({ "tokens": lent }), "neither a key nor tokens that can be renewed"),
        ("opencode", json!({ "openai": { "type": "wellknown", "key": "K", "token": "t" } }), "of the kind `wellknown`"),
        ("opencode", json!({ "openai": { "type": "oauth", "access": token, "refresh": "" } }), "neither a key"),
        ("opencode", json!({ "anthropic": { "type": "api", "key": "k" } }), "neither a key"),
        ("opencode", json!([]), "is not a file of logins"),
    ];
    for (format, file, reason) in rows {
        std::fs::write(&path, file.to_string()).unwrap();
        let said = desk.run(&["accounts", "import", format, path.to_str().unwrap()]).await;
        assert!(said.code == 1 && said.err.contains(reason), "{}", said.err);
    }
    assert_eq!((desk.shelf().len(), desk.file("auth.json").exists()), (0, false));
    let said = desk.run(&["login", "--import", "codex"]).await;
    assert!(said.code == 1 && said.err.contains(".codex/auth.json is not there: log in"), "{}", said.err);
}

#[tokio::test]
async fn an_export_writes_one_login_and_leaves_the_rest_of_the_file() {
    let desk = Desk::open(approved("acct-1")).await;
    let path = desk.opencode("acct-9");
    let to = path.to_str().unwrap();
    let said = desk.run(&["accounts", "export", "opencode", to]).await;
    assert!(said.code == 1 && said.err.contains("nobody is logged in"), "{}", said.err);
    desk.done(&["login", "--device"]).await;
    desk.run_with(&["login", "--api-key"], "sk-1").await;
    desk.done(&["accounts", "export", "opencode", to, "acct-1"]).await;
    let file = desk.read("opencode.json");
    assert_eq!(file["anthropic"], json!({ "type": "api", "key": "sk-other" }));
    assert_eq!((&file["openai"]["type"], &file["openai"]["accountId"]), (&json!("oauth"), &json!("acct-1")));
    assert!(file["openai"]["expires"].as_i64().unwrap() > 1_600_000_000_000);
    desk.done(&["accounts", "export", "opencode", to]).await;
    assert_eq!(desk.read("opencode.json")["openai"], json!({ "type": "api", "key": "sk-1" }));
    desk.done(&["accounts", "export", "codex", desk.file("copy/auth.json").to_str().unwrap()]).await;
    assert_eq!(desk.read("copy/auth.json"), json!({ "auth_mode": "apikey", "OPENAI_API_KEY": "sk-1" }));
    desk.done(&["accounts", "export", "codex", "here.json"]).await;
    assert_eq!(desk.read("here.json"), desk.read("copy/auth.json"));
    let said = desk.run(&["accounts", "import", "codex", desk.file("auth.json").to_str().unwrap()]).await;
    assert!(said.code == 1 && said.err.contains("is where the login is kept already"), "{}", said.err);
}

#[tokio::test]
async fn one_file_that_cannot_be_read_hides_no_other() {
    let desk = Desk::open(approved("acct-1")).await;
    desk.done(&["login", "--device"]).await;
    std::fs::create_dir_all(desk.file("accounts")).unwrap();
    std::fs::write(desk.file("accounts/broken.json"), "{").unwrap();
    let said = desk.done(&["accounts", "list"]).await;
    assert!(said.starts_with("* user@example.com_acct-1  pro\n  broken  cannot be read: "), "{said}");
    let list = desk.json(&["accounts", "list", "--json"]).await;
    assert_eq!((&list[1]["name"], &list[1]["current"]), (&json!("broken"), &Value::Bool(false)));
    let said = desk.run(&["accounts", "remove", "broken"]).await;
    assert_eq!((said.code, said.out.as_str()), (1, "broken is forgotten here.\n"));
    assert!(said.err.starts_with("valet: its file could not be read, so its tokens stay good"), "{}", said.err);
    assert_eq!(desk.shelf(), [""; 0]);
}
