//! One host, a thousand users.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{Barrier, Semaphore};
use valet_client::{Client, Handlers, connect};
use valet_protocol::{methods as m, v2};
use valet_sim::{RecordedRequest, Script, Sim, TokenPolicy, TokenRequest};
use valet_tests::{lend, lender, skip};

use crate::probe::resident;
use crate::support::{home, in_time, listening, valet};

const TENANTS: usize = 1000;
/// How many connect at a time: a handshake may take five seconds.
const AT_ONCE: usize = 50;
/// Sockets of this process: one per tenant, one per request to the backend, and some to spare.
const FILES: u64 = 4096;

/// Lets this process and its children open enough sockets. Says whether it may.
fn raise_file_limit() -> bool {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= FILES) {
        return true;
    }
    let raised = Rlimit { current: Some(FILES), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tenants_refused_at_the_same_moment_each_refresh_once_and_complete() {
    if !raise_file_limit() {
        return skip("this process may not open enough sockets");
    }
    let policy = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    let sim = Sim::builder().kept_requests(10 * TENANTS).script(Script::text("Hello.").tokens(policy)).start();
    let sim = sim.await.unwrap();
    let home = home(&sim);
    // A thousand answers take this process a while.
    let patience = "valet.auth_refresh_timeout_ms=60000";
    let (child, address) = listening(home.path(), &["--auth-scope", "connection", "-c", patience]).await;
    let (pid, url) = (child.id().unwrap(), format!("ws://{address}"));
    let before = resident(pid);

    let asked = Arc::new(AtomicUsize::new(0));
    let doors = Arc::new(Semaphore::new(AT_ONCE));
    let ready = Arc::new(Barrier::new(TENANTS + 1));
    let mut tenants = Vec::new();
    for number in 0..TENANTS {
        let tenant = Tenant {
            sim: sim.clone(),
            account: format!("acct-{number:04}"),
            asked: Arc::clone(&asked),
            doors: Arc::clone(&doors),
        };
        let (url, ready) = (url.clone(), Arc::clone(&ready));
        tenants.push(tokio::spawn(async move { tenant.live(&url, &ready).await }));
    }
    ready.wait().await;
    let idle = resident(pid);
    let began = Instant::now();
    ready.wait().await;
    for tenant in tenants {
        assert_eq!(tenant.await.unwrap(), v2::TurnStatus::Completed);
    }
    let took = began.elapsed();
    assert_eq!(asked.load(Ordering::Relaxed), TENANTS);
    let turns: Vec<_> = sim.requests().into_iter().filter(RecordedRequest::is_turn).collect();
    let answered = |status| turns.iter().filter(|turn| turn.status == Some(status)).count();
    assert_eq!((answered(401), answered(200)), (TENANTS, TENANTS));
    let per_tenant = (idle - before) / u64::try_from(TENANTS).unwrap();
    eprintln!("{TENANTS} tenants: {per_tenant} KiB each while idle, {} ms for all their turns", took.as_millis());
    assert!(per_tenant < 200, "{per_tenant} KiB per tenant");
}

#[tokio::test]
async fn the_log_says_of_which_connection_a_login_is() {
    let sim = Sim::start(Script::text("Hello.")).await.unwrap();
    let home = home(&sim);
    let args = ["app-server", "--listen", "ws://127.0.0.1:0", "--auth-scope", "connection"];
    let mut command = tokio::process::Command::from(valet(home.path(), &args));
    let mut child = command.env("VALET_LOG", "info").stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut line_with = async |words: &str| {
        loop {
            let line = in_time(lines.next_line()).await.unwrap().expect("more lines");
            if line.contains(words) {
                break line;
            }
        }
    };
    let listening = line_with("listening on: ws://").await;
    let url = format!("ws://{}", listening.rsplit("ws://").next().unwrap());
    for connection in ["connection=1", "connection=2"] {
        let (client, _told) = Client::new(connect(&url, None).await.unwrap(), Handlers::new());
        in_time(client.initialize("tenant", "1", true)).await.unwrap();
        in_time(lend(&client, &sim, TokenRequest::default())).await.unwrap();
        for words in ["a token was lent", "a login is in force"] {
            let line = line_with(words).await;
            assert!(line.contains(connection), "{line}");
        }
    }
}

struct Tenant {
    sim: Sim,
    account: String,
    asked: Arc<AtomicUsize>,
    doors: Arc<Semaphore>,
}

impl Tenant {
    /// Logs in, waits for all others, and takes a turn.
    async fn live(self, url: &str, ready: &Barrier) -> v2::TurnStatus {
        let door = self.doors.acquire().await.unwrap();
        let link = connect(url, None).await.unwrap();
        drop(door);
        let (sim, account, asked) = (self.sim, self.account.clone(), self.asked);
        let handlers = lender(&sim, move |params| {
            assert_eq!(params.previous_account_id.as_ref(), Some(&account), "each tenant is asked for its own account");
            asked.fetch_add(1, Ordering::Relaxed);
            TokenRequest::account(account.clone())
        });
        let (client, mut told) = Client::new(link, handlers);
        client.initialize("tenant", "1", true).await.unwrap();
        lend(&client, &sim, TokenRequest::account(self.account)).await.unwrap();
        told.wait_for::<m::AccountUpdated>(|_| true).await.unwrap();
        let thread = client.request::<m::ThreadStart>(v2::ThreadStartParams::default()).await.unwrap().thread.id;
        ready.wait().await;
        ready.wait().await;
        let input = vec![v2::UserInput::Text { text: "hello".to_owned(), text_elements: Vec::new() }];
        let turn = v2::TurnStartParams { thread_id: thread, input, ..Default::default() };
        client.request::<m::TurnStart>(turn).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), told.wait_for::<m::TurnCompleted>(|_| true));
        ended.await.expect("the turn ends in time").unwrap().turn.status
    }
}
