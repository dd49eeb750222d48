//! Logins that the host owns, where it matters that hosts are processes: in company, killed, and searched for secrets.

use std::path::Path;
use std::time::{Duration, Instant};

use pretty_assertions::{assert_eq, assert_ne};
use serde_json::{Value, json};
use tempfile::TempDir;
use valet_client::{AppServer, AppServerProcess, Client, Handlers, Notifications};
use valet_protocol::v2::{GetAccountParams, LoginAccountParams, ThreadStartParams, TurnStatus};
use valet_protocol::{NoParams, methods as m};
use valet_sim::{Decision, DevicePolicy, Fault, IssuerPolicy, RecordedRequest, Response, Script, Sim};

use crate::support::{home, signal, valet};

const LIMIT: Duration = Duration::from_secs(30);

/// A host over its pipes.
struct Host {
    process: AppServerProcess,
    client: Client,
    told: Notifications,
}

impl Host {
    async fn start(home: &Path, sim: &Sim) -> Self {
        let mut command = valet(home, &["app-server"]);
        let server = AppServer::spawn(command.env("CODEX_APP_SERVER_LOGIN_ISSUER", sim.origin())).unwrap();
        let (client, told) = Client::new(server.link, Handlers::new());
        client.initialize("managed", "1", true).await.unwrap();
        Self { process: server.process, client, told }
    }

    async fn log_in(&mut self) {
        self.client.request::<m::AccountLoginStart>(LoginAccountParams::ChatgptDeviceCode {}).await.unwrap();
        let ended = self.told.wait_for::<m::AccountLoginCompleted>(|_| true);
        let ended = tokio::time::timeout(LIMIT, ended).await.unwrap().unwrap();
        assert!(ended.success, "{:?}", ended.error);
    }

    async fn begin_turn(&self) -> String {
        self.begin_turn_in(ThreadStartParams::default()).await
    }

    async fn begin_turn_in(&self, thread: ThreadStartParams) -> String {
        let started = self.client.request::<m::ThreadStart>(thread).await.unwrap();
        let params = json!({ "threadId": started.thread.id, "input": [{ "type": "text", "text": "hi" }] });
        let params = serde_json::from_value(params).unwrap();
        self.client.request::<m::TurnStart>(params).await.unwrap().turn.id
    }

    async fn end_of(&mut self, turn: &str) -> TurnStatus {
        let ended = self.told.wait_for::<m::TurnCompleted>(|ended| ended.turn.id == turn);
        tokio::time::timeout(LIMIT, ended).await.unwrap().unwrap().turn.status
    }

    async fn turn(&mut self) -> TurnStatus {
        let turn = self.begin_turn().await;
        self.end_of(&turn).await
    }

    fn kill(&self) {
        signal(self.process.id().unwrap(), rustix::process::Signal::KILL);
    }
}

/// An issuer that lets a device in at once.
fn issuer() -> IssuerPolicy {
    let approve = Decision::Approve("acct-1".to_owned());
    IssuerPolicy { device: DevicePolicy { interval: 1, approve, ..DevicePolicy::default() }, ..IssuerPolicy::default() }
}

async fn stage(issuer: IssuerPolicy) -> (Sim, TempDir) {
    let sim = Sim::start(Script::text("Hello.").issuer(issuer)).await.unwrap();
    let home = home(&sim);
    (sim, home)
}

fn refreshes(sim: &Sim) -> usize {
    sim.requests().iter().filter(|request| request.body["grant_type"] == "refresh_token").count()
}

