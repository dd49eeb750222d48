//! A host that is not asked for anything does nothing, and what has come and gone has left nothing.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use tempfile::TempDir;
use tokio::process::Child;
use valet_client::{AppServer, AppServerProcess, Client, Handlers, Notifications, connect};
use valet_protocol::{methods as m, v2};
use valet_sim::{Chunks, Response, Script, Sim};

use crate::probe::{
    lend, lender, opened, opened_but_connections, resident, runs, start_turn, start_turn_in, switches, tree,
    turn_status,
};
use crate::support::{LIMIT, home, in_time, listening, long, valet};

/// So short that the token is due for renewal from the start, and expires while the host is idle.
const TOKEN: Duration = Duration::from_secs(4);

/// How many descriptors a thread has as long as somebody listens: its log, and the lease on it.
const OF_A_THREAD: usize = 2;

fn window() -> Duration {
    Duration::from_secs(long(5, 60))
}

/// Watches the threads of a host that was just busy, until nothing woke for a whole window. The kernel counts each
/// time that a thread gets a processor, so there is nothing to be tolerated in it. What may come before: a timer
/// that was given up can wake the runtime once more, and the pool of connections to the backend closes what nobody
/// used for 90 s. Whatever comes again and again leaves no window silent.
async fn nothing_wakes(pid: u32) {
    const WINDOWS: usize = 8;
    let mut before = switches(pid);
    for _ in 0..WINDOWS {
        tokio::time::sleep(window()).await;
        let now = switches(pid);
        if now == before {
            return;
        }
        eprintln!("some woke: {before:?}, then {now:?}");
        before = now;
    }
    panic!("none of {WINDOWS} windows of {:?} was silent", window());
}

/// Takes a turn, so that everything that works in a turn is there and idle.
async fn one_turn(client: &Client, told: &mut Notifications, sim: &Sim) {
    client.initialize("parent", "1", true).await.unwrap();
    lend(client, sim, TOKEN).await;
    start_turn(client).await;
    assert_eq!(turn_status(told).await, Some(v2::TurnStatus::Completed));
}

/// A host over stdio.
struct OverStdio {
    pid: u32,
    client: Client,
    told: Notifications,
    _process: AppServerProcess,
    _home: TempDir,
}

impl OverStdio {
    async fn after_a_turn(sim: &Sim) -> Self {
        let home = home(sim);
        let AppServer { link, process } = AppServer::spawn(&mut valet(home.path(), &["app-server"])).unwrap();
        let (client, mut told) = Client::new(link, lender(sim, TOKEN));
        one_turn(&client, &mut told, sim).await;
        Self { pid: process.id().unwrap(), client, told, _process: process, _home: home }
    }
}

#[tokio::test]
async fn an_idle_host_over_stdio_wakes_for_nothing() {
    let sim = Sim::start(Script::text("Hello.")).await.unwrap();
    let host = OverStdio::after_a_turn(&sim).await;
    nothing_wakes(host.pid).await;
}

#[tokio::test]
async fn a_host_whose_command_has_ended_is_idle_again_and_has_no_process_and_no_descriptor_of_it() {
    let responses = [runs("true"), Response::new().text("Done."), runs("sleep 1000 & echo ready"), Response::new()];
    let sim = Sim::start(Script::responses(responses)).await.unwrap();
    let OverStdio { pid, client, mut told, _process, _home } = OverStdio::after_a_turn(&sim).await;
    let open = opened_but_connections(pid).len();
    // This one leaves something behind, which ends with the turn.
    start_turn_in(&client, v2::SandboxMode::DangerFullAccess).await;
    assert_eq!(turn_status(&mut told).await, Some(v2::TurnStatus::Completed));
    assert_eq!(tree(pid).len(), 1, "the host is alone");
    has_again(|| opened_but_connections(pid), open + OF_A_THREAD).await;
    nothing_wakes(pid).await;
}

#[tokio::test]
async fn an_idle_listener_with_an_idle_connection_wakes_for_nothing() {
    let sim = Sim::start(Script::text("Hello.")).await.unwrap();
    let listener = Listener::start(&sim).await;
    let link = connect(&listener.url, None).await.unwrap();
    let (client, mut told) = Client::new(link, lender(&sim, TOKEN));
    one_turn(&client, &mut told, &sim).await;
    nothing_wakes(listener.child.id().unwrap()).await;
}

struct Listener {
    child: Child,
    url: String,
    _home: TempDir,
}

impl Listener {
    async fn start(sim: &Sim) -> Self {
        Self::start_with(sim, "").await
    }

