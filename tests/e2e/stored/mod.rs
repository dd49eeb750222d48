//! Threads that are stored: what they look like to clients, to other hosts, and in their files. The sim plays the
//! model, and a host that is started again plays the next day.

mod crashes;
mod forks;
mod history;
mod lists;
mod notes;
mod races;
mod reference;
mod resume;
mod reverts;
mod scope;
mod shelf;
mod subscribe;
mod trouble;
mod unload;
mod wires;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::TurnStatus;
use valet_sim::{RecordedRequest, Response, Script};
use valet_tests::{Direction, HostBuilder, Refusal, TestClient, TestHost, TestTurn};

/// An id that no thread has.
const MISSING: &str = "01984de2-8f74-7c91-a3b2-5c5e937cf318";

/// A host and its parent.
struct Bench {
    host: TestHost,
    parent: TestClient,
}

impl Bench {
    /// A host whose model does what the script says.
    async fn start(script: Script) -> Self {
        Self::of(TestHost::builder().script(script)).await
    }

    async fn of(builder: HostBuilder) -> Self {
        Self::on(builder.start().await).await
    }

    async fn on(host: TestHost) -> Self {
        let parent = host.parent().await;
        Self { host, parent }
    }

    /// The next day.
    async fn restarted(self) -> Self {
        drop(self.parent);
        Self::on(self.host.restarted().await).await
    }

    /// A thread in no repository. Of one, the host would note something in the log once git has answered.
    async fn thread_outside(&mut self) -> String {
        let started = self.call("thread/start", json!({ "cwd": self.host.home() })).await;
        str_of(&started["thread"], "id").to_owned()
    }

    /// A thread in which these things were said, and answered.
    async fn talk(&mut self, texts: &[&str]) -> String {
        let thread = self.parent.thread().await;
        for text in texts {
            self.say(&thread, text).await;
        }
        thread
    }

    /// A turn that ends by itself.
    async fn say(&mut self, thread: &str, text: &str) -> TestTurn {
        let turn = self.parent.turn(thread, text).await;
        assert_eq!((turn.turn.status.clone(), &turn.turn.error), (TurnStatus::Completed, &None));
        turn
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.parent.call(method, params).await.unwrap_or_else(|refusal| panic!("{method}: {refusal:?}"))
    }

    /// The code and the words of a refusal.
    async fn refused(&mut self, method: &str, params: Value) -> (i64, String) {
        let Refusal { code, message, .. } = self.parent.refused(method, params).await;
        (code, message)
    }

    async fn resume(&mut self, thread: &str) -> Value {
        self.resume_with(thread, json!({})).await
    }

    /// Resumes a thread, and takes in everything that follows the answer.
    async fn resume_with(&mut self, thread: &str, mut params: Value) -> Value {
        params["threadId"] = json!(thread);
        let resumed = self.call("thread/resume", params).await;
        self.parent.wait_for::<m::ThreadGoalCleared>().await;
        resumed
    }

    /// The turns of a thread, oldest first, whole.
    async fn turns(&mut self, thread: &str) -> Vec<Value> {
        let read = self.call("thread/read", json!({ "threadId": thread, "includeTurns": true })).await;
        read["thread"]["turns"].as_array().unwrap().clone()
    }

    /// The ids of the threads in a list.
    async fn listed(&mut self, params: Value) -> Vec<String> {
        ids(&self.call("thread/list", params).await)
    }

    /// The conversation as the model was last given it.
    fn input(&self) -> Vec<Value> {
        self.posts().pop().unwrap()["input"].as_array().unwrap().clone()
    }

    fn posts(&self) -> Vec<Value> {
        let requests = self.host.sim.requests().into_iter().filter(RecordedRequest::is_turn);
        requests.map(|request| request.body).collect()
    }

    /// The texts of the conversation as the model was last given it, but for what opens it.
    fn given(&self) -> Vec<String> {
        let texts = self.input().into_iter().filter(|item| item["role"] != "developer");
        texts.map(|item| text(&item)).filter(|text| !text.starts_with("<environment")).collect()
    }

    fn log(&self, thread: &str) -> Vec<Value> {
        log(self.host.home(), thread)
    }
}

/// A model that says a word each time.
fn words() -> Script {
    Script::text("A word.")
}

/// A model that answers so, one after another, and then says a word.
fn model(responses: impl IntoIterator<Item = Response>) -> Script {
    Script::responses(responses.into_iter().chain([Response::new().text("A word.")]))
}

/// What an item of a conversation says, or gives back.
fn text(item: &Value) -> String {
    let text = item["content"][0]["text"].as_str().or(item["output"].as_str()).or(item["arguments"].as_str());
    text.unwrap_or_default().to_owned()
}

/// The ids of what is on a page.
fn ids(page: &Value) -> Vec<String> {
    let id = |one: &Value| one["id"].as_str().or(one["thread"]["id"].as_str()).unwrap().to_owned();
    page["data"].as_array().unwrap().iter().map(id).collect()
}

/// The type of each item, and its text.
fn kinds(items: &Value) -> Vec<(&str, &str)> {
    let kind = |item| -> (&str, &str) { (str_of(item, "type"), said(item)) };
    items.as_array().unwrap().iter().map(kind).collect()
}

/// What a message on the wire says.
fn said(item: &Value) -> &str {
    item["text"].as_str().or(item["content"][0]["text"].as_str()).unwrap_or_default()
}

fn str_of<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// How many messages have passed on a connection.
fn mark(client: &TestClient) -> usize {
    client.record().messages().len()
}

/// Everything that a client was sent since a mark.
fn sent_since(client: &TestClient, mark: usize) -> Vec<Value> {
    let record = client.record();
    let to_client = record.messages()[mark..].iter().filter(|(to, _)| *to == Direction::ToClient);
    to_client.map(|(_, message)| message.clone()).collect()
}

/// The names of what a client was sent since a mark; `result` and `error` for answers. What is about the account is
/// left out.
fn story(client: &TestClient, mark: usize) -> Vec<String> {
    let name = |message: Value| {
        let answer = if message.get("error").is_some() { "error" } else { "result" };
        let status = message["params"]["status"]["type"].as_str().map(|status| format!(" {status}"));
        format!("{}{}", message["method"].as_str().unwrap_or(answer), status.unwrap_or_default())
    };
    let names = sent_since(client, mark).into_iter().map(name);
    names.filter(|name| !name.starts_with("account/")).collect()
}

/// The file of a thread that is not in the archive.
fn file_of(home: &Path, thread: &str) -> PathBuf {
    find(&home.join("sessions"), thread).unwrap_or_else(|| panic!("{thread} has no file"))
}

fn find(folder: &Path, thread: &str) -> Option<PathBuf> {
    let mut paths = std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path());
    paths.find_map(|path| match path.is_dir() {
        true => find(&path, thread),
        false => path.to_str()?.contains(thread).then_some(path),
    })
}

/// The lines of a thread.
fn log(home: &Path, thread: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file_of(home, thread)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What each line is: its type, or that of its event.
fn line_kinds(lines: &[Value]) -> Vec<&str> {
    let kind = |line| match str_of(line, "type") {
        "event_msg" => str_of(&line["payload"], "type"),
        kind => kind,
    };
    lines.iter().map(kind).collect()
}
