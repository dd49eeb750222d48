//! Commands that run when the host ends, or when somebody has enough of their turn: they end in time, and are told.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use pretty_assertions::assert_eq;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async};
use valet_client::{Client, Handlers, Notifications};
use valet_exec::GRACE;
use valet_protocol::{methods as m, v2};
use valet_sim::{Script, Sim};
use valet_transport::{Link, OutboxLimits, lines, link};

use crate::listeners::Server;
use crate::orphans::cycles;
use crate::probe::{GONE, Process, STUBBORN, WORKS, gone, lend, ready, runs, start_turn_in, tree, turn_status};
use crate::support::{home, in_time, valet};

const HOUR: Duration = Duration::from_secs(3600);
const FULL: v2::SandboxMode = v2::SandboxMode::DangerFullAccess;

/// The host, the supervisor, a shell, its child and the daemon.
const FAMILY: usize = 5;

/// A client whose turn runs a command.
struct Parent {
    client: Client,
    told: Notifications,
    thread: String,
    turn: String,
}

impl Parent {
    async fn start(link: Link, sim: &Sim, sandbox: v2::SandboxMode) -> Self {
        let (client, mut told) = Client::new(link, Handlers::new());
        client.initialize("parent", "1", true).await.unwrap();
        lend(&client, sim, HOUR).await;
        let (thread, turn) = start_turn_in(&client, sandbox).await;
        ready(&mut told).await;
        Self { client, told, thread, turn }
    }

    async fn interrupt(&self) {
        let params = v2::TurnInterruptParams { thread_id: self.thread.clone(), turn_id: self.turn.clone() };
        in_time(self.client.request::<m::TurnInterrupt>(params)).await.unwrap();
    }
}

/// Reads how the command and the turn end. The exit code of the command: 128 and the signal that it died of.
async fn both_end(told: &mut Notifications) -> Option<i32> {
    let is_command = |done: &v2::ItemCompletedNotification| {
        matches!(done.item.details, v2::ThreadItemDetails::CommandExecution { .. })
    };
    let command = in_time(told.wait_for::<m::ItemCompleted>(is_command)).await;
    let command = command.expect("the command is told to have ended");
    assert_eq!(turn_status(told).await, Some(v2::TurnStatus::Interrupted));
    match command.item.details {
        v2::ThreadItemDetails::CommandExecution { exit_code, .. } => exit_code,
        _ => None,
    }
}

/// A host over stdio whose turn runs a command.
struct Host {
    child: Child,
    parent: Parent,
    _sim: Sim,
    _home: TempDir,
}

impl Host {
    async fn start(command: &str, sandbox: v2::SandboxMode) -> Self {
        let sim = Sim::start(Script::respond(runs(command))).await.unwrap();
        let home = home(&sim);
        let mut command = Command::from(valet(home.path(), &["app-server"]));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let link = lines::connect(stdout, stdin, OutboxLimits::default());
        let parent = Parent::start(link, &sim, sandbox).await;
        Self { child, parent, _sim: sim, _home: home }
    }
}

/// A host and all that it has started.
fn all_of(host: &Child) -> Vec<Process> {
    let tree = tree(host.id().unwrap());
    assert!(tree.len() >= FAMILY, "{tree:?}");
    tree
}

fn signal(host: &Child, wish: Signal) {
    crate::support::signal(host.id().unwrap(), wish);
}

/// Waits for the good end of a host, and of all that it has started.
async fn ends_well(mut host: Child, all: &[Process], began: Instant, limit: Duration) {
    assert_eq!(in_time(host.wait()).await.unwrap().code(), Some(0));
    gone(all).await;
    eprintln!("gone after {:?}", began.elapsed());
    assert!(began.elapsed() < limit, "it took {:?}", began.elapsed());
}

#[tokio::test]
async fn t_10_a_host_that_is_killed_takes_its_commands_with_it() {
    for number in 0..cycles() {
        let sandbox = if number % 4 < 2 { FULL } else { v2::SandboxMode::WorkspaceWrite };
        let mut host = Host::start(if number % 2 == 0 { WORKS } else { STUBBORN }, sandbox).await;
        let all = all_of(&host.child);
        host.child.kill().await.unwrap();
        gone(&all).await;
    }
}

#[tokio::test]
async fn t_11_stdin_that_ends_ends_a_command_that_does_not_want_to_and_both_are_told() {
    let Host { child, parent: Parent { client, mut told, .. }, _sim, _home } = Host::start(STUBBORN, FULL).await;
    let (all, began) = (all_of(&child), Instant::now());
    drop(client);
    both_end(&mut told).await;
    ends_well(child, &all, began, GONE).await;
}

#[tokio::test]
async fn t_10_a_sigterm_over_stdio_ends_a_command_that_does_not_want_to_and_both_are_told() {
    let Host { child, mut parent, _sim, _home } = Host::start(STUBBORN, FULL).await;
    let (all, began) = (all_of(&child), Instant::now());
    signal(&child, Signal::TERM);
    both_end(&mut parent.told).await;
    ends_well(child, &all, began, GONE).await;
}

