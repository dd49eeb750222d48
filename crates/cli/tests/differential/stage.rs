//! A scenario in progress: one host, its backend, its connections, and what the steps have made of them.

use std::fs::File;
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};
use valet_sim::{Endpoint, IssuedToken, Script, Sim, TokenRequest};
use valet_tests::transcript::Asked;

use crate::connection::{Connection, PATIENCE};
use crate::host::{Places, Process, Which};
use crate::names::{Names, holds};
use crate::scenario::{Answer, Connect, Http, Issue, Request, Scenario, Signal, Step, Transport, Until, UntilMessage};

/// The ids of the requests that only tell when the host has caught up.
pub(crate) const FENCE: &str = "fence-";

/// The accounts that scenarios may issue tokens for.
const WORKSPACES: [&str; 4] = ["acct-1", "acct-2", "ws-a", "ws-b"];

pub(crate) struct Stage<'a> {
    pub(crate) scenario: &'a Scenario,
    which: Which,
    pub(crate) sim: Sim,
    pub(crate) places: Places,
    process: Process,
    /// In the order in which they were opened. The last one of a name is the one that is meant by it.
    pub(crate) connections: Vec<Line>,
    names: Names,
    /// What the steps themselves saw: files, answers of the listener, the host's end.
    pub(crate) seen: Vec<Value>,
    pub(crate) tokens: Vec<(String, IssuedToken)>,
    fences: usize,
    /// The ports of browser logins, where they are needed.
    _ports: Option<File>,
}

/// The script, with workspaces that the reference accepts: their origin must be https.
fn with_workspaces(script: &Script) -> Script {
    let workspace = |id: &&str| {
        json!({
            "id": id, "name": "Demo", "plan_type": "pro", "structure": "workspace",
            "workspace_backend_origin": "https://chatgpt.com", "account_routing_override": "NO_CONSTRAINT",
        })
    };
    let workspaces: Vec<Value> = WORKSPACES.iter().map(workspace).collect();
    let body = json!({ "accounts": workspaces, "account_ordering": WORKSPACES, "default_account_id": WORKSPACES[0] });
    let mut script = script.clone();
    let check = "GET /backend-api/wham/accounts/check".to_owned();
    script.endpoints.entry(check).or_insert_with(|| Endpoint::new(200, body));
    script
}

/// A connection and its name.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) connection: Connection,
    pub(crate) asked: Asked,
}

impl<'a> Stage<'a> {
    pub(crate) async fn set(which: Which, scenario: &'a Scenario) -> Result<Self, String> {
        let browses = scenario.steps.iter().any(|step| matches!(step, Step::Browse(_)));
        let ports = browses.then(valet_tests::login_ports);
        let sim = Sim::start(with_workspaces(&scenario.backend)).await.map_err(|error| error.to_string())?;
        let places = Places::make(scenario, &sim);
        let process = Process::start(which, scenario, &places).await?;
        let mut names = Names::default();
        names.set("home", places.home.path().to_str().into());
        names.set("cwd", places.cwd.path().to_str().into());
        names.set("backend", sim.origin().into());
        let (connections, seen, tokens) = (Vec::new(), Vec::new(), Vec::new());
        let mut stage =
            Self { scenario, which, sim, places, process, connections, names, seen, tokens, fences: 0, _ports: ports };
        stage.open_main().await?;
        Ok(stage)
    }

