//! `docs/external-auth.md` is played against the real binary, so it cannot drift. A comment at the top of
//! the page says how its samples are to be read; here they are read so.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use valet_client::{AppServer, AppServerProcess, connect};
use valet_sim::{Chunks, IssuedToken, Response, Rule, Script, Sim, TokenPolicy, TokenRequest};
use valet_transport::{Close, Link};

use crate::support;

const PAGE: &str = include_str!("../../../../docs/external-auth.md");
const LIMIT: Duration = Duration::from_secs(20);
const PARENT: &str = "parent";
const REFRESH: &str = "account/chatgptAuthTokens/refresh";

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_of_the_page_is_what_happens() {
    let mut stage: Option<Stage> = None;
    let samples = samples();
    assert!(samples.len() > 10, "the samples are found");
    for sample in samples {
        let mut playing = match stage.take() {
            Some(stage) if sample.scene.on => stage,
            _ => Stage::set(&sample.scene, &sample.lines).await,
        };
        for line in &sample.lines {
            playing.play(line).await;
        }
        playing.nothing_is_left().await;
        stage = Some(playing);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_login_rule_of_the_page_holds() {
    let rows = table("| `account/login/start` with |");
    assert!(rows.len() > 8, "the rows are found");
    for row in rows {
        let [params, beforehand, answer] = row.as_slice() else { panic!("three cells: {row:?}") };
        let scene = Scene {
            config: spans(beforehand),
            after: if beforehand.contains("is lent") { After::Lent } else { After::Initialized },
            plain: beforehand.contains("without"),
            ..Scene::default()
        };
        let mut stage = Stage::set(&scene, &[]).await;
        let params = object(params).expect("parameters");
        stage.says(PARENT, json!({ "id": "row", "method": "account/login/start", "params": params })).await;
        let response = stage.hears(PARENT, &json!({ "id": "row" })).await;
        let words = spans(answer);
        match words.as_slice() {
            [code, kind, message] => {
                let error = &response["error"];
                assert_eq!(error["code"].to_string(), *code, "{row:?}");
                assert_eq!(error["data"]["kind"], *kind, "{row:?}");
                assert!(glob(message, error["message"].as_str().unwrap_or_default()), "{error} is not {row:?}");
            }
            [result] => {
                let wanted = serde_json::from_str(result).unwrap();
                assert!(stage.fits(&wanted, &response["result"]), "{response} is not {row:?}");
            }
            _ => panic!("a code, a kind and a message, or a result: {row:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_to_a_refresh_leads_where_the_page_says() {
    let rows = table("| The answer |");
    assert!(rows.len() > 8, "the rows are found");
    for row in rows {
        let [answer, outcome, kind, next] = row.as_slice() else { panic!("four cells: {row:?}") };
        let config = spans(answer).into_iter().filter(|span| span.contains(" = ")).collect();
        // Only who is not to answer is not waited for.
        let patience = if object(answer).is_some() { 10_000 } else { 1000 };
        let valet = json!({ "refreshTimeoutMs": patience, "allowAccountSwitchOnRefresh": answer.contains("allowAccountSwitch") });
        let mut stage =
            Stage::set(&Scene { config, valet, after: After::Thread, refuse_first: true, ..Scene::default() }, &[])
                .await;
        let turn = |id: &str| {
            json!({ "id": id, "method": "turn/start",
            "params": { "threadId": "<thread>", "input": [{ "type": "text", "text": "Hello" }] } })
        };
        let ended = json!({ "method": "turn/completed" });
        stage.says(PARENT, turn("first")).await;
        stage.hears(PARENT, &json!({ "id": 0, "method": REFRESH })).await;
        // The first token of an account is refused by this backend.
        stage.sim.tokens().issue(TokenRequest::account("acct-2"));
        if let Some(mut answer) = object(answer) {
            answer["id"] = json!(0);
            stage.says(PARENT, answer).await;
        }
        let first = stage.hears(PARENT, &ended).await["params"]["turn"].clone();
        let (words, kind) = (spans(outcome), spans(kind));
        match (words.first(), kind.first()) {
            (Some(message), Some(kind)) => {
                assert_eq!(first["status"], "failed", "{row:?}");
                assert!(glob(message, first["error"]["message"].as_str().unwrap()), "{first} is not {row:?}");
                assert_eq!(first["error"]["additionalDetails"], *kind, "{row:?}");
                assert_eq!(first["error"]["codexErrorInfo"], "unauthorized", "{row:?}");
            }
            _ => assert_eq!(first["status"], "completed", "{row:?}: {first}"),
        }
        stage.says(PARENT, turn("second")).await;
        if next.starts_with("asks again") {
            stage.hears(PARENT, &json!({ "id": 1, "method": REFRESH })).await;
            let good = json!({ "accessToken": "<token>", "chatgptAccountId": "acct-1" });
            stage.says(PARENT, json!({ "id": 1, "result": good })).await;
        }
        let second = stage.hears(PARENT, &ended).await["params"]["turn"]["status"].clone();
        assert_eq!(second, "completed", "{row:?}");
        let used = stage.sim.requests().last().unwrap().header("chatgpt-account-id").unwrap_or_default().to_owned();
        assert!(next.contains("`acct-2`") == (used == "acct-2"), "{used}: {row:?}");
    }
}

/// The state of things before a sample.
#[derive(Clone, Debug, Default)]
struct Scene {
    /// Go on where the sample before ended.
    on: bool,
    /// Lines of `config.toml`.
    config: Vec<String>,
    /// Arguments after `app-server`.
    args: Vec<String>,
    /// Whether the backend refuses the first token of an account.
    refuse_first: bool,
    /// What the parent has done already.
    after: After,
    /// The parent's `capabilities.valet`.
    valet: Value,
    /// Whether the parent goes without `experimentalApi`.
    plain: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum After {
    #[default]
    Nothing,
    Initialized,
    Lent,
    Thread,
}

impl Scene {
    /// Reads the comment before a sample.
    fn read(text: &str) -> Self {
        let told: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let known = ["on", "args", "refuse", "after", "valet"];
        assert!(told.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{text}");
        let args = told["args"].as_array().into_iter().flatten();
        Self {
            on: told["on"] == true,
            args: args.map(|arg| arg.as_str().unwrap().to_owned()).collect(),
            refuse_first: told["refuse"] == "first",
            after: match told["after"].as_str() {
                None => After::Nothing,
                Some("initialize") => After::Initialized,
                Some("login") => After::Lent,
                Some("thread") => After::Thread,
                Some(other) => panic!("nothing is called {other}"),
            },
            valet: told["valet"].clone(),
            ..Self::default()
        }
    }
}

#[derive(Debug)]
struct Sample {
    scene: Scene,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    who: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Says(Value),
    Hears(Value),
    Leaves,
}

/// A host, its backend, and those who talk to it.
struct Stage {
    sim: Sim,
    scene: Scene,
    /// None: the host is a child process that talks over its pipes.
    address: Option<String>,
    links: HashMap<String, Link>,
    bound: HashMap<String, Value>,
    last: Option<IssuedToken>,
    _host: Host,
    _home: TempDir,
}

/// Whatever must not be dropped while the host is to live.
enum Host {
    Pipes { _process: AppServerProcess },
    Websocket { _child: Child },
}

impl Stage {
    /// Over pipes; over websockets when there is more than one client.
    async fn set(scene: &Scene, lines: &[Line]) -> Self {
        let policy = TokenPolicy { first_uses: scene.refuse_first.then_some(0), ..TokenPolicy::default() };
        let slow = Response::new().chunks(Chunks::repeat("word ", 40).every(Duration::from_millis(20)));
        let script = Script::new().rule(Rule::when("slowly").respond(slow)).rule(Rule::always().respond("Hello."));
        let sim = Sim::start(script.tokens(policy)).await.unwrap();
        let home = support::home(&sim);
        let file = home.path().join("config.toml");
        let keys = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{}\n{keys}", scene.config.join("\n"))).unwrap();
        let mut args = vec!["app-server"];
        args.extend(scene.args.iter().map(String::as_str));
        let mut links = HashMap::new();
        let (host, address) = if lines.iter().all(|line| line.who == PARENT && !matches!(line.what, What::Leaves)) {
            let server = AppServer::spawn(&mut support::valet(home.path(), &args)).unwrap();
            links.insert(PARENT.to_owned(), server.link);
            (Host::Pipes { _process: server.process }, None)
        } else {
            args.extend(["--listen", "ws://127.0.0.1:0"]);
            let mut command = Command::from(support::valet(home.path(), &args));
            let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let line = tokio::time::timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().unwrap();
            let address = format!("ws://{}", line.rsplit("ws://").next().unwrap());
            (Host::Websocket { _child: child }, Some(address))
        };
        let scene = scene.clone();
        let (bound, last) = (HashMap::new(), None);
        let mut stage = Self { sim, scene, address, links, bound, last, _host: host, _home: home };
        stage.prepare().await;
        stage
    }

    async fn prepare(&mut self) {
        let after = self.scene.after;
        if after >= After::Initialized {
            let capabilities = json!({ "experimentalApi": !self.scene.plain, "valet": self.scene.valet });
            self.initialize(PARENT, capabilities).await;
        }
        if after >= After::Lent {
            let login = json!({ "type": "chatgptAuthTokens", "accessToken": "<token>", "chatgptAccountId": "acct-1" });
            self.asks(PARENT, "account/login/start", login).await;
            self.hears(PARENT, &json!({ "method": "account/updated" })).await;
        }
        if after >= After::Thread {
            let thread = self.asks(PARENT, "thread/start", json!({})).await["thread"]["id"].clone();
            self.bound.insert("<thread>".to_owned(), thread);
        }
    }

    async fn initialize(&mut self, who: &str, capabilities: Value) {
        let params = json!({ "clientInfo": { "name": "my_app", "version": "1.0" }, "capabilities": capabilities });
        self.asks(who, "initialize", params).await;
    }

    async fn asks(&mut self, who: &str, method: &str, params: Value) -> Value {
        self.says(who, json!({ "id": method, "method": method, "params": params })).await;
        self.hears(who, &json!({ "id": method, "result": {} })).await["result"].clone()
    }

    async fn play(&mut self, line: &Line) {
        let is_new = !self.links.contains_key(&line.who);
        match &line.what {
            What::Says(message) if is_new && message["method"] != "initialize" => {
                self.initialize(&line.who, json!({ "experimentalApi": true })).await;
                self.says(&line.who, message.clone()).await;
            }
            What::Says(message) => self.says(&line.who, message.clone()).await,
            What::Hears(wanted) => drop(self.hears(&line.who, wanted).await),
            What::Leaves => {
                let mut link = self.links.remove(&line.who).expect("it is there");
                link.outbox.close(Close::Gone);
                while link.inbox.next().await.is_some() {}
            }
        }
    }

    async fn link(&mut self, who: &str) -> &mut Link {
        if !self.links.contains_key(who) {
            let address = self.address.as_ref().expect("several clients need a websocket");
            self.links.insert(who.to_owned(), connect(address, None).await.unwrap());
        }
        self.links.get_mut(who).unwrap()
    }

    async fn says(&mut self, who: &str, mut message: Value) {
        self.fill(&mut message);
        self.link(who).await.outbox.push(message.to_string().into());
    }

    /// Reads on to the message that is wanted: the response of that id, else the next of that method. What is
    /// not shown on the page is passed over, but for questions of the host and for errors.
    async fn hears(&mut self, who: &str, wanted: &Value) -> Value {
        let mut passed = Vec::new();
        loop {
            let link = self.link(who).await;
            let text = tokio::time::timeout(LIMIT, link.inbox.next()).await;
            let text = text.unwrap_or_else(|_| panic!("{who} waits in vain: {wanted}\npassed over: {passed:?}"));
            let message: Value = serde_json::from_slice(&text.expect("the host is still there")).unwrap();
            let same = message["method"] == wanted["method"]
                && (wanted["method"].is_string() || message["id"] == wanted["id"]);
            if same {
                assert!(self.fits(wanted, &message), "the page: {wanted}\nthe host: {message}");
                return message;
            }
            let is_question = message["method"].is_string() && !message["id"].is_null();
            let is_refusal = message["error"].is_object();
            assert!(!is_question && !is_refusal, "the page: {wanted}\nthe host, before that: {message}");
            passed.push(message["method"].as_str().map_or_else(|| message["id"].to_string(), str::to_owned));
        }
    }

    /// Nobody is asked for what the page does not show.
    async fn nothing_is_left(&mut self) {
        let names: Vec<String> = self.links.keys().cloned().collect();
        for who in names {
            let id = json!(format!("the end for {who}"));
            self.says(&who, json!({ "id": id, "method": "model/list", "params": {} })).await;
            self.hears(&who, &json!({ "id": id, "result": {} })).await;
        }
    }

    /// Puts tokens and ids in the place of their names.
    fn fill(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) => members.values_mut().for_each(|member| self.fill(member)),
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.fill(element)),
            Value::String(text) if text.starts_with('<') => {
                *value = if text.starts_with("<token") {
                    self.token(text).into()
                } else {
                    self.bound[text.as_str()].clone()
                };
            }
            Value::String(text) => assert!(!text.contains('…'), "a client says it all: {text}"),
            _ => {}
        }
    }

    fn token(&mut self, name: &str) -> String {
        let request = match name {
            "<token>" => TokenRequest::default(),
            "<token of acct-2>" => TokenRequest::account("acct-2"),
            "<token of user-2>" => TokenRequest { user: "user-2".to_owned(), ..TokenRequest::default() },
            "<token, plan plus>" => TokenRequest::default().plan("plus"),
            "<token, refused too>" => TokenRequest::default().uses(0),
            "<token, two minutes>" => TokenRequest::default().lifetime(Duration::from_secs(120)),
            other => panic!("no such token: {other}"),
        };
        let token = self.sim.tokens().issue(request);
        self.last.insert(token).access_token.clone()
    }

    /// Whether everything shown is there. A name in angle brackets means the same wherever it stands.
    fn fits(&mut self, wanted: &Value, found: &Value) -> bool {
        match (wanted, found) {
            (Value::Object(wanted), Value::Object(found)) => {
                wanted.iter().all(|(name, wanted)| self.fits(wanted, found.get(name).unwrap_or(&Value::Null)))
            }
            (Value::Array(wanted), Value::Array(found)) => {
                wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| self.fits(wanted, found))
            }
            (Value::String(name), found) if name == "<token>" => {
                self.last.as_ref().is_some_and(|last| found == last.access_token.as_str())
            }
            (Value::String(name), found) if name.starts_with('<') => {
                *self.bound.entry(name.clone()).or_insert_with(|| found.clone()) == *found
            }
            (Value::String(any), found) if any == "…" => !found.is_null(),
            (Value::String(wanted), Value::String(found)) => glob(wanted, found),
            (wanted, found) => wanted == found,
        }
    }
}

/// `…` stands for any text.
fn glob(wanted: &str, found: &str) -> bool {
    let Some((first, rest)) = wanted.split_once('…') else { return wanted == found };
    let Some(mut found) = found.strip_prefix(first) else { return false };
    let parts: Vec<&str> = rest.split('…').collect();
    let (last, middle) = parts.split_last().unwrap();
    for part in middle {
        let Some(at) = found.find(part) else { return false };
        found = &found[at + part.len()..];
    }
    found.ends_with(last)
}

/// The fenced blocks of the page that are conversations, each with the comment before it.
fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut scene = None;
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("<!-- play ").and_then(|text| text.strip_suffix(" -->")) {
            scene = Some(Scene::read(text));
        } else if line == "```jsonrpc" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let scene = scene.take().unwrap_or_else(|| panic!("a comment says how to play {block:#?}"));
            samples.push(Sample { scene, lines: conversation(&block) });
        } else if line.starts_with("```") {
            assert!(line == "```text" || line == "```toml", "a block of JSON is a conversation: {line}");
            lines.by_ref().find(|line| *line == "```");
        }
    }
    samples
}