fn kept(home: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(home.join("auth.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn eight_processes_on_one_home_make_one_call_when_the_token_expires() {
    let (sim, home) = stage(issuer()).await;
    let mut hosts = Vec::new();
    for _ in 0..8 {
        let mut host = Host::start(home.path(), &sim).await;
        if hosts.is_empty() {
            host.log_in().await;
        }
        assert_eq!(host.turn().await, TurnStatus::Completed);
        hosts.push(host);
    }
    sim.tokens().expire_all();
    let mut turns = Vec::new();
    for host in &hosts {
        turns.push(host.begin_turn().await);
    }
    for (host, turn) in hosts.iter_mut().zip(&turns) {
        assert_eq!(host.end_of(turn).await, TurnStatus::Completed);
    }
    assert_eq!(refreshes(&sim), 1);
}

/// A host whose refresh token is spent, and the answer is on its way to it for a while; and what the file holds.
async fn midway() -> (Sim, TempDir, Host, Value) {
    let answer = Fault::slow("/oauth/token", Duration::from_secs(3)).grant_type("refresh_token").times(1);
    let (sim, home) = stage(issuer().fault(answer)).await;
    let mut host = Host::start(home.path(), &sim).await;
    host.log_in().await;
    let before = kept(home.path());
    sim.tokens().expire_all();
    host.begin_turn().await;
    let spent = sim.wait_for_requests(|request| request.body["grant_type"] == "refresh_token", 1);
    tokio::time::timeout(LIMIT, spent).await.unwrap();
    assert_eq!(kept(home.path()), before);
    (sim, home, host, before)
}

/// The new token is written by what outlives the host.
async fn written(home: &Path, before: &Value) {
    until(|| kept(home) != *before).await;
}

/// Another process has done something.
async fn until(done: impl Fn() -> bool) {
    let done = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, done).await.unwrap();
}

#[tokio::test]
async fn a_host_that_is_killed_between_the_issuers_answer_and_the_file_loses_no_login() {
    let (sim, home, host, before) = midway().await;
    host.kill();
    written(home.path(), &before).await;
    let mut host = Host::start(home.path(), &sim).await;
    assert_eq!(host.turn().await, TurnStatus::Completed);
    sim.tokens().expire_all();
    assert_eq!(host.turn().await, TurnStatus::Completed, "and it can be renewed");
    let grants = sim.tokens().grants();
    assert!(grants.iter().flat_map(|grant| &grant.redemptions).all(|redemption| redemption.refused.is_none()));
}

#[tokio::test]
async fn a_host_that_ends_does_not_wait_for_the_issuer_and_loses_no_login() {
    let (_sim, home, host, before) = midway().await;
    drop(host.client);
    let ended = host.process.wait(LIMIT).await.unwrap();
    assert!(ended.success(), "{ended}");
    assert_eq!(kept(home.path()), before);
    written(home.path(), &before).await;
}

/// A host that is logged in, logs out and loses its client at once. How long it took to end, from the logout on.
async fn end_after_a_logout(revocation: Fault) -> (Sim, TempDir, Duration) {
    let (sim, home) = stage(issuer().fault(revocation)).await;
    let mut host = Host::start(home.path(), &sim).await;
    host.log_in().await;
    let begun = Instant::now();
    host.client.request::<m::AccountLogout>(NoParams).await.unwrap();
    drop(host.client);
    let ended = host.process.wait(LIMIT).await.unwrap();
    assert!(ended.success(), "{ended}");
    (sim, home, begun.elapsed())
}

#[tokio::test]
async fn a_host_that_ends_waits_until_the_issuer_has_taken_the_tokens_of_a_logout_back() {
    let answer = Duration::from_millis(600);
    let (sim, home, took) = end_after_a_logout(Fault::slow("/oauth/revoke", answer)).await;
    assert!(took >= answer, "{took:?}");
    assert!(sim.tokens().grants().iter().all(|grant| grant.revoked));
    assert!(!home.path().join("auth.json").exists());
}

#[tokio::test]
async fn a_host_that_ends_does_not_wait_long_for_an_issuer_that_is_silent() {
    let (sim, _home, took) = end_after_a_logout(Fault::hang("/oauth/revoke")).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(sim.requests().iter().any(|request| request.path == "/oauth/revoke"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_in_the_sandbox_does_not_see_a_login_that_is_renewed_while_it_runs() {
    let (sim, home) = stage(issuer()).await;
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "cd {}; echo > \"$OLDPWD/started\"; until [ -e \"$OLDPWD/go\" ]; do sleep 0.02; done
         cat auth.json accounts/* 2>&-; cat * 2>&- | grep -a -e refresh_token -e secret; ls -A; echo looked",
        home.path().display()
    );
    let arguments = json!({ "cmd": script, "login": false, "shell": "/bin/sh" });
    let call = Response::new().function_call("exec_command", arguments);
    sim.replace_script(Script::responses([call, Response::new().text("Done.")]).issuer(issuer()));
    let mut host = Host::start(home.path(), &sim).await;
    host.log_in().await;
    let before = kept(home.path());
    let thread = json!({ "cwd": folder.path(), "sandbox": "workspace-write", "approvalPolicy": "never" });
    let turn = host.begin_turn_in(serde_json::from_value(thread).unwrap()).await;
    until(|| folder.path().join("started").exists()).await;
    host.client.request::<m::AccountRead>(GetAccountParams { refresh_token: true }).await.unwrap();
    assert_ne!(kept(home.path()), before, "it was renewed");
    std::fs::create_dir(home.path().join("accounts")).unwrap();
    std::fs::write(home.path().join("accounts/other.json"), "secret").unwrap();
    std::fs::write(folder.path().join("go"), "").unwrap();
    assert_eq!(host.end_of(&turn).await, TurnStatus::Completed);
    let last = sim.requests().into_iter().rfind(RecordedRequest::is_turn).unwrap();
    let output = last.body["input"].as_array().unwrap().last().unwrap()["output"].as_str().unwrap().to_owned();
    assert!(output.contains("sessions\n") && output.ends_with("looked\n"), "{output}");
    for hidden in ["refresh_token", "secret", "auth.json", "accounts"] {
        assert!(!output.contains(hidden), "{hidden}: {output}");
    }
}
