//! `command/exec` over the wire, with the words that the reference uses.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_exec::{Launcher, Support};
use valet_protocol::methods as m;
use valet_protocol::v2::CommandExecOutputStream;
use valet_sim::Script;
use valet_tests::{Refusal, TestClient, TestHost, launcher};
use valet_transport::OutboxLimits;

/// A host whose programs are not confined unless they ask for it.
async fn host() -> TestHost {
    TestHost::builder().config("sandbox_mode = \"danger-full-access\"").start().await
}

async fn client() -> (TestHost, TestClient) {
    let host = host().await;
    let client = host.client().await;
    (host, client)
}

/// The parameters of a shell, and more of them.
fn sh(script: &str, more: Value) -> Value {
    let mut params = json!({ "command": ["sh", "-c", script] });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

async fn exec(client: &mut TestClient, params: Value) -> Value {
    client.call("command/exec", params).await.unwrap()
}

/// What became of a program.
fn done(exit_code: i32, stdout: &str, stderr: &str) -> Value {
    json!({ "exitCode": exit_code, "stdout": stdout, "stderr": stderr })
}

/// What a program says next.
async fn said(client: &mut TestClient) -> String {
    let delta = client.wait_for::<m::CommandExecOutputDelta>().await;
    String::from_utf8(STANDARD.decode(delta.delta_base64).unwrap()).unwrap()
}

/// Reads until the program has said all this.
async fn hear(client: &mut TestClient, all: &str) {
    let mut heard = String::new();
    while heard.len() < all.len() {
        heard.push_str(&said(client).await);
    }
    assert_eq!(heard, all);
}

/// Whether a process is there and has not ended.
fn lives(pid: &str) -> bool {
    let ps = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
    let state = String::from_utf8(ps.stdout).unwrap();
    !state.trim().is_empty() && !state.starts_with('Z')
}

#[tokio::test]
async fn a_program_runs_and_its_end_and_words_are_told() {
    let (_host, mut client) = client().await;
    let params = sh("echo out; echo err >&2; exit 3", json!({}));
    assert_eq!(exec(&mut client, params).await, done(3, "out\n", "err\n"));
    assert_eq!(exec(&mut client, sh("kill -KILL $$", json!({}))).await, done(137, "", ""));
    assert_eq!(exec(&mut client, sh("cat", json!({}))).await, done(0, "", ""), "its input is empty");
    let missing = exec(&mut client, json!({ "command": ["there-is-no-such-program"] })).await;
    assert_eq!(missing, done(127, "", "there-is-no-such-program: not found\n"));
}

#[tokio::test]
async fn refusals_say_what_the_reference_says() {
    let (_host, mut client) = client().await;
    let exec = |more: Value| ("command/exec", sh("echo", more));
    let size = json!({ "rows": 0, "cols": 1 });
    let unnamed = (-32600, "command/exec tty or streaming requires a client-supplied processId");
    let unknown = (-32600, "no active command/exec for process id \"x\"");
    let no_size = (-32602, "command/exec size rows and cols must be greater than 0");
    let cases = [
        (("command/exec", json!({ "command": [] })), (-32600, "command must not be empty")),
        (("command/exec", json!({ "command": [""] })), (-32603, "failed to spawn command: no program is named")),
        (exec(json!({ "tty": true })), unnamed),
        (exec(json!({ "streamStdin": true })), unnamed),
        (exec(json!({ "streamStdoutStderr": true })), unnamed),
        (exec(json!({ "processId": "p", "size": size })), (-32602, "command/exec size requires tty: true")),
        (exec(json!({ "tty": true, "size": size })), no_size),
        (
            exec(json!({ "outputBytesCap": 1, "disableOutputCap": true })),
            (-32602, "command/exec cannot set both outputBytesCap and disableOutputCap"),
        ),
        (
            exec(json!({ "timeoutMs": 1, "disableTimeout": true })),
            (-32602, "command/exec cannot set both timeoutMs and disableTimeout"),
        ),
        (exec(json!({ "timeoutMs": -5 })), (-32602, "command/exec timeoutMs must be non-negative, got -5")),
        (
            exec(json!({ "permissionProfile": ":read-only" })),
            (-32600, "permission profiles are not supported; use `sandboxPolicy`"),
        ),
        (
            exec(json!({ "cwd": "/there/is/nothing" })),
            (
                -32603,
                "failed to spawn command: cannot run in /there/is/nothing: No such file or directory (os error 2)",
            ),
        ),
        (("command/exec/write", json!({ "processId": "x", "deltaBase64": "aGk=" })), unknown),
        (
            ("command/exec/write", json!({ "processId": "x" })),
            (-32602, "command/exec/write requires deltaBase64 or closeStdin"),
        ),
        (
            ("command/exec/write", json!({ "processId": "x", "deltaBase64": "!!" })),
            (-32602, "invalid deltaBase64: Invalid symbol 33, offset 0."),
        ),
        (("command/exec/resize", json!({ "processId": "x", "size": { "rows": 1, "cols": 1 } })), unknown),
        (("command/exec/resize", json!({ "processId": "x", "size": size })), no_size),
        (("command/exec/terminate", json!({ "processId": "x" })), unknown),
    ];
    for ((method, params), (code, message)) in cases {
        let refusal = client.refused(method, params.clone()).await;
        assert_eq!((refusal.code, refusal.message.as_str()), (code, message), "{method} {params}");
    }
}

#[tokio::test]
async fn a_profile_is_experimental() {
    let host = host().await;
    let mut client = host.connect();
    client.initialize_with(json!({})).await;
    let refusal = client.refused("command/exec", sh("echo", json!({ "permissionProfile": "x" }))).await;
    assert_eq!(refusal.message, "command/exec.permissionProfile requires experimentalApi capability");
}

#[tokio::test]
async fn a_running_program_refuses_what_it_was_not_started_for() {
    let (_host, mut client) = client().await;
    let running = client.begin("command/exec", sh("exec sleep 3600", json!({ "processId": "p" })));
    let cases = [
        ("command/exec", sh("echo", json!({ "processId": "p" })), "duplicate active command/exec process id: \"p\""),
        (
            "command/exec/write",
            json!({ "processId": "p", "closeStdin": true }),
            "stdin streaming is not enabled for this command/exec",
        ),
        (
            "command/exec/resize",
            json!({ "processId": "p", "size": { "rows": 1, "cols": 1 } }),
            "failed to resize PTY: process is not attached to a PTY",
        ),
    ];
    for (method, params, message) in cases {
        let refusal = client.refused(method, params).await;
        assert_eq!((refusal.code, refusal.message.as_str()), (-32600, message));
    }
    let ended = client.call("command/exec/terminate", json!({ "processId": "p" })).await.unwrap();
    assert_eq!(ended, json!({}));
    assert_eq!(running.await.unwrap(), done(143, "", ""));
    assert_eq!(exec(&mut client, sh("echo", json!({ "processId": "p" }))).await, done(0, "\n", ""), "the name is free");
}

#[tokio::test]
async fn a_name_is_its_connections_own() {
    let (host, mut one) = client().await;
    let mut other = host.client().await;
    let named = json!({ "processId": "p", "streamStdoutStderr": true });
    let running = one.begin("command/exec", sh("echo one; exec sleep 3600", named.clone()));
    hear(&mut one, "one\n").await;
    assert_eq!(other.refused("command/exec/terminate", json!({ "processId": "p" })).await.code, -32600);
    assert_eq!(exec(&mut other, sh("echo other", named)).await, done(0, "", ""));
    hear(&mut other, "other\n").await;
    one.call("command/exec/terminate", json!({ "processId": "p" })).await.unwrap();
    assert_eq!(running.await.unwrap()["exitCode"], 143);
}

#[tokio::test]
async fn a_program_whose_time_is_over_is_ended_with_all_it_started() {
    let (_host, mut client) = client().await;
    let script = "trap '' TERM; sleep 3600 & echo $!; wait; sleep 3600";
    let ended = exec(&mut client, sh(script, json!({ "timeoutMs": 200 }))).await;
    assert_eq!(ended["exitCode"], 124);
    let child = ended["stdout"].as_str().unwrap().trim();
    assert!(!lives(child), "{child} is still there");
}

#[tokio::test]
async fn what_is_left_behind_may_print_a_little_longer_and_is_ended() {
    let (_host, mut client) = client().await;
    let late = exec(&mut client, sh("(sleep 0.2; echo late) & echo early", json!({}))).await;
    assert_eq!(late, done(0, "early\nlate\n", ""));
    let left = exec(&mut client, sh("sleep 3600 & echo $!", json!({ "disableTimeout": true }))).await;
    let child = left["stdout"].as_str().unwrap().trim();
    assert!(!lives(child), "{child} is still there");
}

#[tokio::test]
async fn the_answer_holds_as_much_of_each_stream_as_was_asked_for() {
    let (_host, mut client) = client().await;
    let script = "echo hello; echo world >&2";
    assert_eq!(exec(&mut client, sh(script, json!({ "outputBytesCap": 3 }))).await, done(0, "hel", "wor"));
    assert_eq!(exec(&mut client, sh(script, json!({ "outputBytesCap": 0 }))).await, done(0, "", ""));
    let big = "head -c 3000000 /dev/zero | tr '\\0' x";
    let length = |answer: Value| answer["stdout"].as_str().unwrap().len();
    assert_eq!(length(exec(&mut client, sh(big, json!({}))).await), 1024 * 1024);
    assert_eq!(length(exec(&mut client, sh(big, json!({ "disableOutputCap": true }))).await), 3_000_000);
}

#[tokio::test]
async fn a_stream_is_told_as_it_comes_and_before_the_answer() {
    let (_host, mut client) = client().await;
    let more = json!({ "processId": "p", "streamStdoutStderr": true });
    let ended = exec(&mut client, sh("echo out; echo err >&2", more)).await;
    assert_eq!(ended, done(0, "", ""));
    let record = client.record();
    let messages: Vec<_> = record.messages().iter().map(|(_, message)| message).collect();
    let answer = messages.iter().position(|message| message["result"]["exitCode"] == 0).unwrap();
    let deltas = messages.iter().enumerate().filter(|(_, message)| message["method"] == "command/exec/outputDelta");
    let (places, mut params): (Vec<_>, Vec<_>) = deltas.map(|(place, message)| (place, &message["params"])).unzip();
    assert!(places.iter().all(|place| *place < answer), "all of it is told before the answer");
    params.sort_by_key(|params| params["stream"].to_string());
    let delta = |stream: &str, text: &str| json!({ "processId": "p", "stream": stream, "deltaBase64": STANDARD.encode(text), "capReached": false });
    assert_eq!(params, [&delta("stderr", "err\n"), &delta("stdout", "out\n")]);
}

#[tokio::test]
async fn a_stream_that_is_full_says_so_once_and_the_program_goes_on() {
    let (_host, mut client) = client().await;
    let more = json!({ "processId": "p", "streamStdoutStderr": true, "outputBytesCap": 3 });
    let ended = exec(&mut client, sh("echo hello; seq 100000; exit 5", more)).await;
    assert_eq!(ended, done(5, "", ""));
    let delta = client.wait_for::<m::CommandExecOutputDelta>().await;
    assert_eq!((delta.stream, delta.cap_reached), (CommandExecOutputStream::Stdout, true));
    assert_eq!(STANDARD.decode(delta.delta_base64).unwrap(), b"hel");
    let record = client.record();
    let deltas = record.messages().iter().filter(|(_, message)| message["method"] == "command/exec/outputDelta");
    assert_eq!(deltas.count(), 1);
}

#[tokio::test]
async fn input_arrives_in_order_and_ends_when_it_is_closed() {
    let (_host, mut client) = client().await;
    let running = client.begin(
        "command/exec",
        sh(
            "cat; echo done; exec sleep 3600",
            json!({
                "processId": "p", "streamStdin": true, "streamStdoutStderr": true
            }),
        ),
    );
    let writes = [json!({ "deltaBase64": "YQ==" }), json!({ "deltaBase64": "Yg==", "closeStdin": null })];
    let mut write = |more: Value| {
        let mut params = json!({ "processId": "p" });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.begin("command/exec/write", params)
    };
    let [one, two] = writes.map(&mut write);
    assert_eq!(one.await.unwrap(), json!({}));
    assert_eq!(two.await.unwrap_err().kind.as_deref(), Some("invalidParams"), "null is no yes or no");
    let last = write(json!({ "deltaBase64": "Yg==", "closeStdin": true }));
    let late = write(json!({ "deltaBase64": "Yw==" }));
    let closed_again = write(json!({ "closeStdin": true }));
    assert_eq!(last.await.unwrap(), json!({}));
    assert_eq!(late.await.unwrap_err().message, "stdin is already closed");
    assert_eq!(closed_again.await.unwrap(), json!({}));
    hear(&mut client, "abdone\n").await;
    client.call("command/exec/terminate", json!({ "processId": "p" })).await.unwrap();
    assert_eq!(running.await.unwrap(), done(143, "", ""));
}

#[tokio::test]
async fn a_program_that_does_not_read_can_be_ended_and_its_input_is_answered() {
    let (_host, mut client) = client().await;
    let running = client.begin("command/exec", sh("exec sleep 3600", json!({ "processId": "p", "streamStdin": true })));
    let input = json!({ "processId": "p", "deltaBase64": STANDARD.encode(vec![b'x'; 1 << 20]) });
    let writes = [(); 2].map(|()| client.begin("command/exec/write", input.clone()));
    client.call("command/exec/terminate", json!({ "processId": "p" })).await.unwrap();
    for write in writes {
        let refusal = write.await.unwrap_err();
        let known = ["stdin is already closed", "no active command/exec for process id \"p\""];
        assert!(known.contains(&refusal.message.as_str()), "{refusal:?}");
    }
    assert_eq!(running.await.unwrap(), done(143, "", ""));
}

#[tokio::test]
async fn a_terminal_has_a_size_and_takes_input() {
    let (_host, mut client) = client().await;
    let script = "stty -echo; stty size; read x; echo got $x; stty size; test -n \"$TERM\"";
    let size = json!({ "rows": 10, "cols": 20 });
    let running = client.begin("command/exec", sh(script, json!({ "processId": "t", "tty": true, "size": size })));
    hear(&mut client, "10 20\r\n").await;
    let resized = json!({ "processId": "t", "size": { "rows": 33, "cols": 44 } });
    assert_eq!(client.call("command/exec/resize", resized).await.unwrap(), json!({}));
    let input = json!({ "processId": "t", "deltaBase64": STANDARD.encode("hey\n") });
    assert_eq!(client.call("command/exec/write", input).await.unwrap(), json!({}));
    hear(&mut client, "got hey\r\n33 44\r\n").await;
    assert_eq!(running.await.unwrap(), done(0, "", ""));
    exec(&mut client, sh("stty size", json!({ "processId": "t", "tty": true }))).await;
    hear(&mut client, "24 80\r\n").await;
}

#[tokio::test]
async fn a_program_gets_the_hosts_place_and_environment_with_the_clients_changes() {
    let (host, mut client) = client().await;
    let here = std::env::current_dir().unwrap().canonicalize().unwrap();
    let pwd = |answer: Value| answer["stdout"].as_str().unwrap().trim().to_owned();
    assert_eq!(Path::new(&pwd(exec(&mut client, sh("pwd -P", json!({}))).await)), here);
    assert_eq!(Path::new(&pwd(exec(&mut client, sh("pwd -P", json!({ "cwd": "e2e" }))).await)), here.join("e2e"));
    let home = host.home().canonicalize().unwrap();
    assert_eq!(Path::new(&pwd(exec(&mut client, sh("pwd -P", json!({ "cwd": home }))).await)), home);
    // Cargo tells its tests where it is, and the name looks like none of a secret.
    let changes = json!({ "env": { "MY_TOKEN": "mine", "CARGO_MANIFEST_DIR": null } });
    let script = "echo ${MY_TOKEN-none} ${CARGO_MANIFEST_DIR-none} ${CARGO_PKG_NAME-none}";
    assert_eq!(exec(&mut client, sh(script, changes)).await, done(0, "mine none valet-tests\n", ""));
}

#[tokio::test]
async fn a_program_is_confined_as_the_policy_says_or_refused() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    std::fs::write(host.home().join("auth.json"), "a secret").unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let script = format!("echo x > file && echo written; cat {}", host.home().join("auth.json").display());
    // What the configuration says, which is to read only, and what the client says.
    let workspace = json!({ "type": "workspaceWrite", "excludeSlashTmp": true });
    for (policy, expected) in [(Value::Null, ""), (workspace, "written\n")] {
        let params = sh(&script, json!({ "cwd": folder, "sandboxPolicy": policy }));
        let outcome = client.call("command/exec", params).await;
        match launcher().support().await {
            Support::Full => assert_eq!(outcome.unwrap()["stdout"], expected, "{policy}"),
            Support::Partial { .. } => assert!(outcome.unwrap()["stdout"].as_str().unwrap().starts_with(expected)),
            Support::None { .. } => assert_eq!(outcome.unwrap_err().kind.as_deref(), Some("notSupported")),
        }
    }
    let all = sh(&script, json!({ "cwd": folder, "sandboxPolicy": { "type": "dangerFullAccess" } }));
    assert_eq!(exec(&mut client, all).await["stdout"], "written\na secret");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn where_there_is_no_sandbox_nothing_runs_that_wants_one() {
    let folder = tempfile::tempdir().unwrap();
    // A helper that can do nothing: so the machine can do nothing, as far as the host sees.
    let launcher = Launcher::with_helper("/bin/false".into());
    let host = TestHost::builder().launcher(launcher).start().await;
    let mut client = host.client().await;
    let refusal = client.refused("command/exec", sh("touch here", json!({ "cwd": folder.path() }))).await;
    assert_eq!((refusal.code, refusal.kind.as_deref()), (-32603, Some("notSupported")));
    assert!(refusal.message.starts_with("failed to spawn command: the sandbox cannot be set up: "), "{refusal:?}");
    assert!(!folder.path().join("here").exists());
}

#[tokio::test]
async fn a_slow_reader_holds_the_program_back_and_loses_nothing() {
    let host = host().await;
    // Whoever says more than this to a client that does not read loses the connection.
    let mut link = host.link(OutboxLimits { crowded_bytes: 512 * 1024, bytes: 1024 * 1024 });
    let ask = |id: i64, method: &str, params: Value| {
        link.outbox.push(json!({ "id": id, "method": method, "params": params }).to_string().into());
    };
    ask(1, "initialize", json!({ "clientInfo": { "name": "slow", "version": "1" } }));
    let more = json!({ "processId": "p", "streamStdoutStderr": true, "disableOutputCap": true });
    ask(2, "command/exec", sh("head -c 20000000 /dev/zero", more));
    // Of this one nothing is told before its end, so nothing holds it back.
    ask(3, "command/exec", sh("head -c 20000000 /dev/zero | wc -c", json!({})));
    let (mut bytes, mut codes) = (0, Vec::new());
    while codes.len() < 2 {
        let message: Value = serde_json::from_slice(&link.inbox.next().await.unwrap()).unwrap();
        if message["method"] == "command/exec/outputDelta" {
            bytes += STANDARD.decode(message["params"]["deltaBase64"].as_str().unwrap()).unwrap().len();
        }
        codes.extend(message["result"]["exitCode"].as_i64());
    }
    assert_eq!((bytes, codes), (20_000_000, vec![0, 0]));
}

/// Waits until a process is gone. It is nobody's child here: there is no event to wait for.
async fn gone(pid: &str) {
    let wait = async {
        while lives(pid) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.unwrap();
}

/// Starts a program that would last, and says its id.
async fn lasting(client: &mut TestClient) -> (String, impl Future<Output = Result<Value, Refusal>> + use<>) {
    let more = json!({ "processId": "p", "streamStdoutStderr": true, "disableTimeout": true });
    let running = client.begin("command/exec", sh("sleep 3600 & echo $!; wait", more));
    (said(client).await.trim().to_owned(), running)
}

#[tokio::test]
async fn a_program_ends_with_its_connection_and_no_other() {
    let (host, mut stays) = client().await;
    let mut leaves = host.client().await;
    let (kept, running) = lasting(&mut stays).await;
    let (left, _never) = lasting(&mut leaves).await;
    drop(leaves);
    gone(&left).await;
    assert!(lives(&kept));
    stays.call("command/exec/terminate", json!({ "processId": "p" })).await.unwrap();
    assert_eq!(running.await.unwrap(), done(143, "", ""));
}

#[tokio::test]
async fn a_program_ends_with_the_host_and_its_client_is_told() {
    let (host, mut client) = client().await;
    let (pid, running) = lasting(&mut client).await;
    host.shutdown().await;
    assert_eq!(running.await.unwrap(), done(137, "", ""));
    assert!(!lives(&pid));
}
