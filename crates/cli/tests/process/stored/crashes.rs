//! Hosts that are killed in the middle of a turn: nothing that was reported is lost, and every thread goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;
use valet_client::Notification;
use valet_protocol::{methods as m, v2};
use valet_sim::{Chunks, Response, Rule, Script, Sim};
use valet_store::generator::Dice;

use super::{Host, backend, home, is_whole, rollouts};
use crate::support::{in_time, long};

/// So many kills are survived by one home; then the next one begins.
const KILLS_OF_A_HOME: usize = 20;
#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_at_any_moment_of_a_turn_everything_that_was_reported_is_there_and_goes_on() {
    let began = Instant::now();
    let kills = long(20, 500);
    let sim = backend(script(kills)).await;
    let mut dice = Dice(u64::from(std::process::id()));
    eprintln!("seed {}", dice.0);
    let mut told = Told::default();
    for done in (0..kills).step_by(KILLS_OF_A_HOME) {
        let world = World::new(&sim);
        told.add(world.survives(KILLS_OF_A_HOME.min(kills - done), &mut dice).await);
    }
    eprintln!("{kills} kills in {:?}; {told:?}", began.elapsed());
    assert!(told.items > kills, "the turns had hardly begun");
    assert!(told.cut > kills / 4, "the turns had mostly ended");
}

/// What there was to lose.
#[derive(Debug, Default)]
struct Told {
    items: usize,
    ends: usize,
    /// Turns without an end.
    cut: usize,
    torn: usize,
}

impl Told {
    fn add(&mut self, other: Self) {
        self.items += other.items;
        self.ends += other.ends;
        self.cut += other.cut;
        self.torn += other.torn;
    }
}

/// Every turn thinks, speaks, runs a command, changes a file and speaks again. A kill may come in the middle, so it
/// does not always begin with the first of these.
fn script(kills: usize) -> Script {
    let pace = Duration::from_millis(2);
    let speaks = |text: &str| Chunks::words(text).every(pace);
    let command = json!({ "cmd": "echo one; sleep 0.02; echo two", "login": false });
    let patch = "*** Begin Patch\n*** Add File: made.txt\n+a line\n*** End Patch";
    let mut rule = Rule::when("work");
    // Each home has one that is not killed.
    for _ in 0..kills + kills.div_ceil(KILLS_OF_A_HOME) {
        rule = rule
            .respond(
                Response::new()
                    .reasoning("**Looking** at what there is to be done")
                    .chunks(speaks("I will look at it first, and then see"))
                    .function_call("exec_command", command.clone()),
            )
            .respond(Response::new().delay(pace).custom_tool_call("apply_patch", patch))
            .respond(Response::new().reasoning("**Ending** it").chunks(speaks("This is done now, and it was easy")));
    }
    Script::new().rule(rule).rule(Rule::always().respond("Going on."))
}

/// A home, and what clients were told of the threads in it.
struct World<'a> {
    sim: &'a Sim,
    home: TempDir,
    threads: BTreeMap<String, Reported>,
    told: Told,
}

/// What clients were told of a thread.
#[derive(Default)]
struct Reported {
    items: BTreeMap<String, Vec<v2::ThreadItem>>,
    ends: BTreeMap<String, v2::Turn>,
}

impl<'a> World<'a> {
    fn new(sim: &'a Sim) -> Self {
        Self { sim, home: home(sim), threads: BTreeMap::new(), told: Told::default() }
    }

    /// Has one host after the other killed in a turn.
    async fn survives(mut self, kills: usize, dice: &mut Dice) -> Told {
        let mut host = Host::start(self.home.path()).await;
        let messages = self.whole_turn(&mut host, dice).await;
        for number in 0..kills {
            let id = self.some_thread(&host, dice).await;
            let ended = self.threads[&id].ends.len();
            host.begin(&id, &format!("work on needle{number}x")).await;
            for _ in 0..dice.below(messages) {
                if self.threads[&id].ends.len() > ended {
                    break;
                }
                let told = host.told.next().await.unwrap();
                self.note(&told);
            }
            // And some way to the next one.
            tokio::time::sleep(Duration::from_millis(dice.below(4))).await;
            host.kill().await.iter().for_each(|told| self.note(told));
            self.told.cut += usize::from(self.threads[&id].items.len() > self.threads[&id].ends.len());
            if dice.one_in(3) {
                self.tear(&id);
            }
            host = Host::start(self.home.path()).await;
            self.check(&host, &id, &format!("needle{number}x")).await;
            self.goes_on(&mut host, &id).await;
        }
        host.end().await;
        let host = Host::start(self.home.path()).await;
        for id in self.threads.keys() {
            self.is_as_reported(&host, id).await;
            self.threads[id].is_in(&host.resume(id).await);
        }
        // One that nobody was told of was not taken up again, and so not mended.
        let logs = rollouts(self.home.path()).into_iter();
        let mut used = logs.filter(|log| self.threads.keys().any(|id| log.display().to_string().contains(id)));
        assert!(used.all(|log| is_whole(&log)));
        self.told
    }

