//! That nothing is left: of a command, of what it started, and when the host is gone.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, ExitCode, Stdio as Std};
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use valet_exec::{Exit, GRACE};

use crate::harness::{installed, program, read, sh, soon, start, until};

crate::harness::tests![
    terminating_ends_the_whole_tree,
    who_ignores_the_request_is_killed_after_the_grace,
    who_ends_in_time_may_clean_up,
    a_background_child_lives_until_the_end_is_called,
    a_daemon_does_not_get_away,
    dropping_kills_the_tree,
    a_storm_of_children_is_ended,
    a_stopped_command_is_ended,
    a_host_that_is_killed_leaves_nothing,
    who_kills_the_supervisor_dies_with_it,
    who_may_not_be_killed_is_left_alone_after_a_grace,
];

/// The role of a host that starts a command and is killed.
pub(crate) const HOST: &str = "host-to-be-killed";

/// The role of a host that may not kill the processes of others.
pub(crate) const POWERLESS: &str = "host-that-may-not-kill";

/// A child, a grandchild, and a daemon that left session and parent. All hold the output, which ends when they have.
/// The daemon, which is the last to be there, says that the tree is.
const TREE: &str = "(sleep 1000 & sleep 1000) & \
    (setsid sh -c 'setsid sh -c \"echo ready; exec sleep 1000\" &' &); sleep 1000";

async fn terminating_ends_the_whole_tree() {
    let (running, mut output) = start(sh(TREE)).await;
    until(&mut output, "ready").await;
    let asked = Instant::now();
    running.terminate();
    assert_eq!(soon(running.wait()).await, Exit::Signal(15));
    soon(read(output)).await;
    assert!(asked.elapsed() < GRACE, "SIGTERM was enough for all of them");
}

async fn who_ignores_the_request_is_killed_after_the_grace() {
    let (running, mut output) =
        start(sh("trap '' TERM; (sleep 1000) & echo ready; while :; do sleep 1000; done")).await;
    until(&mut output, "ready").await;
    let asked = Instant::now();
    running.terminate();
    running.terminate();
    assert_eq!(soon(running.wait()).await, Exit::Signal(9));
    soon(read(output)).await;
    assert!(asked.elapsed() >= GRACE);
}

async fn who_ends_in_time_may_clean_up() {
    let (running, mut output) =
        start(sh("trap 'echo clean; exit 3' TERM; echo ready; while :; do sleep 0.01; done")).await;
    until(&mut output, "ready").await;
    running.terminate();
    assert_eq!(soon(running.wait()).await, Exit::Code(3));
    assert_eq!(read(output).await.0, "clean\n");
}

async fn a_background_child_lives_until_the_end_is_called() {
    let (running, mut output) = start(sh("(read forever < /dev/zero; :) & sleep 1000 & echo started")).await;
    assert_eq!(running.wait().await, Exit::Code(0));
    until(&mut output, "started").await;
    assert!(tokio::time::timeout(Duration::from_millis(50), output.recv()).await.is_err(), "it holds the output");
    assert_eq!(soon(running.end()).await, Exit::Code(0));
    // When `end` is back all are gone, so nothing has to be waited for.
    assert_eq!(output.recv().await, None);
}

async fn a_daemon_does_not_get_away() {
    if !cfg!(target_os = "linux") || !installed("setsid") {
        return println!("skipped: no setsid, or no way to find who used it");
    }
    let (running, mut output) = start(sh("setsid sh -c 'setsid sh -c \"echo free; sleep 1000\" &' &")).await;
    until(&mut output, "free").await;
    assert_eq!(running.wait().await, Exit::Code(0));
    running.end().await;
    assert_eq!(soon(output.recv()).await, None);
}

async fn dropping_kills_the_tree() {
    let (running, mut output) = start(sh(TREE)).await;
    until(&mut output, "ready").await;
    drop(running);
    soon(read(output)).await;
}

async fn a_storm_of_children_is_ended() {
    let storm = "for i in 1 2 3 4 5 6 7 8; do (while :; do (sleep 1000 &); done) & done; echo ready; wait";
    let (running, mut output) = start(sh(storm)).await;
    until(&mut output, "ready").await;
    running.end().await;
    soon(read(output)).await;
}

async fn a_stopped_command_is_ended() {
    let (running, mut output) = start(sh("echo ready; kill -STOP $$; sleep 1000")).await;
    until(&mut output, "ready").await;
    running.terminate();
    soon(running.wait()).await;
    soon(read(output)).await;
}

async fn a_host_that_is_killed_leaves_nothing() {
    let mut host =
        Command::new(std::env::current_exe().unwrap()).args([HOST, TREE]).stdout(Std::piped()).spawn().unwrap();
    // The tree says `ready` by the host's mouth, and holds the host's stdout by descriptor 9.
    let mut told = BufReader::new(host.stdout.take().unwrap());
    told.read_line(&mut String::new()).unwrap();
    host.kill().unwrap();
    host.wait().unwrap();
    soon(tokio::task::spawn_blocking(move || told.read_to_end(&mut Vec::new()).unwrap())).await.unwrap();
}

pub(crate) fn host_main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let tree = arguments.next().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // What is inherited by nobody is opened by its name, and then held by the whole tree.
        let hold = format!("exec 9>/proc/{}/fd/1; {tree}", std::process::id());
        let (_running, mut output) = start(sh(&hold)).await;
        println!("{}", until(&mut output, "ready").await.trim());
        read(output).await;
    });
    ExitCode::SUCCESS
}

async fn who_kills_the_supervisor_dies_with_it() {
    let mut spec = sh("read go; kill -9 $PPID; exec sleep 1000");
    spec.stdio = valet_exec::Stdio::Pipes { stdin: true };
    let (running, _output) = start(spec).await;
    running.write(b"go\n").await.unwrap();
    assert_eq!(soon(running.wait()).await, Exit::Signal(9));
}

async fn who_may_not_be_killed_is_left_alone_after_a_grace() {
    if !cfg!(target_os = "linux") || !is_root() || !installed("setpriv") {
        return println!("skipped: who is not root cannot become somebody else");
    }
    let mut host = Command::new("setpriv");
    host.args(["--bounding-set=-kill", "--inh-caps=-kill"]).arg(std::env::current_exe().unwrap()).arg(POWERLESS);
    let host = tokio::task::spawn_blocking(move || host.output().unwrap());
    let host = soon(host).await.unwrap();
    let told = String::from_utf8(host.stdout).unwrap();
    let (left, ended) = told.trim().split_once(' ').unwrap_or_default();
    let killed = Command::new("kill").args(["-KILL", left]).status().unwrap();
    assert!(ended == "Signal(9)" && killed.success(), "{told}, and {killed} of who was left");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0)
}

pub(crate) fn powerless_main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let raised = ["setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", "echo $$; exec sleep 1000"];
        let (running, mut output) = start(program(raised)).await;
        let pid = until(&mut output, "\n").await;
        println!("{} {:?}", pid.trim(), soon(running.end()).await);
    });
    ExitCode::SUCCESS
}
