//! `valet login`, `logout`, `status` and `accounts`, against the sim's issuer. Here: what the tests share.

mod accounts;
mod login;
mod places;
mod reference;
mod status;
mod usage;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use valet_sim::{Decision, DevicePolicy, Endpoint, Identity, IssuerPolicy, Script, Sim, TokenRequest};

use crate::support::valet;

/// Nothing here takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A home, the issuer of its logins, and the binary between them.
struct Desk {
    sim: Sim,
    home: TempDir,
}

/// What a command said, and how it ended.
struct Said {
    code: i32,
    out: String,
    err: String,
}

/// Somebody logs in at once, as that account.
fn approved(account: &str) -> IssuerPolicy {
    let accounts = [Identity::account("acct-1"), Identity { plan: "team".to_owned(), ..Identity::account("acct-2") }];
    let approve = Decision::Approve(account.to_owned());
    let device = DevicePolicy { approve: approve.clone(), interval: 0, ..DevicePolicy::default() };
    IssuerPolicy { accounts: accounts.to_vec(), approve, device, ..IssuerPolicy::default() }
}

fn script(policy: IssuerPolicy) -> Script {
    // The reference wants a workspace to be served by HTTPS.
    let workspace = |id: &str| {
        serde_json::json!({
            "id": id, "plan_type": "pro", "name": "Demo", "structure": "workspace",
            "workspace_backend_origin": "https://backend.invalid", "account_routing_override": "NO_CONSTRAINT",
        })
    };
    let accounts = [workspace("acct-1"), workspace("acct-2")];
    let check = serde_json::json!({ "accounts": accounts, "default_account_id": "acct-1" });
    Script::new().issuer(policy).endpoint("GET /backend-api/wham/accounts/check", Endpoint::new(200, check))
}

impl Desk {
    async fn open(policy: IssuerPolicy) -> Self {
        let sim = Sim::start(script(policy)).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        // No more than the reference takes, too.
        let config = format!("chatgpt_base_url = \"{}\"\n", sim.chatgpt_base_url());
        std::fs::write(home.path().join("config.toml"), config).unwrap();
        Self { sim, home }
    }

    /// The same desk, for somebody else.
    fn approve(&self, account: &str) {
        self.sim.replace_script(script(approved(account)));
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = valet(self.path(), args);
        // No program of this machine's user is found, and no browser is opened.
        command
            .env("HOME", self.path())
            .current_dir(self.path())
            .env_remove("XDG_DATA_HOME")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY");
        command.env("CODEX_APP_SERVER_LOGIN_ISSUER", self.sim.origin());
        let mut command = Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn run(&self, args: &[&str]) -> Said {
        self.run_with(args, "").await
    }

    /// With a text on stdin.
    async fn run_with(&self, args: &[&str], text: &str) -> Said {
        let mut child = self.command(args).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may have no use for it.
        let _ = stdin.write_all(text.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.unwrap().unwrap();
        let said = Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        self.no_secret_in(&said);
        said
    }

    /// The same, of which nothing but success is expected.
    async fn done(&self, args: &[&str]) -> String {
        let said = self.run(args).await;
        assert_eq!(said.code, 0, "{args:?}: {}{}", said.out, said.err);
        said.out
    }

    async fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.done(args).await).unwrap()
    }

    /// Writes a file as opencode does, with a login of that account.
    fn opencode(&self, account: &str) -> PathBuf {
        let token = self.sim.tokens().issue(TokenRequest::account(account));
        let entry = serde_json::json!({
            "anthropic": { "type": "api", "key": "sk-other" },
            "openai": {
                "type": "oauth",
                "refresh": token.refresh_token,
                "access": token.access_token,
                "expires": 1_900_000_000_000_i64,
                "accountId": account,
            },
        });
        let path = self.file("opencode.json");
        std::fs::write(&path, format!("{entry:#}")).unwrap();
        path
    }

    /// Nothing that is kept in any file is ever said.
    fn no_secret_in(&self, said: &Said) {
        let mut secrets = Vec::new();
        for name in ["auth.json", "opencode.json"] {
            let text = std::fs::read_to_string(self.file(name)).unwrap_or_default();
            let kept: Value = serde_json::from_str(&text).unwrap_or_default();
            collect(&kept, &mut secrets);
        }
        for secret in secrets {
            assert!(!said.out.contains(&secret) && !said.err.contains(&secret), "a secret was said: {}", said.out);
        }
    }

    fn read(&self, name: &str) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.file(name)).unwrap()).unwrap()
    }

    /// The names of the files on the shelf.
    fn shelf(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.file("accounts")).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != ".lock").collect();
        names.sort();
        names
    }
}

/// Texts that are long enough to be tokens or keys.
fn collect(value: &Value, secrets: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| match value {
            Value::String(text) if name.contains("token") || ["key", "OPENAI_API_KEY"].contains(&name.as_str()) => {
                secrets.push(text.clone());
            }
            Value::String(text) if ["access", "refresh"].contains(&name.as_str()) => secrets.push(text.clone()),
            other => collect(other, secrets),
        }),
        Value::Array(values) => values.iter().for_each(|value| collect(value, secrets)),
        _ => {}
    }
}