    /// Has a turn come to its end. Returns how much is told of one.
    async fn whole_turn(&mut self, host: &mut Host, dice: &mut Dice) -> u64 {
        let id = self.some_thread(host, dice).await;
        host.begin(&id, "work on nothing").await;
        let mut messages = 0;
        while self.threads[&id].ends.is_empty() {
            let told = host.told.next().await.unwrap();
            self.note(&told);
            messages += 1;
        }
        messages
    }

    /// A new thread, or one of those that are there.
    async fn some_thread(&mut self, host: &Host, dice: &mut Dice) -> String {
        let ids: Vec<&String> = self.threads.keys().collect();
        if ids.len() < 2 || dice.one_in(8) {
            let params =
                v2::ThreadStartParams { cwd: Some(self.home.path().display().to_string()), ..Default::default() };
            let id = host.ask::<m::ThreadStart>(params).await.thread.id;
            self.threads.insert(id.clone(), Reported::default());
            return id;
        }
        let id = ids[usize::try_from(dice.below(ids.len() as u64)).unwrap()].clone();
        host.resume(&id).await;
        id
    }

    fn note(&mut self, told: &Notification) {
        if let Some(item) = told.read::<m::ItemCompleted>() {
            let thread = self.threads.get_mut(&item.thread_id).unwrap();
            thread.items.entry(item.turn_id).or_default().push(item.item);
            self.told.items += 1;
        } else if let Some(end) = told.read::<m::TurnCompleted>() {
            self.threads.get_mut(&end.thread_id).unwrap().ends.insert(end.turn.id.clone(), end.turn);
            self.told.ends += 1;
        }
    }

    /// Has the last write of a thread be cut off in the middle, as a machine that loses power does it.
    fn tear(&mut self, id: &str) {
        let Some(log) = rollouts(self.home.path()).into_iter().find(|log| log.display().to_string().contains(id))
        else {
            return;
        };
        let text = std::fs::read_to_string(&log).unwrap();
        // Killed before the first line.
        let Some(last) = text.lines().last() else { return };
        let mut half = last.len() / 2;
        while !last.is_char_boundary(half) {
            half += 1;
        }
        File::options().append(true).open(&log).unwrap().write_all(&last.as_bytes()[..half]).unwrap();
        self.told.torn += 1;
    }

    /// What a new host says of the thread, and of all.
    async fn check(&mut self, host: &Host, id: &str, word: &str) {
        // What nobody was told of may not be there.
        if self.threads[id].items.is_empty() && !host.listed().await.contains(&id.to_owned()) {
            self.threads.remove(id);
            return;
        }
        self.is_as_reported(host, id).await;
        let listed: BTreeSet<String> = host.listed().await.into_iter().collect();
        assert_eq!(listed, in_files(self.home.path()), "the list agrees with the files");
        assert!(self.threads.keys().all(|id| listed.contains(id)));
        let said = self.threads[id].items.values().flatten().any(|item| said_by_person(item).contains(word));
        if said {
            assert_eq!(host.found(word).await, [id], "the search agrees with the files");
        }
    }

    async fn is_as_reported(&self, host: &Host, id: &str) {
        let read = host.read(id).await;
        self.threads[id].is_in(&read);
        let rows = host.rows().await;
        let row = rows.iter().find(|row| row.id == id).expect("a thread that was used is listed");
        assert_eq!((&row.preview, row.updated_at, &row.path), (&read.preview, read.updated_at, &read.path));
    }

