//! The agent at work, from end to end: the sim plays the model, the test plays the parent and the person.

mod approvals;
mod chat;
mod client_tools;
mod commands;
mod compaction;
mod context;
mod decisions;
#[cfg(target_os = "linux")]
mod escapes;
mod patches;
mod plan;
#[cfg(target_os = "linux")]
mod sessions;
mod shell_command;
mod steering;
mod task;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use valet_protocol::v2::TurnStatus;
use valet_sim::{RecordedRequest, Response, Script};
use valet_tests::{Direction, HostBuilder, TestClient, TestHost, TestTurn};

/// A host, its parent, and a thread that works in a folder of its own.
struct Bench {
    host: TestHost,
    parent: TestClient,
    thread: String,
    folder: TempDir,
}

/// A host whose commands may write in the folder only.
fn confined() -> HostBuilder {
    TestHost::builder()
        .config("sandbox_mode = \"workspace-write\"")
        .config("sandbox_workspace_write = { exclude_slash_tmp = true, exclude_tmpdir_env_var = true }")
}

/// The same with this approval policy.
fn with_policy(policy: &str) -> HostBuilder {
    confined().config(&format!("approval_policy = {policy}"))
}

/// A model that answers so, one after another, and then is done.
fn model(responses: impl IntoIterator<Item = Response>) -> Script {
    Script::responses(responses.into_iter().chain([Response::new().text("Done.")]))
}

/// A model that makes one call.
fn one_call(name: &str, arguments: Value) -> Script {
    model([Response::new().function_call(name, arguments)])
}

/// A model that runs one command.
fn one_command(script: &str) -> Script {
    one_call("exec_command", command(script))
}

/// Arguments of `exec_command`: without the profile of this machine.
fn command(script: &str) -> Value {
    json!({ "cmd": script, "login": false, "shell": "/bin/sh" })
}

/// The same, with more arguments.
fn command_with(script: &str, more: Value) -> Value {
    let mut arguments = command(script);
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    arguments
}

impl Bench {
    async fn start(builder: HostBuilder, script: Script) -> Self {
        Self::start_with(builder, script, json!({})).await
    }

    /// With more parameters of `thread/start`.
    async fn start_with(builder: HostBuilder, script: Script, mut params: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = builder.script(script).start().await;
        let mut parent = host.parent().await;
        params["cwd"] = json!(folder.path().canonicalize().unwrap());
        let started = parent.call("thread/start", params).await.unwrap();
        let thread = started["thread"]["id"].as_str().unwrap().to_owned();
        Self { host, parent, thread, folder }
    }

