//! Whatever becomes of the parent, nothing of the host is left: no process, no file, no socket.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use valet_client::{AppServer, Client, Handlers, Notifications, connect};
use valet_protocol::v1::{InitializeCapabilities, ValetCapabilities};
use valet_protocol::{methods as m, v2};
use valet_sim::{Chunks, Response, Script, Sim};
use valet_transport::{OutboxLimits, lines};

use crate::probe::{
    GONE, STUBBORN, WORKS, first_words, gone, lend, marked, ready, runs, start_turn, start_turn_in, tree, turn_status,
};
use crate::support::{LIMIT, VALET, home, in_time, long, valet};

const HOUR: Duration = Duration::from_secs(3600);

/// A parent that holds the host's stdin and stdout open by named pipes, so that others can hold them, too. The
/// flag that it is given is followed by its own process id.
const OVER_PIPES: &str = r#"
mkfifo in out
exec 3<>in 4<>out
"$VALET" app-server ${1:+$1 $$} <in >out 3>&- 4>&- &
echo started
wait
"#;

/// A parent of a listener. The host's first line says the address.
const OVER_WEBSOCKET: &str = r#"
"$VALET" app-server --listen ws://127.0.0.1:0 $1 $$ 2>&1 &
wait
"#;

/// A flag that says: the process that passes this.
const MY_PID: &[&str] = &["--parent-pid"];

/// A parent process, and the host that it started.
struct Family {
    parent: Child,
    first_line: String,
    /// All that belongs together has its path in the environment.
    home: TempDir,
}