    async fn open_main(&mut self) -> Result<(), String> {
        match self.process.pipes.take() {
            Some(connection) => self.add("main", connection),
            None => {
                self.connect(&Connect { name: "main".to_owned(), headers: [].into(), path: "/".to_owned() }).await?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, connection: Connection) {
        self.connections.push(Line { name: name.to_owned(), connection, asked: Asked::default() });
    }

    fn line(&mut self, name: &str) -> Result<&mut Line, String> {
        let line = self.connections.iter_mut().rfind(|line| line.name == name);
        line.ok_or_else(|| format!("no connection is named {name}"))
    }

    /// Plays all steps. The error names the one that could not be played.
    pub(crate) async fn play(&mut self) -> Result<(), String> {
        for (index, step) in self.scenario.steps.iter().enumerate() {
            let played = self.step(step).await;
            played.map_err(|error| format!("step {} of {}: {error}", index + 1, self.scenario.steps.len()))?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Request(request) => self.request(request).await?,
            Step::Send(send) => {
                let message = self.names.fill(&send.message)?;
                self.send(&send.on, &message).await?;
            }
            Step::Text(text) => {
                let filled = self.names.fill_text(&text.text)?;
                self.line(&text.on)?.connection.send(&filled).await;
            }
            Step::Until(until) => self.until(until).await?,
            Step::Answer(answer) => self.answer(answer).await?,
            Step::Issue(issue) => self.issue(issue)?,
            Step::Expire(name) if name == "*" => _ = self.sim.tokens().expire_all(),
            Step::Expire(name) => {
                let (_, token) = self.tokens.iter().rfind(|(token, _)| token == name).ok_or("no such token")?;
                self.sim.tokens().expire(&token.access_token);
            }
            Step::Script(script) => self.sim.replace_script(with_workspaces(script)),
            Step::Arrived(count) => {
                let arrived = self.sim.wait_for_requests(|request| request.is_turn(), *count);
                tokio::time::timeout(PATIENCE, arrived).await.map_err(|_| "too few turns reached the backend")?;
            }
            Step::Write(write) => {
                let path = self.places.path(&write.file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, self.names.fill_text(&write.text)?).map_err(|error| error.to_string())?;
            }
            Step::Read(file) => {
                let text = std::fs::read_to_string(self.places.path(file)).ok();
                self.seen.push(json!({ "read": file, "text": text }));
            }
            Step::Connect(connect) => self.connect(connect).await?,
            Step::Close(name) => self.line(name)?.connection.close().await,
            Step::Http(http) => self.http(http).await?,
            Step::Browse(address) => {
                let address = self.names.fill_text(address)?;
                let answer = reqwest::get(&address).await.map_err(|error| error.to_string())?;
                self.seen.push(json!({ "browsed": address, "status": answer.status().as_u16() }));
            }
            Step::Signal(Signal::Terminate) => self.terminate(),
            Step::End => {
                let code = self.end().await?;
                self.seen.push(json!({ "ended": code }));
            }
            Step::Restart => {
                if self.scenario.transport == Transport::Websocket {
                    self.terminate();
                }
                self.end().await?;
                self.process = Process::start(self.which, self.scenario, &self.places).await?;
                self.open_main().await?;
            }
            Step::Pause(milliseconds) => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
            Step::Play(_) => unreachable!("parts were put in when the scenario was read"),
        }
        Ok(())
    }

    async fn send(&mut self, on: &str, message: &Value) -> Result<(), String> {
        let line = self.line(on)?;
        line.asked.subject(message, false);
        line.connection.send(&message.to_string()).await;
        Ok(())
    }

    async fn request(&mut self, request: &Request) -> Result<(), String> {
        let name = request.name.as_ref().unwrap_or(&request.method);
        let mut message = json!({ "id": name, "method": request.method });
        if let Some(params) = &request.params {
            message["params"] = self.names.fill(params)?;
        }
        self.send(&request.on, &message).await?;
        if !request.later {
            let is_answer = |message: &Value| message["id"] == **name && message.get("method").is_none();
            let answer = self.line(&request.on)?.connection.take(is_answer).await;
            let answer = answer.map_err(|error| format!("no answer to `{name}`: {error}"))?;
            self.names.set(name, answer.get("result").unwrap_or(&answer["error"]).clone());
        }
        Ok(())
    }

    async fn until(&mut self, until: &Until) -> Result<(), String> {
        let until = match until {
            Until::Message(until) => until.clone(),
            Until::Method(method) => {
                UntilMessage { message: json!({ "method": method }), name: None, on: "main".to_owned() }
            }
        };
        let part = self.names.fill(&until.message)?;
        let message = self.line(&until.on)?.connection.take(|message| holds(&part, message)).await;
        let message = message.map_err(|error| format!("waited for {part}: {error}"))?;
        if let Some(name) = &until.name {
            self.names.set(name, message);
        }
        Ok(())
    }

    async fn answer(&mut self, answer: &Answer) -> Result<(), String> {
        let mut message = json!({});
        for (member, value) in [("result", &answer.result), ("error", &answer.error)] {
            if let Some(value) = value {
                message[member] = self.names.fill(value)?;
            }
        }
        if answer.always {
            self.line(&answer.on)?.connection.answer_always(&answer.method, message);
            return Ok(());
        }
        let params = answer.params.as_ref().map(|params| self.names.fill(params)).transpose()?;
        let is_asked = |message: &Value| {
            let fits = || params.as_ref().is_none_or(|params| holds(params, &message["params"]));
            message["method"] == *answer.method && message.get("id").is_some() && fits()
        };
        let asked = self.line(&answer.on)?.connection.take(is_asked).await;
        let asked = asked.map_err(|error| format!("was not asked {}: {error}", answer.method))?;
        message["id"] = asked["id"].clone();
        if let Some(name) = &answer.name {
            self.names.set(name, asked);
        }
        self.line(&answer.on)?.connection.send(&message.to_string()).await;
        Ok(())
    }

    fn issue(&mut self, issue: &Issue) -> Result<(), String> {
        let usual = TokenRequest::default();
        let or = |text: &Option<String>, usual: String| text.clone().unwrap_or(usual);
        let request = TokenRequest {
            account: or(&issue.account, usual.account),
            user: or(&issue.user, usual.user),
            email: or(&issue.email, usual.email),
            plan: or(&issue.plan, usual.plan),
            uses: issue.uses,
            lifetime: None,
        };
        let token = self.sim.tokens().issue(request);
        self.names.set(&issue.name, serde_json::to_value(&token).map_err(|error| error.to_string())?);
        self.tokens.push((issue.name.clone(), token));
        Ok(())
    }

    async fn connect(&mut self, connect: &Connect) -> Result<(), String> {
        let address = self.process.address.as_deref().ok_or("the host does not listen: its transport is stdio")?;
        let url = format!("ws://{address}{}", connect.path);
        match Connection::socket(&url, &connect.headers).await {
            Ok(connection) => self.add(&connect.name, connection),
            Err(refusal) => self.seen.push(json!({ "connect": connect.name, "refused": refusal })),
        }
        Ok(())
    }

    async fn http(&mut self, http: &Http) -> Result<(), String> {
        let address = self.process.address.as_deref().ok_or("the host does not listen: its transport is stdio")?;
        let method = reqwest::Method::from_bytes(http.method.as_bytes()).map_err(|error| error.to_string())?;
        let mut request = reqwest::Client::new().request(method, format!("http://{address}{}", http.path));
        for (name, value) in &http.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let body = answer.text().await.map_err(|error| error.to_string())?;
        self.seen.push(json!({ "http": format!("{} {}", http.method, http.path), "status": status, "body": body }));
        Ok(())
    }

    /// Asks it to end.
    fn terminate(&self) {
        if let Some(pid) = self.process.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process(pid, rustix::process::Signal::TERM);
        }
    }

    /// Waits for the host's end, with all that it still says. The code; none after a signal.
    async fn end(&mut self) -> Result<Option<i32>, String> {
        if self.scenario.transport == Transport::Stdio {
            self.line("main")?.connection.close().await;
        }
        let status = tokio::time::timeout(PATIENCE, self.process.child.wait()).await;
        let status = status.map_err(|_| "the host does not end")?.map_err(|error| error.to_string())?;
        for line in &mut self.connections {
            line.connection.drain().await;
        }
        Ok(status.code())
    }

    /// Takes in what is still to come: asks each connection something of no effect, and listens for a while.
    pub(crate) async fn settle(&mut self, pause: Duration) -> Result<(), String> {
        self.fences += 1;
        let id = format!("{FENCE}{}", self.fences);
        for line in &mut self.connections {
            if line.connection.is_open() {
                let fence = json!({ "id": id, "method": "thread/loaded/list", "params": {} });
                line.connection.send(&fence.to_string()).await;
                line.connection
                    .take(|message| message["id"] == *id)
                    .await
                    .map_err(|error| format!("the end: {error}"))?;
            }
            line.connection.quiet(pause).await;
        }
        Ok(())
    }

    /// Ends the host. The second signal is for one that waits for its turns.
    pub(crate) async fn leave(mut self) {
        for line in &mut self.connections {
            line.connection.close().await;
        }
        for _ in 0..2 {
            self.terminate();
            if tokio::time::timeout(Duration::from_secs(2), self.process.child.wait()).await.is_ok() {
                return;
            }
        }
    }
}