    /// With more lines at the top of `config.toml`.
    async fn start_with(sim: &Sim, more: &str) -> Self {
        let home = home(sim);
        let config = home.path().join("config.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(config, format!("{more}{text}")).unwrap();
        let (child, address) = listening(home.path(), &[]).await;
        let url = format!("ws://{address}");
        Self { child, url, _home: home }
    }

    /// Some clients come, say who they are, and leave.
    async fn visits(&self, number: usize) {
        for _ in 0..number {
            let (client, told) = Client::new(connect(&self.url, None).await.unwrap(), Handlers::new());
            client.initialize("guest", "1", true).await.unwrap();
            drop((client, told));
        }
    }
}

/// Waits until a host has no more descriptors than before. It closes them after whoever they were for has left.
async fn has_again(opened: impl Fn() -> Vec<PathBuf>, before: usize) {
    let began = Instant::now();
    loop {
        let now = opened();
        if now.len() <= before {
            return;
        }
        assert!(began.elapsed() < LIMIT, "{before} descriptors before, now these: {now:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn connections_that_have_come_and_gone_leave_no_memory_no_descriptor_and_no_thread() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let listener = Listener::start(&sim).await;
    let pid = listener.child.id().unwrap();
    let open = opened(pid).len();
    listener.visits(500).await;
    has_again(|| opened(pid), open).await;
    let (memory, threads) = (resident(pid), switches(pid).len());
    let visits = long(3_000, 10_000);
    listener.visits(visits).await;
    has_again(|| opened(pid), open).await;
    let after = resident(pid);
    eprintln!("{memory} KiB after 500 visits, {after} KiB after {visits} more");
    assert!(after * 10 <= memory * 11, "{memory} KiB, then {after} KiB");
    assert_eq!(switches(pid).len(), threads);
}

#[tokio::test]
async fn a_host_with_a_stored_thread_that_was_used_listed_and_searched_wakes_for_nothing() {
    let sim = Sim::start(Script::text("Hello.")).await.unwrap();
    let OverStdio { pid, client, mut told, _process, _home } = OverStdio::after_a_turn(&sim).await;
    let row = in_time(client.request::<m::ThreadList>(v2::ThreadListParams::default())).await.unwrap().data.remove(0);
    let named = v2::ThreadSetNameParams { thread_id: row.id.clone(), name: "a name".to_owned() };
    in_time(client.request::<m::ThreadNameSet>(named)).await.unwrap();
    let search = v2::ThreadSearchParams { search_term: "hello".to_owned(), ..Default::default() };
    assert_eq!(in_time(client.request::<m::ThreadSearch>(search)).await.unwrap().data.len(), 1);
    nothing_wakes(pid).await;
    // The thread that keeps the index ends when there was nothing to do for some seconds.
    assert!(!switches(pid).keys().any(|thread| thread.contains("valet-index")), "{:?}", switches(pid));
    // What was idle goes on.
    let turn = v2::TurnStartParams {
        thread_id: row.id,
        input: vec![v2::UserInput::Text { text: "again".to_owned(), text_elements: Vec::new() }],
        ..Default::default()
    };
    in_time(client.request::<m::TurnStart>(turn)).await.unwrap();
    assert_eq!(turn_status(&mut told).await, Some(v2::TurnStatus::Completed));
    nothing_wakes(pid).await;
}

/// Of glibc it has to be asked for: see `allocator.rs`.
#[tokio::test]
async fn what_a_burst_of_long_answers_needed_goes_back_to_the_system() {
    const TURNS: usize = 6;
    let text = Response::new().chunks(Chunks::repeat("word ".repeat(1_600), 1_000));
    let sim = Sim::start(Script::responses([text])).await.unwrap();
    let listener = Listener::start_with(&sim, "thread_unload_delay_secs = 0\n").await;
    let pid = listener.child.id().unwrap();
    listener.visits(20).await;
    let before = resident(pid);
    let link = connect(&listener.url, None).await.unwrap();
    let (client, mut told) = Client::new(link, lender(&sim, Duration::from_secs(600)));
    client.initialize("parent", "1", true).await.unwrap();
    lend(&client, &sim, Duration::from_secs(600)).await;
    for _ in 0..TURNS {
        start_turn(&client).await;
        assert_eq!(turn_status(&mut told).await, Some(v2::TurnStatus::Completed));
    }
    let most = resident(pid);
    drop((client, told));
    let began = Instant::now();
    while resident(pid) > before + 24 * 1024 {
        let now = resident(pid);
        assert!(began.elapsed() < LIMIT, "{before} KiB before, {most} at the end of the turns, {now} long after them");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
