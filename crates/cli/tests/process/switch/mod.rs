//! `valet run`, as clients and as a shell see it: the sim as backend and issuer, Valet or the reference as app server.
//! Here: what the tests share.

mod clients;
mod ends;
mod limits;
mod storm;
mod tui;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use valet_client::{Client, Handlers, Notifications};
use valet_protocol::{ServerNotificationMethod, methods as m, v2};
use valet_sim::{Endpoint, Response, Rule, Script, Sim, TokenRequest, When};

use crate::support::{VALET, in_time, signal};

/// What clients show.
const TOKEN: &str = "the-token-of-the-clients";

/// A home with logins, and the backend behind it.
struct Stage {
    sim: Sim,
    home: TempDir,
}

/// `valet run --no-client`, and where it listens.
struct Session {
    child: Child,
    address: String,
    /// What it has said beside that.
    said: tokio::task::JoinHandle<String>,
}

/// A client of a session, in a thread of its own.
struct Guest {
    client: Client,
    told: Notifications,
    thread: String,
    /// Sentences for the person that came while something else was waited for.
    hints: VecDeque<String>,
}

impl Stage {
    /// The first account is the active one.
    async fn open(script: Script, accounts: &[&str]) -> Self {
        // The reference wants a workspace to be served by HTTPS.
        let workspace = |account: &&str| {
            json!({
                "id": account, "plan_type": "pro", "name": "Demo", "structure": "workspace",
                "workspace_backend_origin": "https://backend.invalid", "account_routing_override": "NO_CONSTRAINT",
            })
        };
        let check = json!({ "accounts": accounts.iter().map(workspace).collect::<Vec<_>>() });
        let script = script.endpoint("GET /backend-api/wham/accounts/check", Endpoint::new(200, check));
        let sim = Sim::start(script).await.unwrap();
        let stage = Self { sim, home: tempfile::tempdir().unwrap() };
        std::fs::write(stage.path("config.toml"), config(&stage.sim)).unwrap();
        std::fs::create_dir(stage.path("accounts")).unwrap();
        for (number, account) in accounts.iter().enumerate() {
            let path = if number == 0 { "auth.json".to_owned() } else { format!("accounts/{}.json", name(account)) };
            stage.write(&path, &stage.login(account));
        }
        std::fs::write(stage.path("token"), TOKEN).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, path: &str, login: &Value) {
        std::fs::write(self.path(path), login.to_string()).unwrap();
    }

    /// A login of that account, as the reference keeps it.
    fn login(&self, account: &str) -> Value {
        let token = self.sim.tokens().issue(TokenRequest::account(account));
        json!({
            "auth_mode": "chatgpt",
            "OPENAI_API_KEY": null,
            "tokens": {
                "id_token": token.access_token, "access_token": token.access_token,
                "refresh_token": token.refresh_token, "account_id": account,
            },
            "last_refresh": "2026-11-22T00:00:00Z",
        })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(VALET);
        command.args(args).env("VALET_HOME", self.home.path()).env("CODEX_HOME", self.home.path());
        command.env("CODEX_APP_SERVER_LOGIN_ISSUER", self.sim.origin()).env_remove("VALET_LOG");
        command.env("CODEX_REFRESH_TOKEN_URL_OVERRIDE", format!("{}/oauth/token", self.sim.origin()));
        command.env("HOME", self.home.path()).current_dir(self.home.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// `valet ARGS`, to its end: its exit code and all that it says.
    async fn valet(&self, args: &[&str]) -> (i32, String) {
        let output = in_time(self.command(args).output()).await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    /// A session without a client of its own.
    async fn session(&self, args: &[&str]) -> Session {
        let token = self.path("token");
        let usual = ["run", "--no-client", "--ws-token-file", token.to_str().unwrap()];
        let mut child = self.command(&[&usual, args].concat()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let address = loop {
            let line = in_time(lines.next_line()).await.unwrap().unwrap_or_else(|| panic!("no address: {said}"));
            match line.strip_prefix("listening on: ws://") {
                Some(address) => break address.to_owned(),
                None => said += &line,
            }
        };
        let said = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                said = said + "\n" + &line;
            }
            said
        });
        Session { child, address, said }
    }

    /// Whose turns the backend has seen, in order, by the account, with the status that it gave.
    fn turns(&self) -> Vec<(String, u16)> {
        let requests = self.sim.requests().into_iter().filter(valet_sim::RecordedRequest::is_turn);
        requests
            .map(|request| {
                let account = request.header("chatgpt-account-id").unwrap_or("nobody").to_owned();
                (account, request.status.unwrap_or_default())
            })
            .collect()
    }

    /// The account whose login is used.
    fn active(&self) -> String {
        let file = std::fs::read_to_string(self.path("auth.json")).unwrap();
        let file: Value = serde_json::from_str(&file).unwrap();
        file["tokens"]["account_id"].as_str().unwrap().to_owned()
    }
}

impl Session {
    async fn connect(&self) -> (Client, Notifications) {
        let link = in_time(valet_client::connect(&format!("ws://{}", self.address), Some(TOKEN))).await.unwrap();
        let (client, told) = Client::new(link, Handlers::new());
        in_time(client.initialize("guest", "1", false)).await.unwrap();
        (client, told)
    }

