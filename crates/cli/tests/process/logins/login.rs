//! Ways in, and ways out.

use std::fs::File;
use std::process::Stdio;

use pretty_assertions::assert_eq;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;
use valet_sim::{Decision, DevicePolicy, Fault, IssuerPolicy};

use super::{Desk, LIMIT, approved};

/// `valet login --no-browser` that waits, with the address that it says.
struct Waiting {
    child: Child,
    auth_url: String,
    /// There are two for the logins of all browsers of a machine, and a new login asks an old one to leave.
    _ports: File,
}

impl Waiting {
    async fn begin(desk: &Desk) -> Self {
        let ports = tokio::task::spawn_blocking(valet_tests::login_ports).await.unwrap();
        let mut child = desk.command(&["login", "--no-browser"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let auth_url = loop {
            let line = tokio::time::timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().expect("an address");
            if line.trim_start().starts_with(&desk.sim.origin()) {
                break line.trim().to_owned();
            }
        };
        child.stdout = Some(lines.into_inner().into_inner());
        Self { child, auth_url, _ports: ports }
    }

    /// Where the browser is sent back to.
    fn callback(&self) -> String {
        let port = self.auth_url.split("127.0.0.1%3A").nth(1).unwrap();
        format!("127.0.0.1:{}", &port[..4])
    }

    async fn end(self) -> (Option<i32>, String, String) {
        let callback = self.callback();
        let output = tokio::time::timeout(LIMIT, self.child.wait_with_output()).await.unwrap().unwrap();
        assert!(TcpStream::connect(&callback).await.is_err(), "somebody still listens at {callback}");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

#[tokio::test]
async fn a_browser_login_ends_with_a_page_and_with_nobody_who_listens() {
    let desk = Desk::open(approved("acct-1")).await;
    let waiting = Waiting::begin(&desk).await;
    let page = reqwest::get(&waiting.auth_url).await.unwrap().text().await.unwrap();
    assert!(page.contains("You are logged in"), "{page}");
    let (code, out, err) = waiting.end().await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.ends_with("Logged in with ChatGPT as user@example.com.\n"), "{out}");
    assert_eq!(desk.read("auth.json")["tokens"]["account_id"], "acct-1");
}

#[tokio::test]
async fn the_address_of_a_browser_elsewhere_can_be_pasted_also_after_a_wrong_one() {
    let desk = Desk::open(IssuerPolicy::default()).await;
    let mut waiting = Waiting::begin(&desk).await;
    let page = reqwest::get(&waiting.auth_url).await.unwrap();
    assert!(page.status().is_success());
    let login = desk.sim.issuer().pending().pop().unwrap();
    assert_eq!(login.originator.as_deref(), Some("valet"));
    let address = desk.sim.issuer().approve(&login.id, "acct-1").unwrap().unwrap();
    let mut stdin = waiting.child.stdin.take().unwrap();
    let mut refusal = BufReader::new(waiting.child.stderr.take().unwrap()).lines();
    let of_another = address.replace("state=", "state=x");
    let rows = [
        ("http://127.0.0.1:1455/elsewhere?code=1", "valet: this is not the address that the browser was sent to"),
        (of_another.as_str(), "valet: this address is of another login; copy the one from the browser of this login"),
    ];
    for (wrong, words) in rows {
        stdin.write_all(format!("\n{wrong}\n").as_bytes()).await.unwrap();
        let line = tokio::time::timeout(LIMIT, refusal.next_line()).await.unwrap().unwrap().unwrap();
        assert_eq!(line, words);
    }
    stdin.write_all(format!("{address}\n").as_bytes()).await.unwrap();
    let (code, out, _) = waiting.end().await;
    assert_eq!(code, Some(0));
    assert!(out.ends_with("Logged in with ChatGPT as user@example.com.\n"), "{out}");
}

#[tokio::test]
async fn a_login_that_another_one_has_ended_says_so() {
    let desk = Desk::open(IssuerPolicy::default()).await;
    let waiting = Waiting::begin(&desk).await;
    reqwest::get(format!("http://{}/cancel", waiting.callback())).await.unwrap();
    let (code, _, err) = waiting.end().await;
    let words = "valet: another login began on this machine and has ended this one; start again\n";
    assert_eq!((code, err.as_str()), (Some(1), words));
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_cancels_a_login_and_leaves_nothing() {
    let desk = Desk::open(IssuerPolicy::default()).await;
    let waiting = Waiting::begin(&desk).await;
    crate::support::signal(waiting.child.id().unwrap(), rustix::process::Signal::INT);
    let (code, _, err) = waiting.end().await;
    assert_eq!((code, err.as_str()), (Some(130), "valet: the login was cancelled\n"));
    assert!(!desk.file("auth.json").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_cancels_a_login_that_the_issuer_has_not_answered_yet() {
    let desk = Desk::open(IssuerPolicy::default()).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut command = desk.command(&["login", "--device"]);
    let address = format!("http://{}", silent.local_addr().unwrap());
    let child = command.env("CODEX_APP_SERVER_LOGIN_ISSUER", address).spawn().unwrap();
    let _asked = tokio::time::timeout(LIMIT, silent.accept()).await.unwrap().unwrap();
    crate::support::signal(child.id().unwrap(), rustix::process::Signal::INT);
    let said = tokio::time::timeout(LIMIT, child.wait_with_output()).await.unwrap().unwrap();
    let err = String::from_utf8(said.stderr).unwrap();
    assert_eq!((said.status.code(), err.as_str()), (Some(130), "valet: the login was cancelled\n"));
}

#[tokio::test]
async fn a_device_login_shows_the_code_and_is_kept_for_its_owner_only() {
    let device = DevicePolicy { interval: 0, ..DevicePolicy::default() };
    let desk = Desk::open(IssuerPolicy { device, ..IssuerPolicy::default() }).await;
    let mut child = desk.command(&["login", "--device"]).stdin(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut shown = Vec::new();
    while !shown.iter().any(|line: &String| line.starts_with("SIMS-")) {
        let line = tokio::time::timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().expect("a code");
        shown.push(line.trim().to_owned());
    }
    assert!(shown.contains(&format!("{}/codex/device", desk.sim.origin())), "{shown:?}");
    desk.sim.issuer().approve(shown.last().unwrap(), "acct-1").unwrap();
    let mut rest = String::new();
    tokio::time::timeout(LIMIT, lines.into_inner().read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(rest.ends_with("Logged in with ChatGPT as user@example.com.\n"), "{rest}");
    assert!(child.wait().await.unwrap().success());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = desk.file("auth.json").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_login_that_the_issuer_refuses_says_why_and_leaves_the_old_one() {
    let device = DevicePolicy { interval: 0, approve: Decision::Deny, ..DevicePolicy::default() };
    let desk = Desk::open(IssuerPolicy { device, ..IssuerPolicy::default() }).await;
    desk.run_with(&["login", "--api-key"], "sk-old").await;
    let said = desk.run(&["login", "--device"]).await;
    assert_eq!(said.code, 1);
    assert_eq!(said.err, "valet: The person refused.\n");
    assert_eq!(desk.read("auth.json")["OPENAI_API_KEY"], "sk-old");
    desk.sim.shutdown().await;
    let said = desk.run(&["login", "--device"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("failed to request device code"), "{}", said.err);
}

#[tokio::test]
async fn nobody_logs_in_for_nothing_where_the_login_cannot_be_kept() {
    let desk = Desk::open(approved("acct-1")).await;
    std::fs::write(desk.file("auth.json"), "{bad").unwrap();
    for way in ["--device", "--no-browser"] {
        let said = desk.run(&["login", way]).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{way}: {}", said.err);
        assert!(said.err.contains("valet: failed to save the login: "), "{way}: {}", said.err);
    }
    assert_eq!(desk.sim.tokens().grants().len(), 0);
    assert_eq!(std::fs::read_to_string(desk.file("auth.json")).unwrap(), "{bad");
}

#[tokio::test]
async fn a_login_that_is_refused_at_its_end_is_taken_back_from_the_issuer() {
    let desk = Desk::open(approved("acct-1")).await;
    let said = desk.run(&["login", "--device", "-c", "forced_chatgpt_workspace_id=ws-1"]).await;
    assert_eq!(said.code, 1);
    assert!(desk.sim.tokens().grants()[0].revoked);
}

#[tokio::test]
async fn an_api_key_comes_from_stdin_and_from_nowhere_else() {
    let desk = Desk::open(IssuerPolicy::default()).await;
    let said = desk.run_with(&["login", "--api-key"], "  sk-mine\r\n").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.starts_with("Logged in with an API key (api-key-"), "{}", said.out);
    assert_eq!(desk.read("auth.json"), json!({ "auth_mode": "apikey", "OPENAI_API_KEY": "sk-mine" }));
    for args in [&["login", "--api-key", "sk-argument"][..], &["login", "--api-key=sk-argument"]] {
        let said = desk.run_with(args, "sk-mine").await;
        assert_eq!(said.code, 1);
        assert!(said.err.contains("read from stdin") && !said.err.contains("sk-argument"), "{}", said.err);
    }
    for (text, reason) in [("", "no API key came"), (" \n", "no API key came"), ("sk one", "more than one word")] {
        let said = desk.run_with(&["login", "--api-key"], text).await;
        assert!(said.code == 1 && said.err.contains(reason), "{}", said.err);
    }
    assert_eq!(desk.read("auth.json")["OPENAI_API_KEY"], "sk-mine");
}

#[tokio::test]
async fn what_the_configuration_forbids_is_refused_in_its_words() {
    let desk = Desk::open(approved("acct-1")).await;
    let opencode = desk.opencode("acct-1");
    let opencode = opencode.to_str().unwrap();
    let rows = [
        (
            &["login", "--api-key", "-c", "forced_login_method=chatgpt"][..],
            "API key login is disabled. Use ChatGPT login instead.",
        ),
        (
            &["login", "--device", "-c", "forced_login_method=api"],
            "ChatGPT login is disabled. Use API key login instead.",
        ),
        (
            &["accounts", "import", "opencode", opencode, "-c", "forced_login_method=api"],
            "ChatGPT login is disabled. Use API key login instead.",
        ),
        (
            &["login", "--device", "-c", "forced_chatgpt_workspace_id=ws-1"],
            "Login is restricted to workspace(s) ws-1, but current credentials belong to acct-1",
        ),
        (
            &["login", "--device", "-c", "cli_auth_credentials_store=ephemeral"],
            "cli_auth_credentials_store is \"ephemeral\": a login would be gone with this command",
        ),
        (
            &["login", "--device", "-c", "valet.auth_scope=connection"],
            "unsupported: this host keeps no logins of its own",
        ),
    ];
    for (args, reason) in rows {
        let said = desk.run_with(args, "sk-1").await;
        assert_eq!((said.code, said.err.as_str()), (1, format!("valet: {reason}\n").as_str()));
        assert!(!desk.file("auth.json").exists(), "{args:?}");
    }
}

#[tokio::test]
async fn a_logout_takes_the_tokens_back_unless_somebody_says_otherwise() {
    let rows: [(&[&str], bool); 4] = [
        (&["logout"], true),
        (&["logout", "--keep-tokens"], false),
        (&["logout", "-c", "valet.logout_revoke=false"], false),
        (&["logout", "-c", "valet.logout_revoke=false", "--revoke"], true),
    ];
    for (args, revoked) in rows {
        let desk = Desk::open(approved("acct-1")).await;
        desk.done(&["login", "--device"]).await;
        let said = desk.done(args).await;
        let expected =
            if revoked { "The issuer has taken its tokens back." } else { "Its tokens stay good until they expire." };
        assert!(said.contains("user@example.com_acct-1 is forgotten here") && said.contains(expected), "{said}");
        assert_eq!(desk.sim.tokens().grants()[0].revoked, revoked);
        assert!(!desk.file("auth.json").exists());
    }
}

#[tokio::test]
async fn a_logout_counts_here_even_if_the_issuer_does_not_answer_and_that_is_said() {
    let desk = Desk::open(approved("acct-1").fault(Fault::status("/oauth/revoke", 503))).await;
    desk.done(&["login", "--device"]).await;
    let said = desk.run(&["logout"]).await;
    assert_eq!(said.code, 1);
    assert!(said.out.contains("is forgotten here"), "{}", said.out);
    assert!(said.err.contains("the issuer did not take the tokens back") && said.err.contains("503"), "{}", said.err);
    assert_eq!(desk.done(&["logout"]).await, "Nobody was logged in.\n");
}

#[tokio::test]
async fn a_logout_leaves_a_file_that_cannot_be_read_and_says_what_to_do() {
    let desk = Desk::open(approved("acct-1")).await;
    for text in ["{bad", "{\"tokens\":3}", "[]", ""] {
        std::fs::write(desk.file("auth.json"), text).unwrap();
        let said = desk.run(&["logout"]).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{text:?}: {}", said.err);
        let told = said.err.contains("auth.json is not a file of logins (line ");
        assert!(told && said.err.ends_with("): mend it, or remove it\n"), "{text:?}: {}", said.err);
        assert_eq!(
            (said.err.lines().count(), std::fs::read_to_string(desk.file("auth.json")).unwrap().as_str()),
            (1, text)
        );
    }
}
