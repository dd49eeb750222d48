//! The host as a child process over its pipes.

use std::io::Write;
use std::process::{Output, Stdio};
use std::time::Duration;

use pretty_assertions::assert_eq;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use valet_protocol::export::{self, Surface};
use valet_sim::{Chunks, Response, Script, Sim};

use crate::support::{home, valet};

const INITIALIZE: &str = r#"{"id":1,"method":"initialize","params":{"clientInfo":{"name":"t","version":"1"}}}"#;
const LIMIT: Duration = Duration::from_secs(20);

/// A running host, line by line.
struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    _home: TempDir,
}

impl Server {
    fn start(sim: &Sim) -> Self {
        let home = home(sim);
        let mut command = Command::from(valet(home.path(), &["app-server"]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdin, lines, _home: home }
    }

    async fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> Option<serde_json::Value> {
        let line = tokio::time::timeout(LIMIT, self.lines.next_line()).await.expect("a line in time").unwrap();
        line.map(|line| serde_json::from_str(&line).expect("every line on stdout is JSON"))
    }

    /// Reads on to the message that is wanted.
    async fn until(&mut self, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        loop {
            let message = self.line().await.expect("the host is still there");
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Starts a turn that streams for a long time, and waits until it does.
    async fn streaming_turn(&mut self) {
        self.send(INITIALIZE).await;
        self.send(r#"{"id":2,"method":"account/login/start","params":{"type":"apiKey","apiKey":"sk-1"}}"#).await;
        self.until(|message| message["method"] == "account/updated").await;
        self.send(r#"{"id":3,"method":"thread/start","params":{}}"#).await;
        let thread = self.until(|message| message["id"] == 3).await["result"]["thread"]["id"].clone();
        let params = serde_json::json!({ "threadId": thread, "input": [{ "type": "text", "text": "hi" }] });
        self.send(&serde_json::json!({ "id": 4, "method": "turn/start", "params": params }).to_string()).await;
        self.until(|message| message["method"] == "item/agentMessage/delta").await;
    }

    async fn exit_code(&mut self) -> Option<i32> {
        tokio::time::timeout(LIMIT, self.child.wait()).await.expect("an end in time").unwrap().code()
    }
}

fn endless() -> Script {
    Script::respond(Response::new().chunks(Chunks::repeat("w ", 60_000).every(Duration::from_millis(5))))
}

#[tokio::test]
async fn a_request_that_came_just_before_the_end_of_stdin_is_answered() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let mut server = Server::start(&sim);
    server.send(INITIALIZE).await;
    server.send(r#"{"id":"last","method":"model/list","params":{}}"#).await;
    server.stdin = None;
    server.until(|message| message["id"] == "last").await;
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test]
async fn t_11_a_turn_that_runs_at_the_end_of_stdin_is_told_to_be_interrupted() {
    let sim = Sim::start(endless()).await.unwrap();
    let mut server = Server::start(&sim);
    server.streaming_turn().await;
    server.stdin = None;
    let ended = server.until(|message| message["method"] == "turn/completed").await;
    assert_eq!(ended["params"]["turn"]["status"], "interrupted");
    while server.line().await.is_some() {}
    assert_eq!(server.exit_code().await, Some(0));
}

#[cfg(unix)]
#[tokio::test]
async fn a_sigterm_interrupts_what_runs_says_so_and_ends_with_exit_code_0() {
    let sim = Sim::start(endless()).await.unwrap();
    let mut server = Server::start(&sim);
    server.streaming_turn().await;
    crate::support::signal(server.child.id().unwrap(), rustix::process::Signal::TERM);
    let ended = server.until(|message| message["method"] == "turn/completed").await;
    assert_eq!(ended["params"]["turn"]["status"], "interrupted");
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test]
async fn bad_lines_are_survived_over_real_pipes() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let mut server = Server::start(&sim);
    server.send("nonsense").await;
    server.send("{\"id\":1,\"method\":").await;
    server.send("\u{0}\u{1}").await;
    server.send(&"[".repeat(100_000)).await;
    server.send("").await;
    server.send(INITIALIZE).await;
    assert_eq!(server.line().await.unwrap()["id"], 1);
}

fn run(args: &[&str], config: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    std::fs::File::create(home.path().join("config.toml")).unwrap().write_all(config.as_bytes()).unwrap();
    valet(home.path(), args).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn the_version_is_one_line_that_ends_in_it() {
    let output = run(&["--version"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, format!("valet {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_configuration_that_does_not_parse_is_an_error_that_says_the_line() {
    let output = run(&["app-server"], "model = \"a\"\nmodel_provider = \n");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("config.toml does not parse") && text.contains("line 2"), "{text}");
    assert!(output.stdout.is_empty());
}

#[test]
fn senseless_settings_are_named() {
    let rows = [
        ("forced_login_method = \"magic\"", &["app-server"][..], "`forced_login_method` has to be `api` or `chatgpt`"),
        ("sandbox_mode = \"loose\"", &["app-server"][..], "`sandbox_mode` has to be one of `read-only`"),
        (
            "[model_providers.x]\nwire_api = \"smoke\"",
            &["app-server"][..],
            "`model_providers.x.wire_api` has to be `responses` or `chat`",
        ),
        (
            "[valet]\ncompat = \"strict\"\nauth_scope = \"connection\"",
            &["app-server"][..],
            "asks everybody for a token",
        ),
        ("bogus = 1", &["app-server", "--strict-config"][..], "config.toml: unknown configuration field `bogus`"),
        (
            "",
            &["app-server", "--strict-config", "-c", "bogus=1"][..],
            "invalid configuration: unknown configuration field `bogus`",
        ),
        (
            "[model_providers.x]\nhttp_headers = \"Bearer sk-secret\"",
            &["app-server"][..],
            "config.toml, line 2: `model_providers.x.http_headers` has to be a table",
        ),
        ("", &["app-server", "-c", "nonsense"][..], "`-c nonsense` is not of the form key=value"),
    ];
    for (config, args, words) in rows {
        let output = run(args, config);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(words), "{text}");
        assert!(!text.contains("sk-secret"), "{text}");
    }
}

#[test]
fn a_home_that_is_not_there_is_named() {
    let output = valet(std::path::Path::new("/no/such/place"), &["app-server"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("VALET_HOME points at /no/such/place, which is not a directory"), "{text}");
}

#[test]
fn bindings_and_schema_are_written_where_they_are_asked_for() {
    let home = tempfile::tempdir().unwrap();
    for (surface, flag) in [(Surface::Stable, None), (Surface::Experimental, Some("--experimental"))] {
        let commands =
            [("generate-ts", export::typescript(surface)), ("generate-json-schema", export::json_schema(surface))];
        for (command, files) in commands {
            let out = home.path().join("new").join(format!("{command}-{surface:?}"));
            let mut args = vec!["app-server", command, "--out", out.to_str().unwrap()];
            args.extend(flag);
            assert!(valet(home.path(), &args).status().unwrap().success());
            for (path, text) in files {
                assert_eq!(std::fs::read_to_string(out.join(path)).unwrap(), text);
            }
        }
    }
}
