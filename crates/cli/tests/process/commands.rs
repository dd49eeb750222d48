//! Programs that clients run by the real binary: it is its own helper, and nothing of them outlives who asked.

use std::path::Path;
use std::time::Duration;

use pretty_assertions::assert_eq;
use rustix::process::Signal;
use tokio::task::JoinHandle;
use valet_client::{AppServer, Client, Handlers, Notifications, connect};
use valet_protocol::{methods as m, v2};
use valet_sim::{Script, Sim};

use crate::probe::{gone, tree};
use crate::support::{LIMIT, home, in_time, listening, signal, valet};

/// Programs that would last: one, one that it waits for, and one in a session of its own.
const LASTING: &str = "setsid sleep 3600 & sleep 3600 & echo here; wait";

/// Starts them without a sandbox, which would end them in a way of its own, and waits until they run. The client is in the task that waits
/// for the answer, which never comes: whoever is to get it goes first.
async fn start(client: Client, told: &mut Notifications) -> JoinHandle<()> {
    client.initialize("client", "1", true).await.unwrap();
    let params = v2::CommandExecParams {
        command: ["sh", "-c", LASTING].map(str::to_owned).into(),
        process_id: Some("p".to_owned()),
        stream_stdout_stderr: true,
        disable_timeout: true,
        sandbox_policy: Some(v2::SandboxPolicy::DangerFullAccess {}),
        ..Default::default()
    };
    let waiting = tokio::spawn(async move { drop(client.request::<m::CommandExec>(params).await) });
    in_time(told.wait_for::<m::CommandExecOutputDelta>(|_| true)).await.unwrap();
    waiting
}

/// Leaves without a word.
async fn leave(waiting: JoinHandle<()>, told: Notifications) {
    waiting.abort();
    assert!(waiting.await.is_err(), "the programs have not ended");
    drop(told);
}

fn over_stdio(home: &Path) -> AppServer {
    AppServer::spawn(&mut valet(home, &["app-server"])).unwrap()
}

#[tokio::test]
async fn a_closed_connection_takes_its_programs_along() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let home = home(&sim);
    let (host, address) = listening(home.path(), &[]).await;
    let link = connect(&format!("ws://{address}/"), None).await.unwrap();
    let (client, mut told) = Client::new(link, Handlers::new());
    let waiting = start(client, &mut told).await;
    let mut family = tree(host.id().unwrap());
    assert!(family.len() >= 5, "the host, a supervisor and three programs: {family:?}");
    family.retain(|process| Some(process.id) != host.id());
    leave(waiting, told).await;
    gone(&family).await;
    assert!(crate::support::http_status(&address, "/readyz").await < 500, "the host is still there");
}

#[tokio::test]
async fn a_host_that_is_killed_leaves_no_program() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let home = home(&sim);
    let server = over_stdio(home.path());
    let (client, mut told) = Client::new(server.link, Handlers::new());
    let _waiting = start(client, &mut told).await;
    let pid = server.process.id().unwrap();
    let family = tree(pid);
    assert!(family.len() >= 5, "the host, a supervisor and three programs: {family:?}");
    signal(pid, Signal::KILL);
    assert_eq!(server.process.wait(LIMIT).await.unwrap().code(), None);
    gone(&family).await;
}

#[tokio::test]
async fn a_parent_that_leaves_takes_its_programs_along() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let home = home(&sim);
    let server = over_stdio(home.path());
    let (client, mut told) = Client::new(server.link, Handlers::new());
    let waiting = start(client, &mut told).await;
    let family = tree(server.process.id().unwrap());
    leave(waiting, told).await;
    assert_eq!(server.process.wait(LIMIT).await.unwrap().code(), Some(0));
    gone(&family).await;
}

#[tokio::test]
async fn a_program_that_ended_in_time_has_not_timed_out_though_the_host_was_held_up() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let home = home(&sim);
    let server = over_stdio(home.path());
    let (client, _told) = Client::new(server.link, Handlers::new());
    client.initialize("client", "1", true).await.unwrap();
    let (pid, began) = (server.process.id().unwrap(), home.path().join("began"));
    let script = format!("touch {}; sleep 0.1; echo done", began.display());
    let params = v2::CommandExecParams {
        command: ["sh", "-c", &script].map(str::to_owned).into(),
        timeout_ms: Some(1000),
        sandbox_policy: Some(v2::SandboxPolicy::DangerFullAccess {}),
        ..Default::default()
    };
    let answer = tokio::spawn(async move { client.request::<m::CommandExec>(params).await });
    in_time(async {
        while !began.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    signal(pid, Signal::STOP);
    // The program ends, and then its time is over, while the host hears of neither.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    signal(pid, Signal::CONT);
    let result = in_time(answer).await.unwrap().unwrap();
    assert_eq!((result.exit_code, result.stdout.as_str()), (0, "done\n"));
}

#[tokio::test]
async fn the_host_may_have_many_files_open_and_a_command_as_many_as_the_user_said() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let home = home(&sim);
    let valet = valet(home.path(), &["app-server"]);
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -Sn 200; exec \"$0\" app-server"]).arg(valet.get_program());
    limited.env("VALET_HOME", home.path());
    let server = AppServer::spawn(&mut limited).unwrap();
    let (client, _told) = Client::new(server.link, Handlers::new());
    client.initialize("client", "1", true).await.unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.process.id().unwrap())).unwrap();
    let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let values: Vec<_> = open_files.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).collect();
    assert_eq!(values[0], values[1], "the limit is not raised to what it may be");
    let params = v2::CommandExecParams {
        command: ["sh", "-c", "ulimit -Sn"].map(str::to_owned).into(),
        sandbox_policy: Some(v2::SandboxPolicy::DangerFullAccess {}),
        ..Default::default()
    };
    let result = in_time(client.request::<m::CommandExec>(params)).await.unwrap();
    assert_eq!(result.stdout, "200\n");
}