/// `→` and `←` begin a message, after the name of the client if it is not the parent; other lines go on.
fn conversation(block: &[&str]) -> Vec<Line> {
    let mut texts: Vec<String> = Vec::new();
    for line in block {
        if line.split(['→', '←', '×']).nth(1).is_some() {
            texts.push((*line).to_owned());
        } else {
            texts.last_mut().expect("an arrow first").push_str(line.trim());
        }
    }
    let parse = |text: &str| serde_json::from_str(&quoted(text)).unwrap_or_else(|error| panic!("{text}: {error}"));
    let line = |text: &String| {
        let at = text.find(['→', '←', '×']).unwrap();
        let (who, rest) = text.split_at(at);
        let mut rest = rest.chars();
        let what = match rest.next() {
            Some('→') => What::Says(parse(rest.as_str())),
            Some('←') => What::Hears(parse(rest.as_str())),
            _ => What::Leaves,
        };
        let who = if who.trim().is_empty() { PARENT } else { who.trim() };
        Line { who: who.to_owned(), what }
    };
    texts.iter().map(line).collect()
}

/// Makes JSON of the short form, in which `{…}`, `[…]` and `…` stand for any value.
fn quoted(text: &str) -> String {
    let mut parts = text.split('"').enumerate();
    let outside = |part: &str| part.replace("{…}", "…").replace("[…]", "…").replace('…', "\"…\"");
    let first = parts.next().map(|(_, part)| outside(part)).unwrap_or_default();
    parts.fold(first, |all, (index, part)| {
        let part = if index % 2 == 0 { outside(part) } else { part.to_owned() };
        format!("{all}\"{part}")
    })
}

/// The rows of the table that begins so, cell by cell.
fn table(head: &str) -> Vec<Vec<String>> {
    let from = PAGE.find(head).expect("the table is there");
    let rows = PAGE[from..].lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.map(cells).collect()
}

/// What stands between backquotes, one or two of them.
fn spans(cell: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let mut rest = cell;
    while let Some(at) = rest.find('`') {
        let quote = if rest[at..].starts_with("``") { "``" } else { "`" };
        let inside = &rest[at + quote.len()..];
        let end = inside.find(quote).expect("a closing backquote");
        spans.push(inside[..end].trim().to_owned());
        rest = &inside[end + quote.len()..];
    }
    spans
}

/// The JSON of a cell, if there is one.
fn object(cell: &str) -> Option<Value> {
    let text = spans(cell).into_iter().find(|span| span.starts_with('{'))?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}")))
}