    /// Takes the thread up again, and a further turn.
    async fn goes_on(&mut self, host: &mut Host, id: &str) {
        if !self.threads.contains_key(id) {
            return;
        }
        let read = host.read(id).await;
        assert_eq!(host.resume(id).await.turns, read.turns);
        let turn_id = host.begin(id, "go on").await;
        loop {
            let told = in_time(host.told.next()).await.unwrap();
            self.note(&told);
            if let Some(end) = told.read::<m::TurnCompleted>() {
                assert_eq!(end.turn.status, v2::TurnStatus::Completed, "{:?}", end.turn.error);
                break;
            }
        }
        self.model_was_given(&self.threads[id], &turn_id);
        self.is_as_reported(host, id).await;
    }

    /// For this turn the model was told again what was said before, and each of its calls has one answer.
    fn model_was_given(&self, thread: &Reported, turn_id: &str) {
        let requests = self.sim.requests();
        let input = requests.iter().rfind(|request| request.is_turn()).unwrap().body["input"].as_array().unwrap();
        let calls = |kinds: &[&str]| {
            let calls = input.iter().filter(|item| kinds.iter().any(|kind| item["type"] == *kind));
            calls.map(|item| item["call_id"].to_string()).collect::<Vec<_>>()
        };
        let (mut made, mut answered) = (
            calls(&["function_call", "custom_tool_call"]),
            calls(&["function_call_output", "custom_tool_call_output"]),
        );
        made.sort();
        answered.sort();
        assert_eq!(made, answered);
        // As often as it was reported, and perhaps more often: not everything that was stored was reported.
        let given = |role: &str, text: &str| {
            input.iter().filter(|item| item["role"] == role && item["content"][0]["text"] == text).count()
        };
        let mut reported = BTreeMap::new();
        for item in thread.items.iter().filter(|(id, _)| *id != turn_id).flat_map(|(_, items)| items) {
            let said = match &item.details {
                v2::ThreadItemDetails::AgentMessage { text, .. } => ("assistant", text.as_str()),
                v2::ThreadItemDetails::UserMessage { .. } => ("user", said_by_person(item)),
                _ => continue,
            };
            *reported.entry(said).or_insert(0) += 1;
        }
        for ((role, text), times) in reported {
            assert!(given(role, text) >= times, "{role}: {text:?}, reported {times} times, is not in {input:#?}");
        }
    }
}

impl Reported {
    /// Everything that was reported is in the thread, as it was reported.
    fn is_in(&self, thread: &v2::Thread) {
        let turn = |id: &String| thread.turns.iter().find(|turn| turn.id == *id).expect("every turn is there");
        for (id, items) in &self.items {
            let turn = turn(id);
            for item in items {
                let stored = turn.items.iter().find(|stored| stored.id() == item.id());
                assert_eq!(stored, Some(item));
            }
            let order: Vec<_> = turn.items.iter().filter(|item| items.contains(item)).collect();
            assert!(order.into_iter().eq(items), "the order is another one");
            if !self.ends.contains_key(id) && turn.status != v2::TurnStatus::Completed {
                assert_eq!((&turn.status, turn.completed_at), (&v2::TurnStatus::Interrupted, None));
            }
        }
        for (id, end) in &self.ends {
            let turn = turn(id);
            assert_eq!(
                (&turn.status, &turn.error, turn.started_at, turn.completed_at, turn.duration_ms),
                (&end.status, &end.error, end.started_at, end.completed_at, end.duration_ms)
            );
        }
    }
}

fn said_by_person(item: &v2::ThreadItem) -> &str {
    match &item.details {
        v2::ThreadItemDetails::UserMessage { content, .. } => match content.first() {
            Some(v2::UserInput::Text { text, .. }) => text,
            _ => "",
        },
        _ => "",
    }
}

/// The threads in which somebody said something, by their files.
fn in_files(home: &Path) -> BTreeSet<String> {
    let said = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        line["payload"]["item"]["type"] == "UserMessage"
    };
    let id = |text: &str| {
        let head: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        head["payload"]["id"].as_str().unwrap().to_owned()
    };
    let texts =
        rollouts(home).into_iter().map(|log| String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned());
    texts.filter(|text| text.lines().any(said)).map(|text| id(&text)).collect()
}
