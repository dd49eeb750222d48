//! The doors of the binary: what it refuses to open, who gets in, and what is left when it ends.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use pretty_assertions::assert_eq;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use valet_client::{Client, Handlers, connect};

use crate::support::{VALET, in_time, valet};

const LIMIT: Duration = Duration::from_secs(20);
const TOKEN: &str = "a-capability-token-that-nobody-may-see";
const SECRET: &str = "a-shared-secret-of-32-bytes-or-more";

/// A running binary.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// Where it says that it listens.
    pub(crate) url: String,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Server {
    /// Starts `valet app-server ARGS`.
    pub(crate) async fn start(home: &Path, args: &[&str]) -> Self {
        Self::of(Command::from(valet(home, &[&["app-server"], args].concat()))).await
    }

    pub(crate) async fn of(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        loop {
            let line = tokio::time::timeout(LIMIT, stderr.next_line()).await.unwrap().unwrap().expect("an address");
            if let Some((_, url)) = line.split_once("listening on: ") {
                return Self { child, url: url.to_owned(), stderr };
            }
        }
    }

    /// Asks it to end, and returns its exit code.
    #[cfg(unix)]
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        crate::support::signal(self.child.id().unwrap(), rustix::process::Signal::TERM);
        tokio::time::timeout(LIMIT, self.child.wait()).await.unwrap().unwrap().code()
    }
}

fn secrets() -> (TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (token, secret) = (file("token", &format!("{TOKEN}\n")), file("secret", &format!("{SECRET}\n")));
    (folder, token, secret)
}

