//! What a running host looks like from outside, by `/proc`, and the few steps that bring it to a turn.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use valet_client::{Client, Handlers, Notifications};
use valet_protocol::{methods as m, v2};
use valet_sim::{Response, Sim, TokenRequest};

use crate::support::in_time;

/// How long after the end of a host, or of its parent, something of it may still be there.
pub(crate) const GONE: Duration = Duration::from_secs(10);

/// Answers refreshes with a token that lasts this long.
pub(crate) fn lender(sim: &Sim, lifetime: Duration) -> Handlers {
    valet_tests::lender(sim, move |_| TokenRequest::default().lifetime(lifetime))
}

/// Lends the host a token that lasts this long.
pub(crate) async fn lend(client: &Client, sim: &Sim, lifetime: Duration) {
    in_time(valet_tests::lend(client, sim, TokenRequest::default().lifetime(lifetime))).await.unwrap();
}

/// Starts a turn on a new thread.
pub(crate) async fn start_turn(client: &Client) {
    start_turn_in(client, v2::SandboxMode::ReadOnly).await;
}

/// Starts a turn on a new thread whose commands may do this much. Returns the ids of both.
pub(crate) async fn start_turn_in(client: &Client, sandbox: v2::SandboxMode) -> (String, String) {
    let approval_policy = Some(v2::AskForApproval::Never);
    let params = v2::ThreadStartParams { sandbox: Some(sandbox), approval_policy, ..Default::default() };
    let thread = in_time(client.request::<m::ThreadStart>(params)).await.unwrap().thread.id;
    let input = vec![v2::UserInput::Text { text: "hello".to_owned(), text_elements: Vec::new() }];
    let turn = v2::TurnStartParams { thread_id: thread.clone(), input, ..Default::default() };
    (thread, in_time(client.request::<m::TurnStart>(turn)).await.unwrap().turn.id)
}

/// A command that has said that it is ready, has a child and a daemon, and goes on for longer than any test.
pub(crate) const WORKS: &str = "setsid -f sleep 1000; sleep 1000 & echo ready; wait";

/// The same, and none of its processes ends because it is asked to.
pub(crate) const STUBBORN: &str = "trap '' TERM; setsid -f sleep 1000; sleep 1000 & echo ready; wait";

/// A response that runs a command.
pub(crate) fn runs(command: &str) -> Response {
    let arguments = serde_json::json!({ "cmd": command, "login": false, "yield_time_ms": 30_000 });
    Response::new().function_call("exec_command", arguments)
}

/// Waits until the command of a turn says that it is ready.
pub(crate) async fn ready(told: &mut Notifications) {
    let said = told.wait_for::<m::CommandExecutionOutputDelta>(|output| output.delta.contains("ready"));
    in_time(said).await.expect("a command that runs");
}

/// Waits for the first words of a turn.
pub(crate) async fn first_words(told: &mut Notifications) {
    in_time(told.wait_for::<m::AgentMessageDelta>(|_| true)).await.unwrap();
}

/// Waits for the end of a turn, and says how it ended.
pub(crate) async fn turn_status(told: &mut Notifications) -> Option<v2::TurnStatus> {
    in_time(told.wait_for::<m::TurnCompleted>(|_| true)).await.map(|ended| ended.turn.status)
}

/// A process that no other is taken for: ids come again, with another time of birth.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) id: u32,
    born: String,
}

impl Process {
    /// Whether it is there. One that has ended, and that nobody has asked about yet, is not; one whose first thread
    /// has ended is, and has its files open, until the last one has.
    fn lives(&self) -> bool {
        let ended = |fields: &[String]| {
            ["Z", "X"].contains(&fields[STATE].as_str()) && ["0", "1"].contains(&fields[THREADS].as_str())
        };
        stat(self.id).is_some_and(|fields| fields[BORN] == self.born && !ended(&fields))
    }
}

const STATE: usize = 0;
const PARENT: usize = 1;
const THREADS: usize = 17;
const BORN: usize = 19;

/// The fields of `/proc/PID/stat` that come after the name.
fn stat(id: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A process and all that descend from it, parents before their children: ids begin anew, and say nothing of that.
pub(crate) fn tree(root: u32) -> Vec<Process> {
    let all: BTreeMap<u32, Vec<String>> = processes().filter_map(|id| Some((id, stat(id)?))).collect();
    let parent = |id: &u32| all.get(id)?[PARENT].parse().ok();
    let depth = |id: u32| std::iter::successors(Some(id), parent).position(|ancestor| ancestor == root);
    let mut found: Vec<_> = all.iter().filter_map(|(id, fields)| Some((depth(*id)?, *id, fields))).collect();
    found.sort_by_key(|(depth, ..)| *depth);
    found.into_iter().map(|(_, id, fields)| Process { id, born: fields[BORN].clone() }).collect()
}

/// Waits until none of these is there, and says how long that took. They are nobody's children here, so there is
/// no event to wait for.
pub(crate) async fn gone(processes: &[Process]) -> Duration {
    let began = std::time::Instant::now();
    while processes.iter().any(Process::lives) {
        let left = || processes.iter().filter(|process| process.lives()).collect::<Vec<_>>();
        assert!(began.elapsed() < GONE, "left after {GONE:?}: {:?}", left());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

/// A number of `/proc/PID/status` or of a thread's.
fn status(of: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(of.join("status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Resident memory in KiB.
pub(crate) fn resident(pid: u32) -> u64 {
    status(Path::new(&format!("/proc/{pid}")), "VmRSS").unwrap()
}

/// The most memory that was ever resident, in KiB.
pub(crate) fn resident_peak(pid: u32) -> u64 {
    status(Path::new(&format!("/proc/{pid}")), "VmHWM").unwrap()
}

/// How often each thread was given a processor and left it again. It is the same later if nothing woke.
pub(crate) fn switches(pid: u32) -> BTreeMap<String, u64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let of_thread = |thread: std::fs::DirEntry| {
        let path = thread.path();
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let id = thread.file_name().into_string().ok()?;
        let count = status(&path, "voluntary_ctxt_switches")? + status(&path, "nonvoluntary_ctxt_switches")?;
        Some((format!("{id} {}", name.trim()), count))
    };
    threads.filter_map(of_thread).collect()
}

/// What the descriptors of a process lead to.
pub(crate) fn opened(pid: u32) -> Vec<PathBuf> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    // One that is closed meanwhile leads nowhere.
    descriptors.map(|descriptor| std::fs::read_link(descriptor.path()).unwrap_or_default()).collect()
}

/// The same without connections. Those to the backend are kept for a while, and chance says how many it takes.
pub(crate) fn opened_but_connections(pid: u32) -> Vec<PathBuf> {
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let inodes = table.lines().filter_map(|line| line.split_whitespace().nth(9));
    let connections: BTreeSet<_> = inodes.map(|inode| PathBuf::from(format!("socket:[{inode}]"))).collect();
    let mut opened = opened(pid);
    opened.retain(|path| !connections.contains(path));
    opened
}

/// The processes that have this text in their environment, or in their arguments. One that has ended and that
/// nobody has asked about yet has neither.
pub(crate) fn marked(mark: &str) -> Vec<u32> {
    let holds = |path: &Path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
    };
    processes()
        .filter(|id| ["environ", "cmdline"].iter().any(|file| holds(Path::new(&format!("/proc/{id}/{file}")))))
        .collect()
}