impl Family {
    /// Starts a shell as parent. It says a line when the host can be spoken to.
    async fn start(sim: &Sim, script: &str, args: &[&str]) -> Self {
        let home = home(sim);
        std::fs::create_dir(home.path().join("tmp")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args(args).current_dir(home.path()).kill_on_drop(true);
        command.env("VALET", VALET).env("VALET_HOME", home.path());
        command.env("TMPDIR", home.path().join("tmp")).env_remove("CODEX_HOME").env_remove("VALET_LOG");
        let mut parent = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
        let line = in_time(lines.next_line()).await.unwrap();
        Self { parent, first_line: line.unwrap(), home }
    }

    fn pid(&self) -> u32 {
        self.parent.id().unwrap()
    }

    /// The processes that are there.
    fn members(&self) -> Vec<u32> {
        marked(self.home.path().to_str().unwrap())
    }

    /// The ends of the pipes that the parent holds, held once more.
    fn client(&self) -> (Client, Notifications) {
        let open = pipe::OpenOptions::new();
        let stdin = open.open_sender(self.home.path().join("in")).unwrap();
        let stdout = open.open_receiver(self.home.path().join("out")).unwrap();
        Client::new(lines::connect(stdout, stdin, OutboxLimits::default()), Handlers::new())
    }

    /// Kills the parent as nothing can be killed harder, and waits until nothing of the host is there.
    async fn kill_parent(mut self) {
        let before = tree(self.pid());
        assert!(before.len() >= 2, "the parent and the host are there before");
        self.parent.start_kill().unwrap();
        assert_eq!(self.parent.wait().await.unwrap().signal(), Some(9));
        gone(&before).await;
        assert_eq!(self.members(), Vec::<u32>::new(), "somebody has come since");
        assert_eq!(names_below(&self.home.path().join("tmp")), Vec::<String>::new(), "temporary files are left");
        let left: Vec<_> = names_below(self.home.path()).into_iter().filter(|name| !is_ours(name)).collect();
        assert_eq!(left, Vec::<String>::new(), "files are left");
        let leases = self.home.path().join("thread-writer-locks");
        assert!(!leases.exists() || names_below(&leases) == [".coordination.lock"], "a lease is left");
    }
}

impl Drop for Family {
    /// A test that fails is to leave nothing, either.
    fn drop(&mut self) {
        for pid in self.members().into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn names_below(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// What this test, or its shell, put into the home directory, and what the host is to keep there.
fn is_ours(name: &str) -> bool {
    // The threads are meant to stay.
    let threads = ["sessions", "thread-writer-locks"].contains(&name) || name.starts_with("valet-index.sqlite");
    threads || ["config.toml", "tmp", "in", "out"].contains(&name)
}

pub(crate) fn cycles() -> usize {
    long(20, 200)
}

/// One turn after another, each with a command that does not end; every other command ends when it is asked to.
fn commands() -> Script {
    Script::responses((0..cycles()).map(|number| runs(if number % 2 == 0 { WORKS } else { STUBBORN })))
}

/// Brings the host to a turn with a command that runs; every other pair of them in a sandbox.
async fn working_turn(
    client: &Client,
    told: &mut Notifications,
    sim: &Sim,
    capabilities: InitializeCapabilities,
    number: usize,
) {
    client.initialize_with("parent", "1", capabilities).await.unwrap();
    lend(client, sim, HOUR).await;
    let sandbox = if number % 4 < 2 { v2::SandboxMode::DangerFullAccess } else { v2::SandboxMode::WorkspaceWrite };
    start_turn_in(client, sandbox).await;
    ready(told).await;
}

/// What a parent asks for that says its process id, or does not.
fn parent(pid: Option<u32>) -> InitializeCapabilities {
    let valet = ValetCapabilities { process_id: pid.map(i64::from), ..ValetCapabilities::default() };
    InitializeCapabilities { experimental_api: true, valet: Some(valet), ..InitializeCapabilities::default() }
}

async fn still_serves(client: &Client) -> bool {
    client.request::<m::ThreadLoadedList>(v2::ThreadLoadedListParams::default()).await.is_ok()
}

#[tokio::test]
async fn t_9_a_parent_that_is_killed_takes_the_host_with_it() {
    let sim = Sim::start(commands()).await.unwrap();
    for number in 0..cycles() {
        let family = Family::start(&sim, OVER_PIPES, &[]).await;
        let (client, mut told) = family.client();
        working_turn(&client, &mut told, &sim, parent(None), number).await;
        assert!(still_serves(&client).await);
        // From here on only the parent can say something to the host, and the end of that is enough.
        drop(client);
        family.kill_parent().await;
        assert_eq!(turn_status(&mut told).await, Some(v2::TurnStatus::Interrupted));
    }
}

#[tokio::test]
async fn t_9_a_sibling_that_holds_stdin_open_does_not_keep_the_host_alive() {
    let sim = Sim::start(commands()).await.unwrap();
    for number in 0..cycles() {
        // By the flag, and by the capability.
        let flag = number % 8 < 4;
        let family = Family::start(&sim, OVER_PIPES, if flag { MY_PID } else { &[] }).await;
        let (client, mut told) = family.client();
        let capabilities = parent((!flag).then(|| family.pid()));
        working_turn(&client, &mut told, &sim, capabilities, number).await;
        family.kill_parent().await;
        assert_eq!(turn_status(&mut told).await, Some(v2::TurnStatus::Interrupted));
    }
}

#[tokio::test]
async fn t_9_a_listener_ends_with_its_parent() {
    let sim = Sim::start(commands()).await.unwrap();
    for number in 0..cycles() {
        let family = Family::start(&sim, OVER_WEBSOCKET, MY_PID).await;
        let address = family.first_line.rsplit("ws://").next().unwrap().to_owned();
        let link = connect(&format!("ws://{address}"), None).await.unwrap();
        let (client, mut told) = Client::new(link, Handlers::new());
        working_turn(&client, &mut told, &sim, parent(None), number).await;
        family.kill_parent().await;
        assert_eq!(turn_status(&mut told).await, Some(v2::TurnStatus::Interrupted));
        assert!(TcpStream::connect(&address).await.is_err(), "nobody listens any more");
    }
}

#[tokio::test]
async fn t_9_the_parent_of_one_of_several_clients_is_not_the_parent_of_the_host() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let family = Family::start(&sim, OVER_WEBSOCKET, MY_PID).await;
    let address = family.first_line.rsplit("ws://").next().unwrap().to_owned();
    let mut other = Command::new("sleep").arg("3600").kill_on_drop(true).spawn().unwrap();
    let (client, _told) = Client::new(connect(&format!("ws://{address}"), None).await.unwrap(), Handlers::new());
    client.initialize_with("guest", "1", parent(other.id())).await.unwrap();
    other.kill().await.unwrap();
    assert!(still_serves(&client).await);
    family.kill_parent().await;
}

/// Starts a host over pipes with its stderr at hand.
fn host(home: &Path, args: &[&str]) -> AppServer {
    let mut command = valet(home, &[&["app-server"], args].concat());
    AppServer::spawn(command.stderr(std::fs::File::create(home.join("stderr")).unwrap())).unwrap()
}

#[tokio::test]
async fn t_9_a_parent_that_cannot_be_seen_is_told_in_one_line_and_the_host_serves() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let home = home(&sim);
    // An id that was a process's, and is nobody's now.
    let mut gone = Command::new("true").spawn().unwrap();
    let pid = gone.id().unwrap();
    gone.wait().await.unwrap();
    let server = host(home.path(), &["--parent-pid", &pid.to_string()]);
    let (client, told) = Client::new(server.link, Handlers::new());
    client.initialize("parent", "1", true).await.unwrap();
    assert!(still_serves(&client).await);
    drop((client, told));
    assert_eq!(server.process.wait(LIMIT).await.unwrap().code(), Some(0));
    let log = std::fs::read_to_string(home.path().join("stderr")).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("cannot be seen") && log.contains(&pid.to_string()), "{log}");
}

#[tokio::test]
async fn t_9_a_process_id_that_makes_no_sense_is_logged_and_the_host_serves() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let home = home(&sim);
    let server = host(home.path(), &[]);
    let own = server.process.id().unwrap();
    let (client, told) = Client::new(server.link, Handlers::new());
    client.initialize_with("parent", "1", parent(Some(own))).await.unwrap();
    assert!(still_serves(&client).await);
    drop((client, told));
    assert_eq!(server.process.wait(LIMIT).await.unwrap().code(), Some(0));
    let log = std::fs::read_to_string(home.path().join("stderr")).unwrap();
    assert!(log.contains("processId is ignored") && log.contains("is this process itself"), "{log}");
}

