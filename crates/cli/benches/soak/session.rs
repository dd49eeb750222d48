//! The life of a client: a connection, some turns with whatever happens to them, and the way it leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::backend::words;
use crate::companion::Companion;
use crate::ledger::{Account, Shelf, Thread, Turn};
use crate::peer::{OVERLOADED, Over, Peer, is_overloaded};
use crate::plan::{Leave, Meanwhile, Play};
use crate::settle;
use crate::stage::Stage;
use crate::tokens::account_name;

/// No thread gets longer, so that the history that is sent with each turn stays short.
const LONGEST: usize = 15;
/// A host that has ten thousand requests open is not what is looked for here.
const FLOOD: usize = 6;

/// Turns are numbered over all accounts.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// Connections of one account, one after the other, until the goal is reached.
pub(crate) async fn live(stage: Arc<Stage>, mut account: Account) -> Account {
    while let Some(share) = stage.share(&mut account.dice) {
        let seed = account.dice.any();
        // Fails when there was no host, or no longer.
        if let Ok(peer) = Peer::connect(&stage, account.number, seed).await {
            let session = Session { stage: &stage, account: &mut account, peer, thread: None, companion: None };
            session.live(share).await;
        }
    }
    account
}

struct Session<'a> {
    stage: &'a Arc<Stage>,
    account: &'a mut Account,
    peer: Peer,
    /// The thread that it works in.
    thread: Option<usize>,
    companion: Option<Companion>,
}

