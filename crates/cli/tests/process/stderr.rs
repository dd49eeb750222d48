//! A stderr that nobody reads holds up nothing: no turn, no connection and no end.

use std::io::{BufRead, BufReader, PipeReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pretty_assertions::assert_eq;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use valet_client::{Client, Handlers, Notifications, connect};
use valet_protocol::v2;
use valet_sim::{Chunks, Response, Script, Sim};
use valet_transport::{Outbox, OutboxLimits, lines};

use crate::probe::{lend, start_turn, turn_status};
use crate::support::{home, in_time, signal, valet};

/// How long the end may take.
const GONE: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);
/// Everything that can be logged.
const LEVELS: &str = "trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace,tungstenite=trace";

fn many_deltas() -> Script {
    Script::respond(Response::new().chunks(Chunks::repeat("word ", 5_000)))
}

/// Has more logged than the pipe and the lane can hold: each text that is no message is a line.
fn talk_nonsense(outbox: &Outbox) {
    (0..5_000).for_each(|_| outbox.push(Bytes::from_static(b"nonsense")));
}

/// A host over stdio.
struct Host {
    child: Child,
    client: Client,
    outbox: Outbox,
    told: Notifications,
    _home: TempDir,
}

impl Host {
    async fn start(sim: &Sim, stderr: Stdio) -> Self {
        let home = home(sim);
        let mut command = Command::from(valet(home.path(), &["app-server"]));
        command.env("VALET_LOG", LEVELS).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let link = lines::connect(stdout, stdin, OutboxLimits::default());
        let outbox = link.outbox.clone();
        let (client, told) = Client::new(link, Handlers::new());
        in_time(client.initialize("parent", "1", true)).await.unwrap();
        lend(&client, sim, HOUR).await;
        Self { child, client, outbox, told, _home: home }
    }

    /// Takes a whole turn after a lot of nonsense.
    async fn turn(&mut self) {
        talk_nonsense(&self.outbox);
        start_turn(&self.client).await;
        assert_eq!(turn_status(&mut self.told).await, Some(v2::TurnStatus::Completed));
    }
}

/// Waits for the end of the host, which must come soon and be a good one.
async fn ends_well(child: &mut Child) {
    let began = Instant::now();
    let status = in_time(child.wait()).await.unwrap();
    assert!(began.elapsed() < GONE, "it took {:?}", began.elapsed());
    assert_eq!(status.code(), Some(0));
}

fn terminate(child: &Child) {
    signal(child.id().unwrap(), Signal::TERM);
}

/// A pipe that takes not one byte more, and the end that would have to be read.
fn full_pipe() -> (Stdio, std::os::fd::OwnedFd) {
    let (writer, reader) = pipe::pipe().unwrap();
    while writer.try_write(&[b'.'; 4096]).is_ok() {}
    while writer.try_write(b".").is_ok() {}
    (Stdio::from(writer.into_blocking_fd().unwrap()), reader.into_blocking_fd().unwrap())
}

#[tokio::test]
async fn t_12_a_full_stderr_holds_up_neither_a_turn_nor_the_end() {
    let sim = Sim::start(many_deltas()).await.unwrap();
    let (stderr, _unread) = full_pipe();
    let mut host = Host::start(&sim, stderr).await;
    host.turn().await;
    drop((host.client, host.outbox, host.told));
    ends_well(&mut host.child).await;
}

#[tokio::test]
async fn t_12_a_full_stderr_does_not_hold_up_a_sigterm() {
    let sim = Sim::start(many_deltas()).await.unwrap();
    let (stderr, _unread) = full_pipe();
    let mut host = Host::start(&sim, stderr).await;
    host.turn().await;
    terminate(&host.child);
    ends_well(&mut host.child).await;
}

#[tokio::test]
async fn t_12_lines_that_found_no_room_are_counted_and_told_when_there_is_room() {
    let sim = Sim::start(many_deltas()).await.unwrap();
    let (stderr, unread) = full_pipe();
    let mut host = Host::start(&sim, stderr).await;
    host.turn().await;
    let mut log = BufReader::new(PipeReader::from(unread));
    let reading = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        while !line.contains("lines were dropped: stderr was not read") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the end came first");
        }
        (line, log)
    });
    let (line, mut log) = in_time(reading).await.unwrap();
    let count = line.strip_prefix("valet: ").and_then(|line| line.split(' ').next()?.parse::<u64>().ok());
    assert!(count.is_some_and(|count| count > 0), "{line}");
    // What comes from now on is written, up to the last line.
    let reading = tokio::task::spawn_blocking(move || log.read_to_end(&mut Vec::new()).unwrap());
    drop((host.client, host.outbox, host.told));
    ends_well(&mut host.child).await;
    reading.await.unwrap();
}

#[tokio::test]
async fn t_12_a_listener_whose_stderr_is_unread_serves_and_ends() {
    let sim = Sim::start(many_deltas()).await.unwrap();
    let home = home(&sim);
    let mut command = Command::from(valet(home.path(), &["app-server", "--listen", "ws://127.0.0.1:0"]));
    let (unread, stderr) = std::io::pipe().unwrap();
    let mut child = command.env("VALET_LOG", LEVELS).stderr(stderr).kill_on_drop(true).spawn().unwrap();
    drop(command);
    // Only up to the line that says where to connect.
    let mut log = BufReader::with_capacity(1, unread);
    let address = std::iter::from_fn(|| {
        let mut line = String::new();
        (log.read_line(&mut line).unwrap() > 0).then_some(line)
    })
    .find_map(|line| Some(line.split_once("listening on: ")?.1.trim().to_owned()))
    .expect("an address");
    let link = connect(&address, None).await.unwrap();
    let outbox = link.outbox.clone();
    let (client, mut told) = Client::new(link, Handlers::new());
    client.initialize("parent", "1", true).await.unwrap();
    talk_nonsense(&outbox);
    lend(&client, &sim, HOUR).await;
    start_turn(&client).await;
    assert_eq!(turn_status(&mut told).await, Some(v2::TurnStatus::Completed));
    terminate(&child);
    ends_well(&mut child).await;
    // It was full: the count could not be told.
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(rest.len() > 32 * 1024 && !rest.contains("were dropped"), "{} bytes", rest.len());
}