    async fn guest(&self) -> Guest {
        let (client, told) = self.connect().await;
        let params = v2::ThreadStartParams { approval_policy: Some(v2::AskForApproval::Never), ..Default::default() };
        let thread = in_time(client.request::<m::ThreadStart>(params)).await.unwrap().thread.id;
        Guest { client, told, thread, hints: VecDeque::new() }
    }

    fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    async fn end(mut self) -> String {
        terminate(self.pid());
        let status = in_time(self.child.wait()).await.unwrap();
        let said = in_time(self.said).await.unwrap();
        assert!(status.success(), "{status}: {said}");
        said
    }
}

impl Guest {
    async fn begin(&self, words: &str) -> String {
        let input = vec![v2::UserInput::Text { text: words.to_owned(), text_elements: Vec::new() }];
        let params = v2::TurnStartParams { thread_id: self.thread.clone(), input, ..Default::default() };
        in_time(self.client.request::<m::TurnStart>(params)).await.unwrap().turn.id
    }

    async fn end_of(&mut self, turn: &str) -> v2::Turn {
        in_time(self.wait_for::<m::TurnCompleted>(|ended| ended.turn.id == turn)).await.turn
    }

    /// Reads on until that comes.
    async fn wait_for<N: ServerNotificationMethod>(&mut self, wanted: impl Fn(&N::Params) -> bool) -> N::Params {
        loop {
            let told = self.told.next().await.unwrap();
            self.hints.extend(told.read::<m::Warning>().map(|warning| warning.message));
            if let Some(told) = told.read::<N>().filter(&wanted) {
                return told;
            }
        }
    }

    /// Runs a turn to its end.
    async fn turn(&mut self, words: &str) -> v2::TurnStatus {
        let turn = self.begin(words).await;
        self.end_of(&turn).await.status
    }

    /// The next sentence for the person.
    async fn hint(&mut self) -> String {
        match self.hints.pop_front() {
            Some(hint) => hint,
            None => in_time(self.told.wait_for::<m::Warning>(|_| true)).await.unwrap().message,
        }
    }
}

/// What both app servers take.
fn config(sim: &Sim) -> String {
    format!(
        "model = \"gpt-5.5\"\n\
         model_provider = \"sim\"\n\
         chatgpt_base_url = \"{}\"\n\
         check_for_update_on_startup = false\n\
         [model_providers.sim]\n\
         name = \"sim\"\n\
         base_url = \"{}\"\n\
         wire_api = \"responses\"\n\
         requires_openai_auth = true\n\
         supports_websockets = false\n\
         stream_max_retries = 0\n\
         request_max_retries = 0\n\
         [features]\n\
         apps = false\n\
         plugins = false\n\
         [analytics]\n\
         enabled = false\n",
        sim.chatgpt_base_url(),
        sim.base_url(),
    )
}

/// What a login of that account is called.
fn name(account: &str) -> String {
    format!("user@example.com_{account}")
}

fn terminate(pid: u32) {
    signal(pid, rustix::process::Signal::TERM);
}

fn kill(pid: u32) {
    signal(pid, rustix::process::Signal::KILL);
}

/// What answers turns of one account.
fn of(account: &str) -> Rule {
    Rule::matching(When { account: Some(account.to_owned()), ..When::default() })
}

/// The answer to a turn, after which so much is used up, until one hour from now.
fn used(percent: u32, words: &str) -> Response {
    limit_headers(Response::from(words), percent)
}

/// The answer to a turn that is not to be had any more.
fn refused() -> Response {
    let error = json!({ "error": { "type": "usage_limit_reached", "message": "The usage limit has been reached", "resets_at": in_an_hour() } });
    limit_headers(Response::status(429).body(error), 100)
}

fn limit_headers(response: Response, percent: u32) -> Response {
    let response = response.header("x-codex-primary-used-percent", percent.to_string());
    let response = response.header("x-codex-primary-window-minutes", "300");
    response.header("x-codex-primary-reset-at", in_an_hour().to_string())
}

fn in_an_hour() -> i64 {
    chrono::Utc::now().timestamp() + 3600
}

/// The app servers that are here: Valet, and the reference if it is installed.
fn app_servers() -> Vec<Vec<String>> {
    let reference = valet_tests::installed::codex().map(|path| native(&path));
    let reference = reference.map(|path| vec!["--codex-bin".to_owned(), path.display().to_string()]);
    std::iter::once(Vec::new()).chain(reference).collect()
}

/// The program behind the script that npm puts in front of it: a script's end is not the program's.
fn native(script: &Path) -> PathBuf {
    let packages = script.parent().and_then(Path::parent).unwrap();
    let below = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let vendors = below(packages.join("@openai")).map(|package| package.join("vendor"));
    vendors.flat_map(below).map(|target| target.join("bin/codex")).find(|binary| binary.is_file()).unwrap()
}
