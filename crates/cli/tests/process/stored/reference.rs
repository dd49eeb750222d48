//! Threads that go from one program to the other and back: Valet and the reference, as it is published, take turns in
//! one home. Both must show the same turns and give the model the same history.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;
use valet_client::Handlers;
use valet_protocol::{methods as m, v2};
use valet_sim::{Chunks, Response, Rule, Script, Sim};
use valet_tests::installed;

use super::{Host, backend, messages, point_at};
use crate::support::{in_time, valet};

/// A home that both programs can live in, and a folder to work in.
struct Room {
    sim: Sim,
    home: TempDir,
    work: TempDir,
    codex: PathBuf,
}

impl Room {
    /// None: the reference is not here.
    async fn new() -> Option<Self> {
        let codex = installed::codex()?;
        let (sim, home) = (backend(script()).await, tempfile::tempdir().unwrap());
        point_at(home.path(), &sim);
        let config = home.path().join("config.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let quiet = "check_for_update_on_startup = false\n";
        let off =
            "supports_websockets = false\n[features]\napps = false\nplugins = false\n[analytics]\nenabled = false\n";
        std::fs::write(config, format!("{quiet}{text}{off}")).unwrap();
        Some(Self { sim, home, work: tempfile::tempdir().unwrap(), codex })
    }

    async fn valet(&self) -> Host {
        Host::spawn_with(&mut valet(self.home.path(), &["app-server"]), declining()).await
    }

    async fn reference(&self) -> Host {
        let mut command = Command::new(&self.codex);
        command.arg("app-server").env("CODEX_HOME", self.home.path()).stderr(Stdio::null());
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        Host::spawn_with(&mut command, declining()).await
    }

    /// A thread in which commands may be asked for.
    async fn thread(&self, host: &Host) -> String {
        let params = v2::ThreadStartParams {
            cwd: Some(self.work.path().display().to_string()),
            sandbox: Some(v2::SandboxMode::WorkspaceWrite),
            approval_policy: Some(v2::AskForApproval::OnRequest),
            ..Default::default()
        };
        host.ask::<m::ThreadStart>(params).await.thread.id
    }

    /// A thread of everything that can be in one.
    async fn full_thread(&self, host: &mut Host) -> String {
        let id = self.thread(host).await;
        let completed = v2::TurnStatus::Completed;
        assert_eq!(host.turn(&id, "long ago").await.status, completed);
        host.ask::<m::ThreadCompactStart>(v2::ThreadCompactStartParams { thread_id: id.clone() }).await;
        in_time(host.told.wait_for::<m::TurnCompleted>(|_| true)).await.unwrap();
        assert_eq!(host.turn(&id, "run it").await.status, completed);
        assert_eq!(host.turn(&id, "patch it").await.status, completed);
        // The reference takes a refusal for the end of the turn, and so do we.
        host.turn(&id, "ask for it").await;
        assert_eq!(host.turn(&id, "fail it").await.status, v2::TurnStatus::Failed);
        let turn_id = host.begin(&id, "slow down").await;
        in_time(host.told.wait_for::<m::AgentMessageDelta>(|_| true)).await.unwrap();
        let interrupt = v2::TurnInterruptParams { thread_id: id.clone(), turn_id: turn_id.clone() };
        host.ask::<m::TurnInterrupt>(interrupt).await;
        assert_eq!(host.ended(&turn_id).await.status, v2::TurnStatus::Interrupted);
        id
    }

    /// What the model was given with the last request.
    fn given(&self) -> Vec<Value> {
        let requests = self.sim.requests();
        requests.iter().rfind(|request| request.is_turn()).unwrap().body["input"].as_array().unwrap().clone()
    }
}

/// Whoever is asked says no.
fn declining() -> Handlers {
    Handlers::new().on::<m::CommandExecutionRequestApproval, _>(|_| async {
        Ok(v2::CommandExecutionRequestApprovalResponse { decision: v2::CommandExecutionApprovalDecision::Decline })
    })
}

fn script() -> Script {
    let patch = "*** Begin Patch\n*** Add File: patched.txt\n+a line of the patch\n*** End Patch";
    // What the shell makes of it is not in the command, so it can only be its output.
    let run = json!({ "cmd": "echo one-$((1 + 1))", "login": false });
    let runs = Response::new().reasoning("**Running** it").function_call("exec_command", run);
    let ask = json!({ "cmd": "echo never", "sandbox_permissions": "require_escalated", "justification": "May I?" });
    let slow = Response::new().chunks(Chunks::repeat("slow ", 2_000).every(Duration::from_millis(20)));
    Script::new()
        .rule(
            Rule::when("run it")
                .respond(runs.clone())
                .respond("It has run.")
                // In a second thread.
                .respond(runs)
                .respond("It has run."),
        )
        .rule(
            Rule::when("patch it")
                .respond(Response::new().custom_tool_call("apply_patch", patch))
                .respond("It is patched."),
        )
        .rule(
            Rule::when("ask for it").respond(Response::new().function_call("exec_command", ask)).respond("Well then."),
        )
        .rule(Rule::when("fail it").respond(Response::new().failed("invalid_prompt", "This is no good.")))
        .rule(Rule::when("slow down").respond(slow))
        .rule(Rule::when("more of it").respond("More."))
        .rule(Rule::always().respond("All of it in short."))
}

/// What was said in a list of turns, by whom.
fn is_full_thread(turns: &[v2::Turn]) {
    let said: Vec<_> = messages(turns).into_iter().filter(|text| text != "agent: Well then.").collect();
    assert_eq!(
        said,
        [
            "user: long ago",
            "agent: All of it in short.",
            "user: run it",
            "agent: It has run.",
            "user: patch it",
            "agent: It is patched.",
            "user: ask for it",
            "user: fail it",
            "user: slow down",
        ]
    );
    let status = |text: &str| {
        let turn = turns.iter().find(|turn| messages(std::slice::from_ref(turn)).contains(&format!("user: {text}")));
        turn.unwrap().status.clone()
    };
    assert_eq!(status("run it"), v2::TurnStatus::Completed);
    assert_eq!(status("fail it"), v2::TurnStatus::Failed);
    assert_eq!(status("slow down"), v2::TurnStatus::Interrupted);
    let items = || turns.iter().flat_map(|turn| &turn.items).map(|item| &item.details);
    let is_command = |item: &v2::ThreadItemDetails| matches!(item, v2::ThreadItemDetails::CommandExecution { aggregated_output: Some(output), .. } if output.contains("one-2"));
    assert!(items().any(is_command), "{turns:#?}");
    assert!(items().any(|item| matches!(item, v2::ThreadItemDetails::FileChange { .. })));
    assert!(items().any(|item| matches!(item, v2::ThreadItemDetails::ContextCompaction { .. })));
}

/// What a request must give the model, in this order. What the programs add of their own is passed over.
fn gives_full_thread(input: &[Value]) {
    let mut rest = input.iter();
    let mut next = |what: &str, is: &dyn Fn(&Value) -> bool| {
        assert!(rest.any(is), "{what} is missing, or not in its place, in {input:#?}");
    };
    let said = |role: &'static str, text: &'static str| {
        move |item: &Value| {
            item["role"] == role && item["content"][0]["text"].as_str().is_some_and(|said| said.contains(text))
        }
    };
    let output = |kind: &'static str, text: &'static str| {
        move |item: &Value| item["type"] == kind && item["output"].to_string().contains(text)
    };
    next("the summary", &said("user", "All of it in short."));
    next("a message", &said("user", "run it"));
    next("the thoughts", &|item| item["type"] == "reasoning");
    next("the call of a command", &|item| item["type"] == "function_call" && item["name"] == "exec_command");
    next("the output of a command", &output("function_call_output", "one-2"));
    next("an answer", &said("assistant", "It has run."));
    next("a message", &said("user", "patch it"));
    next("a patch", &|item| item["type"] == "custom_tool_call" && item["name"] == "apply_patch");
    next("the outcome of a patch", &output("custom_tool_call_output", "patched.txt"));
    next("an answer", &said("assistant", "It is patched."));
    next("a message", &said("user", "ask for it"));
    next("the call of a declined command", &|item| item["type"] == "function_call");
    next("the refusal", &|item| item["type"] == "function_call_output");
    next("a message", &said("user", "fail it"));
    next("a message", &said("user", "slow down"));
    let calls = |kinds: [&str; 2]| {
        let mut ids: Vec<_> = input
            .iter()
            .filter(|item| kinds.iter().any(|kind| item["type"] == *kind))
            .map(|item| item["call_id"].to_string())
            .collect();
        ids.sort();
        ids
    };
    let made = calls(["function_call", "custom_tool_call"]);
    assert_eq!(made, calls(["function_call_output", "custom_tool_call_output"]));
    assert!(!input.iter().any(|item| said("user", "long ago")(item) && said("assistant", "slow")(item)));
}

/// Has `first` make a thread, `second` go on with it, and `first` again.
async fn goes_there_and_back(room: &Room, valet_is_first: bool) {
    let mut host = if valet_is_first { room.valet().await } else { room.reference().await };
    let id = room.full_thread(&mut host).await;
    is_full_thread(&host.read(&id).await.turns);
    host.end().await;

    let mut host = if valet_is_first { room.reference().await } else { room.valet().await };
    assert_eq!(host.listed().await, [id.as_str()]);
    is_full_thread(&host.resume(&id).await.turns);
    assert_eq!(host.turn(&id, "more of it").await.status, v2::TurnStatus::Completed);
    let input = room.given();
    gives_full_thread(&input);
    assert_eq!(messages(&host.read(&id).await.turns)[9..].last().unwrap(), "agent: More.");
    host.end().await;

    let mut host = if valet_is_first { room.valet().await } else { room.reference().await };
    assert_eq!(host.listed().await, [id.as_str()]);
    let turns = host.resume(&id).await.turns;
    assert_eq!(messages(&turns).last().unwrap(), "agent: More.");
    is_full_thread(&turns[..turns.len() - 1]);
    assert_eq!(turns.last().unwrap().status, v2::TurnStatus::Completed);
    assert_eq!(host.turn(&id, "and on").await.status, v2::TurnStatus::Completed);
    let input = room.given();
    gives_full_thread(&input);
    assert!(input.iter().any(|item| item["role"] == "assistant" && item["content"][0]["text"] == "More."));
    host.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_goes_on_with_a_thread_of_ours_and_we_with_its() {
    let Some(room) = Room::new().await else { return };
    goes_there_and_back(&room, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_go_on_with_a_thread_of_the_reference_and_it_with_ours() {
    let Some(room) = Room::new().await else { return };
    goes_there_and_back(&room, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_and_a_revert_of_the_reference_are_read_and_continued() {
    let Some(room) = Room::new().await else { return };
    let mut host = room.reference().await;
    let (source, reverted) = (room.thread(&host).await, room.thread(&host).await);
    for id in [&source, &reverted] {
        for text in ["one", "run it", "three"] {
            assert_eq!(host.turn(id, text).await.status, v2::TurnStatus::Completed);
        }
    }
    let turns = host.read(&source).await.turns;
    let params = v2::ThreadForkParams {
        thread_id: source.clone(),
        last_turn_id: Some(turns[1].id.clone()),
        ..Default::default()
    };
    let fork = host.ask::<m::ThreadFork>(params).await.0.thread.id;
    assert_eq!(host.turn(&fork, "more of it").await.status, v2::TurnStatus::Completed);
    let before_turn_id = host.read(&reverted).await.turns[2].id.clone();
    host.ask::<m::ThreadRevert>(v2::ThreadRevertParams { thread_id: reverted.clone(), before_turn_id }).await;
    assert_eq!(host.turn(&reverted, "more of it").await.status, v2::TurnStatus::Completed);
    host.end().await;

    let mut host = room.valet().await;
    let mut listed = host.listed().await;
    listed.sort();
    let mut ids = [source.clone(), fork.clone(), reverted.clone()];
    ids.sort();
    assert_eq!(listed, ids);
    let short = "agent: All of it in short.";
    let said = ["user: one", short, "user: run it", "agent: It has run.", "user: more of it", "agent: More."];
    for id in [&fork, &reverted] {
        assert_eq!(messages(&host.read(id).await.turns), said);
        assert_eq!(messages(&host.resume(id).await.turns), said);
        assert_eq!(host.turn(id, "and on").await.status, v2::TurnStatus::Completed);
        let input = room.given();
        let texts: Vec<_> = input
            .iter()
            .filter(|item| item["role"] == "user" || item["role"] == "assistant")
            .filter_map(|item| item["content"][0]["text"].as_str())
            .filter(|text| !text.starts_with('<'))
            .collect();
        assert_eq!(texts, ["one", "All of it in short.", "run it", "It has run.", "more of it", "More.", "and on"]);
        assert!(input.iter().any(|item| item["output"].to_string().contains("one-2")));
    }
    assert_eq!(messages(&host.read(&source).await.turns)[4..], ["user: three", short]);
    host.end().await;

    // And the reference takes them up again.
    let mut host = room.reference().await;
    for id in [&fork, &reverted] {
        assert_eq!(messages(&host.resume(id).await.turns).last().unwrap(), short);
        assert_eq!(host.turn(id, "once more of it").await.status, v2::TurnStatus::Completed);
        let input = room.given();
        assert!(input.iter().any(|item| item["content"][0]["text"] == "and on"));
    }
    host.end().await;
}