/// The status that an upgrade is answered with.
pub(crate) async fn status(url: &str, headers: &[(&'static str, &str)]) -> u16 {
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_start_error_has_its_words_and_its_exit_code() {
    let (folder, token, secret) = secrets();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let short = folder.path().join("short");
    std::fs::write(&short, "abc").unwrap();
    let (empty, short, hex) = (empty.display().to_string(), short.display().to_string(), "a".repeat(64));
    const CAPABILITY: &str = "--ws-auth capability-token";
    const SIGNED: &str = "--ws-auth signed-bearer-token";
    let unsupported = "expected `stdio://`, `unix://`, `unix://PATH`, `systemd://`, `ws://IP:PORT`, or `off`";
    let refusing = "refusing to start non-loopback websocket listener 0.0.0.0:0 without auth; configure `--ws-auth capability-token` or `--ws-auth signed-bearer-token`";
    let needs = |flags: &str, mode: &str| format!("{flags} require `--ws-auth {mode}`");
    // The first six are about the form of one flag, and end with 2.
    let rows: Vec<(String, String)> = vec![
        ("--drain-timeout 99999999999999999".into(), "is not in 0..=9223372036854775".into()),
        ("--listen tcp://1".into(), format!("unsupported --listen URL `tcp://1`; {unsupported}")),
        (
            "--listen ws://localhost:1".into(),
            "invalid websocket --listen URL `ws://localhost:1`; expected `ws://IP:PORT`, with an address and no name".into(),
        ),
        (
            "--listen ws://127.0.0.1:0/x".into(),
            "invalid websocket --listen URL `ws://127.0.0.1:0/x`; expected `ws://IP:PORT`, with an address and no name".into(),
        ),
        ("--ws-auth foo".into(), "[possible values: capability-token, signed-bearer-token]".into()),
        (
            "--allow-origin app.example".into(),
            "invalid origin `app.example`; expected `scheme://host[:port]` or `null`".into(),
        ),
        ("--listen off".into(), "--listen off: there is nothing to listen on; leave it out for stdio, or name an address".into()),
        ("--listen ws://0.0.0.0:0".into(), refusing.into()),
        (
            CAPABILITY.into(),
            "`--ws-token-file` or `--ws-token-sha256` is required when `--ws-auth capability-token` is set".into(),
        ),
        (
            format!("{CAPABILITY} --ws-token-file {token} --ws-token-sha256 {hex}"),
            "`--ws-token-file` and `--ws-token-sha256` are mutually exclusive".into(),
        ),
        (SIGNED.into(), "`--ws-shared-secret-file` is required when `--ws-auth signed-bearer-token` is set".into()),
        (
            format!("--ws-token-sha256 {hex}"),
            "websocket auth flags require `--ws-auth capability-token` or `--ws-auth signed-bearer-token`".into(),
        ),
        (
            format!("{CAPABILITY} --ws-token-sha256 {hex} --ws-issuer x"),
            needs(
                "`--ws-shared-secret-file`, `--ws-issuer`, `--ws-audience`, and `--ws-max-clock-skew-seconds`",
                "signed-bearer-token",
            ),
        ),
        (
            format!("{SIGNED} --ws-shared-secret-file {secret} --ws-token-sha256 {hex}"),
            needs("`--ws-token-file` and `--ws-token-sha256`", "capability-token") + ", not `signed-bearer-token`",
        ),
        (
            format!("{CAPABILITY} --ws-token-sha256 zz"),
            "--ws-token-sha256 must be a 64-character hex SHA-256 digest".into(),
        ),
        (
            format!("{CAPABILITY} --ws-token-sha256 {}", "g".repeat(64)),
            "--ws-token-sha256 must be a 64-character hex SHA-256 digest".into(),
        ),
        (
            format!("--listen ws://127.0.0.1:0 {CAPABILITY} --ws-token-file /no/such/file"),
            "--ws-token-file: failed to read websocket auth secret /no/such/file: No such file or directory (os error 2)".into(),
        ),
        (
            format!("--listen ws://127.0.0.1:0 {CAPABILITY} --ws-token-file {empty}"),
            format!("--ws-token-file: websocket auth secret {empty} must not be empty"),
        ),
        (
            format!("--listen ws://127.0.0.1:0 {SIGNED} --ws-shared-secret-file {short}"),
            format!("--ws-shared-secret-file: signed websocket bearer secret {short} must be at least 32 bytes"),
        ),
        (
            "--listen ws://127.0.0.1:0 -c valet.allow_origins=[\"x\"]".into(),
            "`valet.allow_origins`: invalid origin `x`; expected `scheme://host[:port]` or `null`".into(),
        ),
        ("--listen systemd://".into(), "systemd:// takes one socket, and LISTEN_FDS hands over 0".into()),
    ];
    for (number, (args, words)) in rows.iter().enumerate() {
        let args: Vec<&str> = ["app-server"].into_iter().chain(args.split(' ')).collect();
        let output = valet(folder.path(), &args).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(words), "{args:?}: {said}");
        assert_eq!(output.status.code(), Some(if number < 6 { 2 } else { 1 }), "{args:?}");
    }
}

#[tokio::test]
async fn on_stdio_the_flags_of_a_websocket_are_one_warning() {
    let home = tempfile::tempdir().unwrap();
    let args = ["app-server", "--ws-auth", "capability-token", "--ws-token-file", "/no/such/file"];
    let output = valet(home.path(), &args).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--ws-* flags have no effect on stdio") && said.lines().count() == 1, "{said}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn on_stdio_each_flag_of_a_listener_is_one_warning() {
    let home = tempfile::tempdir().unwrap();
    let args = ["app-server", "--allow-origin", "null", "--metrics", "--exit-when-idle", "5"];
    let output = valet(home.path(), &args).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    for flag in ["--metrics", "--exit-when-idle", "--allow-origin"] {
        assert_eq!(said.matches(&format!("{flag} has no effect on stdio")).count(), 1, "{said}");
    }
    assert_eq!((said.lines().count(), output.status.code()), (3, Some(0)), "{said}");
}

#[tokio::test]
async fn a_client_with_the_token_gets_in_where_others_can_reach_the_address() {
    let (home, token, _) = secrets();
    let args = ["--listen", "ws://0.0.0.0:0", "--ws-auth", "capability-token", "--ws-token-file", &token];
    let server = Server::start(home.path(), &args).await;
    let url = server.url.replace("0.0.0.0", "127.0.0.1");
    let link = connect(&url, Some(TOKEN)).await.unwrap();
    let (client, _notifications) = Client::new(link, Handlers::new());
    client.initialize("test", "1", true).await.unwrap();
    assert_eq!(status(&url, &[]).await, 401);
    assert_eq!(status(&url, &[("authorization", "Bearer nope")]).await, 401);
}

#[tokio::test]
async fn a_listed_web_page_gets_in_by_flag_and_by_key() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.toml"), "[valet]\nallow_origins = [\"https://key.example\"]\n").unwrap();
    let of_key = Server::start(home.path(), &["--listen", "ws://127.0.0.1:0"]).await;
    let flag = ["--listen", "ws://127.0.0.1:0", "--allow-origin", "https://flag.example", "--allow-origin", "null"];
    let of_flag = Server::start(home.path(), &flag).await;
    // A flag beats its key.
    for (origin, by_key, by_flag) in
        [("https://key.example", 101, 403), ("https://flag.example", 403, 101), ("null", 403, 101)]
    {
        let told =
            [status(&of_key.url, &[("origin", origin)]).await, status(&of_flag.url, &[("origin", origin)]).await];
        assert_eq!(told, [by_key, by_flag], "{origin}");
    }
}

#[tokio::test]
async fn the_log_says_who_was_turned_away_at_the_door_and_why() {
    let (home, token, _) = secrets();
    let listen = ["app-server", "--listen", "ws://127.0.0.1:0", "--ws-auth", "capability-token"];
    let mut command = valet(home.path(), &[&listen[..], &["--ws-token-file", &token]].concat());
    command.env("VALET_LOG", "info");
    let mut server = Server::of(command.into()).await;
    assert_eq!(status(&server.url, &[("origin", "https://a.example")]).await, 403);
    assert_eq!(status(&server.url, &[("host", "b.example")]).await, 403);
    let mut refused = 0;
    while status(&server.url, &[]).await == 401 {
        refused += 1;
    }
    for _ in 0..5 {
        refused += usize::from(status(&server.url, &[]).await == 401);
    }
    // The last to be refused before the end of the log.
    assert_eq!(status(&server.url, &[("origin", "https://c.example")]).await, 403);
    let mut logs = Vec::new();
    while !logs.last().is_some_and(|line: &String| line.contains("c.example")) {
        logs.push(in_time(server.stderr.next_line()).await.unwrap().expect("a line for each who was refused"));
    }
    for words in [
        "a web page was refused peer=Ip(127.0.0.1) origin=[\"https://a.example\"]",
        "a request for another host was refused peer=Ip(127.0.0.1) host=[\"b.example\"]",
    ] {
        assert!(logs.iter().any(|line| line.contains(words)), "{words}: {logs:#?}");
    }
    let locked = "too many were refused from there: the next are answered with 429 peer=Ip(127.0.0.1)";
    let locked = logs.iter().filter(|line| line.contains(locked)).count();
    // Ten tries are free; on a slow machine there is a further one now and then.
    assert!((1..=refused - 9).contains(&locked), "{locked} of {refused}: {logs:#?}");
}

#[tokio::test]
async fn no_credential_is_in_the_logs_even_at_the_highest_level() {
    let (home, token, secret) = secrets();
    let capability = ["--ws-auth", "capability-token", "--ws-token-file", &token];
    let signed = ["--ws-auth", "signed-bearer-token", "--ws-shared-secret-file", &secret];
    for auth in [capability, signed] {
        let mut command = valet(home.path(), &[&["app-server", "--listen", "ws://127.0.0.1:0"], &auth[..]].concat());
        // Not only our own crates: everything that is linked in.
        command.env("VALET_LOG", "trace,hyper=trace,tungstenite=trace,tokio_tungstenite=trace,axum=trace");
        let mut server = Server::of(command.into()).await;
        for shown in [TOKEN, SECRET, "a-wrong-token-that-nobody-may-see"] {
            status(&server.url, &[("authorization", &format!("Bearer {shown}"))]).await;
        }
        // The one credential that is good is refused to nobody.
        let (mut logs, mut refused) = (String::new(), 0);
        while refused < 2 {
            let line = in_time(server.stderr.next_line()).await.unwrap().expect("a line for each who was refused");
            refused += usize::from(line.contains("a visitor was refused"));
            logs += &line;
        }
        server.child.kill().await.unwrap();
        server.stderr.into_inner().read_to_string(&mut logs).await.unwrap();
        for secret in [TOKEN, SECRET, "nobody-may-see"] {
            assert!(!logs.contains(secret), "{secret} in {logs}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_client_that_leaves_without_a_word_is_no_cause_for_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Server::start(home.path(), &["--listen", "ws://127.0.0.1:0"]).await;
    for _ in 0..3 {
        drop(connect_async(&server.url).await.unwrap());
    }
    let (client, _notifications) = Client::new(connect(&server.url, None).await.unwrap(), Handlers::new());
    client.initialize("test", "1", true).await.unwrap();
    assert_eq!(server.terminate().await, Some(0));
    assert_eq!(server.stderr.next_line().await.unwrap(), None);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_host_without_files_to_open_waits_calmly_and_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let script = format!("ulimit -n 24; exec {VALET} app-server --listen ws://127.0.0.1:0");
    command.args(["-c", &script]).env("VALET_HOME", home.path()).env_remove("VALET_LOG");
    let mut server = Server::of(command).await;
    let address = server.url.strip_prefix("ws://").unwrap();
    let mut crowd = Vec::new();
    for _ in 0..40 {
        crowd.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let line = tokio::time::timeout(LIMIT, server.stderr.next_line()).await.unwrap().unwrap().unwrap();
    assert!(line.contains("no connection can be taken; trying again"), "{line}");
    let before = ticks(server.child.id().unwrap());
    // Not a wait for something to happen, but for nothing to happen.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = ticks(server.child.id().unwrap()) - before;
    assert!(spent < 20, "{spent} hundredths of a second of work in one second");
    drop(crowd);
    assert_eq!(tokio::time::timeout(LIMIT, status(&server.url, &[])).await.unwrap(), 101);
}

/// Processor time of a process, in hundredths of a second.
#[cfg(target_os = "linux")]
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
