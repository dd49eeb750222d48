//! The host that a recording is played to: set up as the reference was, with its backend and raw connections.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use valet_server::{Config, Host};
use valet_sim::{RecordedRequest, Sim, TokenRequest};
use valet_tests::transcript::{Asked, Bindings};
use valet_tests::{Direction, Record, launcher};
use valet_transport::{Close, Link, OutboxLimits, memory};

use super::backend;
use super::recording::Recording;

/// How long anything expected may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A host in strict mode, its backend, and the connections by the names that the recording gives them.
pub(super) struct Stage {
    pub(super) sim: Sim,
    host: Host,
    connections: HashMap<String, Connection>,
    _home: TempDir,
    _cwd: TempDir,
}

/// One raw connection.
struct Connection {
    link: Link,
    record: Record,
    asked: Asked,
    /// Messages that were taken and not used, with their subjects.
    waiting: VecDeque<Message>,
}

/// A message of the host and what it is about.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) value: Value,
}

/// What `config.toml` holds for a recording, with a lender's login or with a key of the provider.
fn config(recording: &Recording, sim: &Sim) -> String {
    let thread = recording.thread_result();
    let approvals = thread.and_then(|thread| thread["approvalPolicy"].as_str()).unwrap_or("never");
    let sandbox = match thread.and_then(|thread| thread["sandbox"]["type"].as_str()) {
        Some("workspaceWrite") => "workspace-write",
        _ => "read-only",
    };
    let credential = match recording.has_key() {
        true => "http_headers = { authorization = \"Bearer demo-key\" }",
        false => "requires_openai_auth = true",
    };
    let forced = match recording.name.as_str() {
        "forced_workspace" => "forced_chatgpt_workspace_id = \"ws-allowed\"",
        _ => "",
    };
    let retries = if recording.name == "retries" { 2 } else { 0 };
    let deadline = if recording.name == "refresh_timeout" { 1_000 } else { 10_000 };
    format!(
        "model = \"gpt-5.5\"\nmodel_provider = \"demo\"\nchatgpt_base_url = \"{}\"\n\
         approval_policy = \"{approvals}\"\nsandbox_mode = \"{sandbox}\"\n{forced}\n\
         [model_providers.demo]\nname = \"demo\"\nbase_url = \"{}\"\nwire_api = \"responses\"\n\
         request_max_retries = 0\nstream_max_retries = {retries}\n{credential}\n\
         [shell_environment_policy]\nset = {{ HOME = \"/nonexistent\" }}\n\
         [valet]\ncompat = \"strict\"\nauth_refresh_timeout_ms = {deadline}\n",
        sim.chatgpt_base_url(),
        sim.base_url(),
    )
}

impl Stage {
    pub(super) async fn set(recording: &Recording) -> (Self, Bindings) {
        let sim = Sim::start(backend::script(recording)).await.unwrap();
        let (home, cwd) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(home.path().join("config.toml"), config(recording, &sim)).unwrap();
        let host = Host::start_with(Config::load(home.path(), &[]).unwrap(), launcher());

        let mut bindings = Bindings::default();
        bindings.bind("home", home.path().to_str().unwrap());
        bindings.bind("cwd", cwd.path().to_str().unwrap());
        for unknown in ["unknown-login", "unknown-thread"] {
            bindings.bind(unknown, "00000000-0000-4000-8000-000000000000");
        }
        for (name, token) in recording.tokens() {
            let uses = token.good_for.unwrap_or(u64::MAX);
            let request = owner(&token.account).uses(uses);
            bindings.bind(&name, &sim.tokens().issue(request).access_token);
        }
        (Self { sim, host, connections: HashMap::new(), _home: home, _cwd: cwd }, bindings)
    }

    fn connection(&mut self, name: &str) -> &mut Connection {
        let host = &self.host;
        self.connections.entry(name.to_owned()).or_insert_with(|| Connection::open(host.clone()))
    }

    pub(super) fn send(&mut self, connection: &str, message: Value) {
        self.connection(connection).send(message);
    }

    /// The next message that `is` holds for. None: it did not come in time.
    pub(super) async fn next(&mut self, connection: &str, is: impl Fn(&Message) -> bool) -> Option<Message> {
        let next = self.connection(connection).next(is);
        tokio::time::timeout(PATIENCE, next).await.ok().flatten()
    }

    /// Puts a message back that was taken too early.
    pub(super) fn put_back(&mut self, connection: &str, message: Message) {
        self.connection(connection).waiting.push_front(message);
    }

    /// Waits until the backend was asked this often for a turn.
    pub(super) async fn turns(&self, count: usize) {
        let arrived = self.sim.wait_for_requests(RecordedRequest::is_turn, count);
        let _ = tokio::time::timeout(PATIENCE, arrived).await;
    }

    /// Asks each connection something of no effect, and returns what else it was told until the answer.
    pub(super) async fn rest(&mut self) -> Vec<Message> {
        let fence = serde_json::json!({ "id": "fence", "method": "thread/loaded/list", "params": {} });
        let mut rest = Vec::new();
        for connection in self.connections.values_mut() {
            connection.send(fence.clone());
            let drain = async {
                while let Some(message) = connection.next(|_| true).await {
                    if message.value["id"] == "fence" {
                        return;
                    }
                    rest.push(message);
                }
            };
            tokio::time::timeout(PATIENCE, drain).await.unwrap();
        }
        rest
    }

    /// What is wrong with what passed, whatever was recorded.
    pub(super) fn faults(&self) -> Vec<String> {
        self.connections.values().flat_map(|connection| connection.record.faults()).collect()
    }

    /// All requests to the backend, as soon as all have ended.
    pub(super) async fn requests(&self) -> Vec<RecordedRequest> {
        let ended = |request: &RecordedRequest| request.outcome != valet_sim::Outcome::Pending;
        let count = self.sim.requests().len();
        let _ = tokio::time::timeout(PATIENCE, self.sim.wait_for_requests(ended, count)).await;
        self.sim.requests()
    }
}

/// Whose tokens the recordings show.
fn owner(account: &str) -> TokenRequest {
    let request = TokenRequest::account(account);
    match account {
        "acct-2" => {
            TokenRequest { user: "user-2".to_owned(), email: "two@example.com".to_owned(), ..request.plan("plus") }
        }
        _ => request,
    }
}

impl Connection {
    fn open(host: Host) -> Self {
        let (link, theirs) = memory::pair(OutboxLimits::default());
        tokio::spawn(async move { host.connect(theirs).await });
        Self { link, record: Record::default(), asked: Asked::default(), waiting: VecDeque::new() }
    }

    fn send(&mut self, message: Value) {
        self.asked.subject(&message, false);
        self.link.outbox.push(message.to_string().into());
        self.record.push(Direction::ToServer, message);
    }

    async fn next(&mut self, is: impl Fn(&Message) -> bool) -> Option<Message> {
        if let Some(index) = self.waiting.iter().position(&is) {
            return self.waiting.remove(index);
        }
        while let Some(text) = self.link.inbox.next().await {
            let value: Value = serde_json::from_slice(&text).unwrap();
            self.record.push(Direction::ToClient, value.clone());
            let message = Message { subject: self.asked.subject(&value, true), value };
            if is(&message) {
                return Some(message);
            }
            self.waiting.push_back(message);
        }
        None
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.link.outbox.close(Close::Gone);
    }
}