#[tokio::test]
async fn t_11_a_turn_that_is_being_interrupted_when_stdin_ends_is_told_in_time_as_well() {
    let Host { child, parent: Parent { client, mut told, thread, turn }, _sim, _home } =
        Host::start(STUBBORN, FULL).await;
    let (all, began) = (all_of(&child), Instant::now());
    let params = v2::TurnInterruptParams { thread_id: thread, turn_id: turn };
    // The command has a second, but for the end of stdin.
    let request = client.request::<m::TurnInterrupt>(params);
    assert!(tokio::time::timeout(Duration::from_millis(100), request).await.is_err());
    drop(client);
    both_end(&mut told).await;
    ends_well(child, &all, began, GONE).await;
}

#[tokio::test]
async fn an_interrupt_is_answered_when_the_command_has_ended_and_one_that_does_not_want_to_has_a_second() {
    for (command, at_least, signal) in [(WORKS, Duration::ZERO, Signal::TERM), (STUBBORN, GRACE, Signal::KILL)] {
        let mut host = Host::start(command, FULL).await;
        let (began, all) = (Instant::now(), all_of(&host.child));
        host.parent.interrupt().await;
        let exit_code = both_end(&mut host.parent.told).await;
        let taken = began.elapsed();
        assert!(taken >= at_least, "{taken:?}");
        assert_eq!(exit_code, Some(128 + signal.as_raw()), "asked to end, and killed only if it does not");
        eprintln!("interrupted after {taken:?}");
        // All but the host are gone before the end of the turn is told.
        assert_eq!(tree(host.child.id().unwrap()).len(), 1, "of {all:?}");
    }
}

#[tokio::test]
async fn t_4_at_the_drain_limit_a_command_that_does_not_want_to_ends_and_both_are_told_before_the_1001() {
    let sim = Sim::start(Script::respond(runs(STUBBORN))).await.unwrap();
    let home = home(&sim);
    let server = Server::start(home.path(), &["--listen", "ws://127.0.0.1:0", "--drain-timeout", "1"]).await;
    let stream = TcpStream::connect(server.url.trim_start_matches("ws://")).await.unwrap();
    let (link, closed) = over(client_async(&server.url, stream).await.unwrap().0);
    let mut parent = Parent::start(link, &sim, FULL).await;
    let (all, began) = (all_of(&server.child), Instant::now());
    signal(&server.child, Signal::TERM);
    both_end(&mut parent.told).await;
    assert_eq!(closed.await, Ok(Some(1001)));
    ends_well(server.child, &all, began, Duration::from_secs(1) + GONE).await;
}

#[tokio::test]
async fn t_10_a_unix_listener_ends_with_its_parent_and_leaves_no_command_and_no_socket_file() {
    for number in 0..cycles() {
        let sandbox = if number % 4 < 2 { FULL } else { v2::SandboxMode::WorkspaceWrite };
        let sim = Sim::start(Script::respond(runs(if number % 2 == 0 { WORKS } else { STUBBORN }))).await.unwrap();
        let home = home(&sim);
        let path = home.path().join("run/s");
        let mut owner = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
        let (url, owner_id) = (format!("unix://{}", path.display()), owner.id().unwrap().to_string());
        let server = Server::start(home.path(), &["--listen", &url, "--parent-pid", &owner_id]).await;
        let (link, closed) = over_unix(&path).await;
        let mut parent = Parent::start(link, &sim, sandbox).await;
        let (all, began) = (all_of(&server.child), Instant::now());
        owner.kill().await.unwrap();
        both_end(&mut parent.told).await;
        assert_eq!(closed.await, Ok(Some(1001)));
        ends_well(server.child, &all, began, GONE).await;
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
    }
}

async fn over_unix(path: &Path) -> (Link, oneshot::Receiver<Option<u16>>) {
    let stream = UnixStream::connect(path).await.unwrap();
    over(client_async("ws://localhost/", stream).await.unwrap().0)
}

/// A link over a websocket, and the close code that it ends with.
fn over<S>(socket: WebSocketStream<S>) -> (Link, oneshot::Receiver<Option<u16>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sink, mut stream) = socket.split();
    let (link, inlet, mut outlet) = link(OutboxLimits::default());
    let (close, closed) = oneshot::channel();
    tokio::spawn(async move {
        while let Ok(messages) = outlet.next().await {
            for message in messages {
                sink.send(Message::Text(Utf8Bytes::try_from(message).unwrap())).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        let code = loop {
            match stream.next().await {
                Some(Ok(Message::Text(text))) => inlet.send(Bytes::from(text)).await.unwrap(),
                Some(Ok(Message::Close(frame))) => break frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break None,
            }
        };
        let _ = close.send(code);
    });
    (link, closed)
}
