//! Runs a client against a host, with a home, a directory and a sim of their own, and collects its steps.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;
use valet_sim::{Script, Sim, TokenPolicy};

use crate::clients::{self, Client, Done, Login};
use crate::host::{self, Host};
use crate::parent::Parent;

const LIMIT: Duration = Duration::from_secs(240);

/// The steps of a client, as it told of them.
pub(crate) struct Outcome {
    /// How many steps it has, and the check behind them.
    pub(crate) planned: usize,
    pub(crate) passed: usize,
    pub(crate) failed: Vec<String>,
    /// What the client said on stderr, and why the check failed.
    complaints: String,
}

impl Outcome {
    /// Reads what the client printed. A plan that is missing is a step that failed.
    fn read(stdout: &str, complaints: String) -> Self {
        let plan = stdout.lines().find_map(|line| line.strip_prefix("1..")).and_then(|steps| steps.parse().ok());
        let passed = stdout.lines().filter(|line| line.starts_with("ok ")).count();
        let failed = stdout.lines().filter_map(|line| line.strip_prefix("not ok ")).map(str::to_owned).collect();
        Self { planned: plan.unwrap_or(1), passed, failed, complaints }
    }

    /// Adds a step that is judged here.
    fn add(&mut self, name: &str, result: Result<(), String>) {
        self.planned += 1;
        match result {
            Ok(()) => self.passed += 1,
            Err(why) => {
                self.failed.push(name.to_owned());
                self.complaints += &format!("{name}: {why}\n");
            }
        }
    }

    /// Whether all steps passed; otherwise what there is to know about it.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        if self.passed == self.planned {
            return Ok(());
        }
        Err(format!("{} of {} steps passed; failed: {:?}\n{}", self.passed, self.planned, self.failed, self.complaints))
    }
}

/// Runs the client to its end, however that looks.
pub(crate) fn run(client: &Client, host: &Host) -> Outcome {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let sim = Sim::start(script(client)).await.unwrap();
        let (home, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        host::write_config(home.path(), &sim.origin());
        let mut command = Command::new(&client.program[0]);
        command.args(&client.program[1..]).current_dir(directory.path());
        host::at_home(&mut command, home.path());

        let server = if client.listening { Some(host.listening(home.path(), directory.path()).await) } else { None };
        let parent = match &server {
            Some((_, url)) => log_in(client.login, &sim, url).await,
            None => None,
        };
        match &server {
            Some((_, url)) => command.arg(url),
            None => command.arg(&host.program),
        };
        command.arg(sim.origin()).arg(directory.path()).args(&client.arguments);

        let mut outcome = finish(command).await;
        let asked = parent.as_ref().map_or(0, Parent::asked);
        let done = Done { sim: &sim, directory: directory.path(), asked };
        outcome.add("did_what_it_had_to", (client.check)(&done));
        sim.shutdown().await;
        outcome
    })
}

fn script(client: &Client) -> Script {
    let first_uses = client.first_token_is_refused.then_some(0);
    Script::load(clients::backend()).unwrap().tokens(TokenPolicy { first_uses, ..TokenPolicy::default() })
}

/// The parent, when somebody has to stay for the login.
async fn log_in(login: Login, sim: &Sim, url: &str) -> Option<Parent> {
    match login {
        Login::OfTheClient => None,
        Login::Key => {
            Parent::bring_a_key(sim, url).await;
            None
        }
        Login::OfAParent => Some(Parent::lend(sim, url).await),
    }
}

/// What it prints goes to files, so that the steps of a client that hangs are known too. When it is killed, a host
/// that it started sees the end of its input.
async fn finish(mut command: Command) -> Outcome {
    let (mut stdout, mut stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdin(Stdio::null()).stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
    // Nothing is to be left in the checkout.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let end = match tokio::time::timeout(LIMIT, child.wait()).await {
        Ok(status) if status.as_ref().is_ok_and(ExitStatus::success) => Ok(()),
        Ok(status) => Err(format!("it ended with {status:?}")),
        Err(_) => Err(format!("it did not end within {LIMIT:?}")),
    };
    let mut outcome = Outcome::read(&written(&mut stdout), written(&mut stderr));
    outcome.add("came_to_its_end", end);
    outcome
}

fn written(file: &mut File) -> String {
    let mut text = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut text).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}