    /// A path in the folder, without links.
    fn path(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().canonicalize().unwrap();
        // Joined with nothing it would end in a slash.
        if name.is_empty() { folder } else { folder.join(name) }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    async fn begin(&mut self) -> String {
        self.parent.start_turn(&self.thread, "go").await
    }

    /// Starts a turn with more parameters.
    async fn begin_with(&mut self, mut params: Value) -> String {
        params["threadId"] = json!(self.thread);
        params["input"] = json!([{ "type": "text", "text": "go" }]);
        let started = self.parent.call("turn/start", params).await.unwrap();
        started["turn"]["id"].as_str().unwrap().to_owned()
    }

    async fn end(&mut self, turn_id: &str) -> TestTurn {
        self.parent.end_of(turn_id).await
    }

    /// A turn that ends by itself.
    async fn turn(&mut self) -> TestTurn {
        let turn = self.any_turn().await;
        assert_eq!((turn.turn.status.clone(), &turn.turn.error), (TurnStatus::Completed, &None));
        turn
    }

    /// The same, however it ends.
    async fn any_turn(&mut self) -> TestTurn {
        self.parent.turn(&self.thread, "go").await
    }

    async fn interrupt(&mut self, turn_id: &str) -> TestTurn {
        let params = json!({ "threadId": self.thread, "turnId": turn_id });
        self.parent.call("turn/interrupt", params).await.unwrap();
        let turn = self.end(turn_id).await;
        assert_eq!(turn.turn.status, TurnStatus::Interrupted);
        turn
    }

    /// Everything that was told of this method, from the beginning.
    fn told(&self, method: &str) -> Vec<Value> {
        let record = self.parent.record();
        let told =
            record.messages().iter().filter(|(to, message)| *to == Direction::ToClient && message["method"] == method);
        told.map(|(_, message)| message["params"].clone()).collect()
    }

    /// The methods of everything that was sent to the parent after this method, but for usage and limits.
    fn story_since(&self, method: &str) -> Vec<String> {
        let record = self.parent.record();
        let since = record.messages().iter().skip_while(|(_, message)| message["method"] != method);
        let methods = since.filter(|(to, _)| *to == Direction::ToClient);
        let methods = methods.map(|(_, message)| message["method"].as_str().unwrap_or("response").to_owned());
        methods.filter(|method| !method.ends_with("rateLimits/updated") && !method.contains("tokenUsage")).collect()
    }

    /// The items of this type that are complete.
    fn items(&self, kind: &str) -> Vec<Value> {
        let items = self.told("item/completed").into_iter().map(|params| params["item"].clone());
        items.filter(|item| item["type"] == kind).collect()
    }

    /// The only item of this type. It began once and ended once.
    fn item(&self, kind: &str) -> Value {
        let begun = self.told("item/started").iter().filter(|params| params["item"]["type"] == kind).count();
        let mut items = self.items(kind);
        assert_eq!((begun, items.len()), (1, 1), "{items:?}");
        items.remove(0)
    }

    /// The bodies of the requests to the model.
    fn posts(&self) -> Vec<Value> {
        let requests = self.host.sim.requests().into_iter().filter(RecordedRequest::is_turn);
        requests.map(|request| request.body).collect()
    }

    /// The conversation as the model was last given it.
    fn input(&self) -> Vec<Value> {
        self.posts().last().unwrap()["input"].as_array().unwrap().clone()
    }

    /// What the model was given back, for each call in order. Each call has exactly one answer.
    fn outputs(&self) -> Vec<Value> {
        let input = self.input();
        let ids = |suffix: &str| -> Vec<Value> {
            let kind = |item: &&Value| item["type"].as_str().unwrap().ends_with(suffix);
            input.iter().filter(kind).map(|item| item["call_id"].clone()).collect()
        };
        assert_eq!(ids("_call"), ids("_call_output"), "each call has one answer, in order");
        let outputs = input.iter().filter(|item| item["type"].as_str().unwrap().ends_with("_call_output"));
        outputs.map(|item| item["output"].clone()).collect()
    }

    /// The only output, which is a text.
    fn output(&self) -> String {
        let outputs = self.outputs();
        assert_eq!(outputs.len(), 1);
        outputs[0].as_str().unwrap().to_owned()
    }

    /// What commands printed, as clients saw it pass.
    fn printed(&self) -> String {
        let deltas = self.told("item/commandExecution/outputDelta");
        deltas.iter().map(|params| params["delta"].as_str().unwrap()).collect()
    }

    /// The flags of the thread, each time they were told.
    fn flags(&self) -> Vec<Value> {
        let told = self.told("thread/status/changed").into_iter();
        told.filter(|told| told["status"]["type"] == "active")
            .map(|told| told["status"]["activeFlags"].clone())
            .collect()
    }
}

/// A patch in one piece.
fn patch(lines: &[&str]) -> String {
    format!("*** Begin Patch\n{}\n*** End Patch", lines.join("\n"))
}

/// A word that is in the arguments of the processes of one test and nowhere else: seconds for `sleep`.
fn marker() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("600.{}{:04}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

/// Whether a process has this word in its arguments.
#[cfg(target_os = "linux")]
fn runs(marker: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    arguments.into_iter().any(|arguments| String::from_utf8_lossy(&arguments).contains(marker))
}

/// Whether there is a file with this text.
fn holds(path: &Path, text: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|found| found == text)
}