#[tokio::test]
async fn t_9_a_flag_that_makes_no_sense_is_refused() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let home = home(&sim);
    let refused = |output: std::process::Output, words: &str| {
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(words), "{text}");
    };
    for pid in ["0", "-7", "99999999999"] {
        let output = valet(home.path(), &["app-server", "--parent-pid", pid]).output().unwrap();
        refused(output, &format!("valet: --parent-pid: {pid} is not a process id"));
    }
    // The shell's own id becomes the host's.
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", r#"exec "$VALET" app-server --parent-pid $$"#]).env("VALET", VALET);
    refused(shell.env("VALET_HOME", home.path()).output().unwrap(), "is this process itself");
}

/// Deltas that no pipe can hold.
fn floods() -> Script {
    let delta = "x".repeat(256 * 1024);
    Script::respond(Response::new().chunks(Chunks::repeat(delta, 10_000).every(Duration::from_millis(10))))
}

#[tokio::test]
async fn t_11_stdin_that_ends_in_mid_turn_ends_a_host_whose_stdout_is_never_read() {
    let sim = Sim::start(floods()).await.unwrap();
    let home = home(&sim);
    let mut command = Command::from(valet(home.path(), &["app-server"]));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    // Whoever reads here stops when the first words have come, and keeps the pipe.
    let (reader, stalls) = stalling_reader(child.stdout.take().unwrap());
    let link = lines::connect(reader, child.stdin.take().unwrap(), OutboxLimits::default());
    let (client, mut told) = Client::new(link, Handlers::new());
    client.initialize_with("parent", "1", parent(None)).await.unwrap();
    lend(&client, &sim, HOUR).await;
    start_turn(&client).await;
    first_words(&mut told).await;
    stalls.send_replace(true);
    stuck_on_stdout(child.id().unwrap()).await;
    drop(client);
    let ended = Instant::now();
    let status = in_time(child.wait()).await.unwrap();
    assert!(ended.elapsed() < GONE, "it took {:?}", ended.elapsed());
    assert_eq!(status.code(), Some(0));
}

/// A reader of the host's stdout that reads no more once it is told so.
fn stalling_reader(stdout: tokio::process::ChildStdout) -> (tokio::io::DuplexStream, tokio::sync::watch::Sender<bool>) {
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    let (stalls, mut stalled) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        let mut stdout = stdout;
        tokio::select! {
            _ = tokio::io::copy(&mut stdout, &mut near) => {}
            _ = stalled.wait_for(|stalled| *stalled) => {}
        }
        // Held open, and not read.
        std::future::pending::<()>().await;
    });
    (far, stalls)
}

/// Waits until the thread that writes stdout sleeps in its write. `/proc` tells no event.
async fn stuck_on_stdout(pid: u32) {
    let began = Instant::now();
    loop {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let writer = threads
            .map(|thread| thread.path())
            .find(|thread| std::fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.trim() == "stdout"));
        let call = std::fs::read_to_string(writer.expect("a thread for stdout").join("syscall")).unwrap_or_default();
        // The first argument of the call is the descriptor.
        if call.split_whitespace().nth(1) == Some("0x1") {
            return;
        }
        assert!(began.elapsed() < LIMIT, "stdout is not stuck: {call}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
