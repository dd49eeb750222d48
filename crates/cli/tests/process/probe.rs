//! What a running host looks like from outside, by `/proc`, and the few steps that bring it to a turn.

use std::collections::BTreeMap;
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use valet_client::{Client, Handlers, Notifications};
use valet_protocol::{Secret, methods as m, v2};
use valet_sim::{Chunks, Response, Script, Sim, TokenRequest};

/// No test waits longer for one thing.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Waits, but not forever.
#[track_caller]
pub(crate) fn in_time<F: Future>(wanted: F) -> impl Future<Output = F::Output> {
    let place = Location::caller();
    async move {
        let waited = tokio::time::timeout(LIMIT, wanted).await;
        waited.unwrap_or_else(|_| panic!("nothing came within {LIMIT:?}, at {place}"))
    }
}

/// Whether the runs are to be as long as the promises say, and not as short as a habit must be.
pub(crate) fn long() -> bool {
    std::env::var("VALET_LONG_TESTS").is_ok_and(|value| value == "1")
}

/// A turn that says something and then hangs for longer than any test.
pub(crate) fn hangs() -> Script {
    Script::respond(Response::new().chunks(Chunks::repeat("w ", 3)).delay(Duration::from_secs(3600)))
}

/// Answers refreshes with a token that lasts this long.
pub(crate) fn lender(sim: &Sim, lifetime: Duration) -> Handlers {
    let sim = sim.clone();
    Handlers::new().on::<m::ChatgptAuthTokensRefresh, _>(move |_| {
        let token = sim.tokens().issue(TokenRequest { lifetime: Some(lifetime), ..TokenRequest::default() });
        async move {
            Ok(v2::ChatgptAuthTokensRefreshResponse {
                access_token: Secret::new(token.access_token),
                chatgpt_account_id: token.account_id,
                chatgpt_plan_type: None,
            })
        }
    })
}

/// Lends the host a token that lasts this long.
pub(crate) async fn lend(client: &Client, sim: &Sim, lifetime: Duration) {
    let token = sim.tokens().issue(TokenRequest { lifetime: Some(lifetime), ..TokenRequest::default() });
    let login = v2::LoginAccountParams::lend(token.access_token, token.account_id);
    in_time(client.request::<m::AccountLoginStart>(login)).await.unwrap();
}

/// Starts a turn on a new thread.
pub(crate) async fn start_turn(client: &Client) {
    let thread = in_time(client.request::<m::ThreadStart>(v2::ThreadStartParams::default())).await.unwrap().thread.id;
    let input = vec![v2::UserInput::Text { text: "hello".to_owned(), text_elements: Vec::new() }];
    let turn = v2::TurnStartParams { thread_id: thread, input, ..Default::default() };
    in_time(client.request::<m::TurnStart>(turn)).await.unwrap();
}

/// Waits for the first words of a turn.
pub(crate) async fn first_words(told: &mut Notifications) {
    in_time(told.wait_for::<m::AgentMessageDelta>(|_| true)).await.unwrap();
}

/// Waits for the end of a turn, and says how it ended.
pub(crate) async fn turn_status(told: &mut Notifications) -> Option<v2::TurnStatus> {
    in_time(told.wait_for::<m::TurnCompleted>(|_| true)).await.map(|ended| ended.turn.status)
}

/// A number of `/proc/PID/status` or of a thread's.
fn status(of: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(of.join("status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A process and all that descends from it.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let children = ids.filter(|id| status(Path::new(&format!("/proc/{id}")), "PPid") == Some(pid.into()));
    std::iter::once(pid).chain(children.collect::<Vec<u32>>().into_iter().flat_map(family)).collect()
}

/// Resident memory in KiB.
pub(crate) fn resident(pid: u32) -> u64 {
    status(Path::new(&format!("/proc/{pid}")), "VmRSS").unwrap()
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

/// How many file descriptors a process has.
pub(crate) fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// The processes that have this text in their environment, or in their arguments. One that has ended and that
/// nobody has asked about yet has neither.
pub(crate) fn marked(mark: &str) -> Vec<u32> {
    let holds = |path: &Path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| ["environ", "cmdline"].iter().any(|file| holds(Path::new(&format!("/proc/{id}/{file}"))))).collect()
}