impl Session<'_> {
    async fn live(mut self, share: u64) {
        let over = if self.account.dice.one_in(800) { self.flood().await } else { self.turns(share).await };
        if over.is_err() {
            self.stage.count(match self.peer.closed {
                Some(code) => format!("closed by the host: {}", u16::from(code)),
                None if self.stage.was_killed(self.peer.place.generation) => "ended by a kill".to_owned(),
                None => "left in the middle of a turn".to_owned(),
            });
        }
        let how = if over == Err(Over::Lost) { Leave::Dropped } else { Leave::draw(&mut self.account.dice) };
        let seen = self.peer.leave(how).await;
        self.account.absorb(self.stage, &seen);
        if let Some(companion) = self.companion {
            let seen = companion.end().await;
            self.account.absorb(self.stage, &seen);
        }
    }

    async fn turns(&mut self, share: u64) -> Result<(), Over> {
        settle::open_turns(self.stage, self.account, &mut self.peer).await?;
        for _ in 0..share {
            if self.stage.has_turns() {
                break;
            }
            let at = self.choose_thread().await?;
            self.turn(at).await?;
            self.afterwards(at).await?;
        }
        Ok(())
    }

    /// Goes on in the thread that it is in, takes up an old one, or starts one.
    async fn choose_thread(&mut self) -> Result<usize, Over> {
        let dice = &mut self.account.dice;
        let current = self.thread.filter(|at| self.account.threads[*at].turns.len() < LONGEST && !dice.one_in(10));
        if let Some(at) = current {
            return Ok(at);
        }
        if let Some(companion) = self.companion.take() {
            let seen = companion.end().await;
            self.account.absorb(self.stage, &seen);
        }
        let old = if self.account.dice.one_in(2) { self.account.some_thread(LONGEST) } else { None };
        let at = match old {
            Some(at) => {
                let params = json!({ "threadId": self.account.threads[at].id });
                let result = self.peer.carry_out("thread/resume", params).await?;
                self.account.threads[at].compare(self.stage, &result["thread"]["turns"]);
                self.stage.count("clients: thread resumed");
                at
            }
            None => self.start_thread().await?,
        };
        self.thread = Some(at);
        Ok(at)
    }

    async fn start_thread(&mut self) -> Result<usize, Over> {
        let ephemeral = self.account.dice.one_in(8);
        let result = self.peer.carry_out("thread/start", json!({ "ephemeral": ephemeral })).await?;
        let id = result["thread"]["id"].as_str().unwrap_or_default().to_owned();
        self.account.threads.push(Thread { id, ephemeral, shelf: Shelf::Open, turns: Vec::new() });
        self.stage.count(if ephemeral { "clients: ephemeral thread started" } else { "clients: thread started" });
        Ok(self.account.threads.len() - 1)
    }

    fn start_of(&self, at: usize, play: Play) -> Value {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let text = words(number, &account_name(self.account.number), play);
        let policy = if play == Play::Approval { "untrusted" } else { "never" };
        json!({
            "threadId": self.account.threads[at].id,
            "input": [{ "type": "text", "text": text }],
            "approvalPolicy": policy,
        })
    }

    /// Puts a turn that was answered into the books.
    fn begun(&mut self, at: usize, play: Play, result: &Value) -> String {
        self.stage.turn();
        let id = result["turn"]["id"].as_str().unwrap_or_default().to_owned();
        let generation = self.peer.place.generation;
        let cut = play == Play::Approval;
        self.account.threads[at].turns.push(Turn { id: id.clone(), play, generation, cut, told: false, outcome: None });
        id
    }

    async fn turn(&mut self, at: usize) -> Result<(), Over> {
        let play = Play::draw(&mut self.account.dice);
        let start = self.start_of(at, play);
        let result = self.peer.carry_out("turn/start", start).await?;
        let id = self.begun(at, play, &result);
        if play.lasts() {
            self.meanwhile(at, &id, play).await?;
        } else {
            self.peer.ended(&id).await?;
        }
        let seen = std::mem::take(&mut self.peer.seen.items);
        self.account.threads[at].turns.iter_mut().for_each(|turn| turn.told |= seen.contains(&turn.id));
        if let Some(companion) = &mut self.companion {
            companion.expect(&id);
        }
        Ok(())
    }

    /// Does something while a turn runs.
    async fn meanwhile(&mut self, at: usize, id: &str, play: Play) -> Result<(), Over> {
        let mut doing = Meanwhile::draw(&mut self.account.dice, play);
        let thread = &mut self.account.threads[at];
        if thread.ephemeral && matches!(doing, Meanwhile::Archive | Meanwhile::Delete) {
            doing = Meanwhile::Interrupt;
        }
        self.stage.count(format!("while a turn runs: {doing:?}"));
        let params = json!({ "threadId": thread.id, "turnId": id, "expectedTurnId": id,
            "input": [{ "type": "text", "text": "And soon." }] });
        thread.turns.iter_mut().filter(|turn| turn.id == id).for_each(|turn| {
            turn.cut |= matches!(doing, Meanwhile::Interrupt | Meanwhile::Archive | Meanwhile::Delete);
        });
        if play == Play::Daemon && self.account.dice.one_in(2) {
            let runs = |peer: &Peer| peer.seen.output.contains(id) || peer.seen.ends.contains_key(id);
            self.peer.until("a command that runs", runs).await?;
        } else {
            self.peer.rest(Duration::from_millis(self.account.dice.below(300))).await?;
        }
        let method = match doing {
            Meanwhile::Wait => return self.peer.ended(id).await,
            Meanwhile::Leave => return Err(Over::Left),
            Meanwhile::Interrupt => "turn/interrupt",
            Meanwhile::Steer => "turn/steer",
            Meanwhile::Archive => "thread/archive",
            Meanwhile::Delete => "thread/delete",
        };
        self.put_away(at, method);
        // What comes too late is refused.
        if let Err(error) = self.peer.request(method, params).await?
            && !self.peer.seen.ends.contains_key(id)
        {
            self.stage.fault(format!("{method} was refused while turn {id} ran: {error}"));
        }
        self.peer.ended(id).await
    }

    /// Before it is asked for: no answer may come, and it may be done all the same.
    fn put_away(&mut self, at: usize, method: &str) {
        self.account.threads[at].shelf = match method {
            "thread/archive" => Shelf::Archived,
            "thread/delete" => Shelf::Deleted,
            _ => return,
        };
        self.thread = None;
    }

    /// What clients do between turns.
    async fn afterwards(&mut self, at: usize) -> Result<(), Over> {
        let thread = &self.account.threads[at];
        if self.thread.is_none() || thread.ephemeral || !thread.turns.iter().any(|turn| turn.told) {
            return Ok(());
        }
        let id = thread.id.clone();
        let params = json!({ "threadId": id });
        match self.account.dice.below(100) {
            0 => {
                self.put_away(at, "thread/archive");
                self.peer.carry_out("thread/archive", params.clone()).await?;
                if self.account.dice.one_in(2) {
                    self.peer.carry_out("thread/unarchive", params).await?;
                    self.account.threads[at].shelf = Shelf::Open;
                }
                self.stage.count("clients: thread archived");
            }
            1 => {
                self.put_away(at, "thread/delete");
                self.peer.carry_out("thread/delete", params).await?;
                self.stage.count("clients: thread deleted");
            }
            2 | 3 => {
                self.peer.carry_out("thread/unsubscribe", params).await?;
                self.thread = None;
                self.stage.count("clients: thread unsubscribed");
            }
            4 => _ = self.peer.carry_out("thread/list", json!({ "limit": 20 })).await?,
            5 => _ = self.peer.carry_out("thread/name/set", json!({ "threadId": id, "name": "a name" })).await?,
            6 => {
                let read = json!({ "threadId": id, "includeTurns": true });
                let result = self.peer.carry_out("thread/read", read).await?;
                self.account.threads[at].compare(self.stage, &result["thread"]["turns"]);
            }
            7 | 8 if self.companion.is_none() => {
                let seed = self.account.dice.any();
                self.companion = Companion::join(self.stage, self.account.number, seed, &id).await;
            }
            _ => {}
        }
        Ok(())
    }

    /// Has more sent to it than it reads.
    async fn flood(&mut self) -> Result<(), Over> {
        self.stage.count("clients: stalled for good");
        let mut asked = Vec::new();
        for _ in 0..FLOOD {
            let at = loop {
                let at = self.start_thread().await?;
                if !self.account.threads[at].ephemeral {
                    break at;
                }
            };
            let start = self.start_of(at, Play::Big);
            asked.push((at, self.peer.ask("turn/start", start).await?));
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        let mut over = Ok(());
        while over.is_ok() && asked.iter().any(|(at, _)| self.account.threads[*at].turns.is_empty()) {
            over = self.peer.pump().await;
            for (at, id) in std::mem::take(&mut asked) {
                match self.peer.take_answer(id) {
                    Some(Err(error)) if is_overloaded(&error) => self.stage.count(OVERLOADED),
                    Some(Err(error)) => self.stage.fault(format!("turn/start was refused: {error}")),
                    Some(Ok(result)) => {
                        self.begun(at, Play::Big, &result);
                        asked.push((at, id));
                    }
                    None => asked.push((at, id)),
                }
            }
        }
        over?;
        for (at, _) in asked {
            let ids: Vec<_> = self.account.threads[at].turns.iter().map(|turn| turn.id.clone()).collect();
            for id in ids {
                self.peer.ended(&id).await?;
            }
        }
        Ok(())
    }
}
