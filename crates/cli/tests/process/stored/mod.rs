//! Threads that survive, seen from outside: hosts are killed, disks are full, homes are shared and damaged. Here is
//! what those tests have in common: a host with its client, and what it says of its threads.

mod crashes;
mod damage;
mod disks;
mod hosts;
mod reference;

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use valet_client::{AppServer, AppServerProcess, Client, Handlers, Notification, Notifications, RequestError};
use valet_protocol::{ClientRequestMethod, ErrorObject, methods as m, v2};
use valet_sim::{Script, Sim, TokenPolicy};

use crate::support::{LIMIT, in_time, signal, valet};

/// A sim that wants no login.
async fn backend(script: Script) -> Sim {
    Sim::start(script.tokens(TokenPolicy { anonymous: true, ..TokenPolicy::default() })).await.unwrap()
}

/// A home whose provider is that sim.
fn home(sim: &Sim) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    point_at(home.path(), sim);
    home
}

/// Writes the `config.toml` that makes the sim the provider.
fn point_at(home: &Path, sim: &Sim) {
    let config = format!(
        "model = \"gpt-5.5\"\n\
         model_provider = \"sim\"\n\
         approval_policy = \"never\"\n\
         sandbox_mode = \"danger-full-access\"\n\
         chatgpt_base_url = \"{}\"\n\
         [model_providers.sim]\n\
         name = \"sim\"\n\
         base_url = \"{}\"\n\
         wire_api = \"responses\"\n\
         stream_max_retries = 0\n\
         request_max_retries = 0\n",
        sim.chatgpt_base_url(),
        sim.base_url(),
    );
    std::fs::write(home.join("config.toml"), config).unwrap();
}

/// A host over stdio, and the client that speaks to it.
struct Host {
    client: Client,
    told: Notifications,
    process: AppServerProcess,
}

impl Host {
    async fn start(home: &Path) -> Self {
        Self::spawn(&mut valet(home, &["app-server"])).await
    }

    async fn spawn(command: &mut Command) -> Self {
        Self::spawn_with(command, Handlers::new()).await
    }

    async fn spawn_with(command: &mut Command, handlers: Handlers) -> Self {
        let server = AppServer::spawn(command).unwrap();
        let (client, told) = Client::new(server.link, handlers);
        in_time(client.initialize("parent", "1", true)).await.unwrap();
        Self { client, told, process: server.process }
    }

    fn pid(&self) -> u32 {
        self.process.id().unwrap()
    }

    async fn ask<M: ClientRequestMethod>(&self, params: M::Params) -> M::Response {
        in_time(self.client.request::<M>(params)).await.unwrap()
    }

    /// Asks for something that is refused.
    async fn refused<M: ClientRequestMethod<Response: std::fmt::Debug>>(&self, params: M::Params) -> ErrorObject {
        match in_time(self.client.request::<M>(params)).await {
            Err(RequestError::Server(error)) => error,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// A new thread.
    async fn thread(&self) -> v2::Thread {
        self.ask::<m::ThreadStart>(v2::ThreadStartParams::default()).await.thread
    }

    /// Begins a turn. Returns its id.
    async fn begin(&self, thread_id: &str, text: &str) -> String {
        self.ask::<m::TurnStart>(says(thread_id, text)).await.turn.id
    }

    /// Takes a turn to its end.
    async fn turn(&mut self, thread_id: &str, text: &str) -> v2::Turn {
        let id = self.begin(thread_id, text).await;
        self.ended(&id).await
    }

    /// Waits for the end of a turn.
    async fn ended(&mut self, turn_id: &str) -> v2::Turn {
        in_time(self.told.wait_for::<m::TurnCompleted>(|ended| ended.turn.id == turn_id)).await.unwrap().turn
    }

    /// A thread with all its turns.
    async fn read(&self, thread_id: &str) -> v2::Thread {
        self.ask::<m::ThreadRead>(whole(thread_id)).await.thread
    }

    async fn resume(&self, thread_id: &str) -> v2::Thread {
        self.ask::<m::ThreadResume>(resuming(thread_id)).await.opened.thread
    }

    /// All rows of the list, newest first.
    async fn rows(&self) -> Vec<v2::Thread> {
        let (mut rows, mut cursor) = (Vec::new(), None);
        loop {
            let params = v2::ThreadListParams { cursor, limit: Some(100), ..Default::default() };
            let page = self.ask::<m::ThreadList>(params).await;
            rows.extend(page.data);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return rows;
            }
        }
    }

    /// The threads of the list.
    async fn listed(&self) -> Vec<String> {
        self.rows().await.into_iter().map(|row| row.id).collect()
    }

    /// The threads in which this was said.
    async fn found(&self, text: &str) -> Vec<String> {
        let params = v2::ThreadSearchParams { search_term: text.to_owned(), ..Default::default() };
        self.ask::<m::ThreadSearch>(params).await.data.into_iter().map(|found| found.thread.id).collect()
    }

    /// Kills it as nothing can be killed harder. What it had said before, and nobody read yet.
    async fn kill(mut self) -> Vec<Notification> {
        signal(self.pid(), rustix::process::Signal::KILL);
        let mut rest = Vec::new();
        while let Some(told) = in_time(self.told.next()).await {
            rest.push(told);
        }
        self.process.wait(LIMIT).await.unwrap();
        rest
    }

    /// Has it end by itself.
    async fn end(self) {
        drop((self.client, self.told));
        assert!(self.process.wait(LIMIT).await.unwrap().success());
    }
}

fn says(thread_id: &str, text: &str) -> v2::TurnStartParams {
    let input = vec![v2::UserInput::Text { text: text.to_owned(), text_elements: Vec::new() }];
    v2::TurnStartParams { thread_id: thread_id.to_owned(), input, ..Default::default() }
}

fn whole(thread_id: &str) -> v2::ThreadReadParams {
    v2::ThreadReadParams { thread_id: thread_id.to_owned(), include_turns: true }
}

fn resuming(thread_id: &str) -> v2::ThreadResumeParams {
    v2::ThreadResumeParams { thread_id: thread_id.to_owned(), ..Default::default() }
}

/// The texts of messages in turns: who said what.
fn messages(turns: &[v2::Turn]) -> Vec<String> {
    let items = turns.iter().flat_map(|turn| &turn.items);
    let text = |item: &v2::ThreadItem| match &item.details {
        v2::ThreadItemDetails::UserMessage { content, .. } => match content.first() {
            Some(v2::UserInput::Text { text, .. }) => Some(format!("user: {text}")),
            _ => None,
        },
        v2::ThreadItemDetails::AgentMessage { text, .. } => Some(format!("agent: {text}")),
        _ => None,
    };
    items.filter_map(text).collect()
}

/// All files of threads below a folder of the home.
fn rollouts(home: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![home.join("sessions")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    found
}

/// Whether every line of a log is one, and their numbers go up from 0 without a gap.
fn is_whole(log: &Path) -> bool {
    let text = std::fs::read_to_string(log).unwrap();
    let ordinal = |line| serde_json::from_str::<serde_json::Value>(line).ok()?["ordinal"].as_u64();
    text.ends_with('\n') && text.lines().map(ordinal).eq((0..).map(Some).take(text.lines().count()))
}
