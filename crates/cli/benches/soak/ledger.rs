//! The books: every thread of an account, every turn that was answered, and what became of it.

use std::collections::BTreeMap;

use serde_json::Value;
use valet_store::generator::Dice;

use crate::peer::{End, Seen};
use crate::plan::Play;
use crate::stage::Stage;

/// An account with its threads.
pub(crate) struct Account {
    pub(crate) number: usize,
    pub(crate) dice: Dice,
    pub(crate) threads: Vec<Thread>,
}

/// A thread.
pub(crate) struct Thread {
    pub(crate) id: String,
    pub(crate) ephemeral: bool,
    pub(crate) shelf: Shelf,
    pub(crate) turns: Vec<Turn>,
}

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    Open,
    Archived,
    Deleted,
}

/// A turn that was answered.
pub(crate) struct Turn {
    pub(crate) id: String,
    pub(crate) play: Play,
    /// The host that answered.
    pub(crate) generation: u64,
    /// A client has done, or may have done, what interrupts it.
    pub(crate) cut: bool,
    /// An item of it was told to be whole.
    pub(crate) told: bool,
    pub(crate) outcome: Option<Outcome>,
}

/// What became of a turn.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// `turn/completed` was told.
    Told(End),
    /// All its clients had left; the thread has it.
    Found(End),
    /// Its host was killed before anything of it was told.
    Unstored,
    /// Its thread had no file and went with its clients or its host, or was deleted.
    Gone,
}

impl Thread {
    pub(crate) fn is_settled(&self) -> bool {
        self.turns.iter().all(|turn| turn.outcome.is_some())
    }

    /// Compares with what the host says of the thread, and learns the ends that nobody was told.
    pub(crate) fn compare(&mut self, stage: &Stage, turns: &Value) {
        let turns = turns.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut stored: BTreeMap<&str, &Value> = BTreeMap::new();
        for turn in turns {
            if stored.insert(turn["id"].as_str().unwrap_or_default(), turn).is_some() {
                stage.fault(format!("turn {} is twice in thread {}", turn["id"], self.id));
            }
        }
        for turn in &mut self.turns {
            match (stored.get(turn.id.as_str()), &turn.outcome) {
                (None, None) if turn.may_be_missing(stage) => turn.outcome = Some(Outcome::Unstored),
                (None, Some(Outcome::Unstored)) => {}
                (None, _) => {
                    stage.fault(format!("turn {} ({}) is not in thread {}", turn.id, turn.play.word(), self.id));
                    turn.outcome.get_or_insert(Outcome::Unstored);
                }
                (Some(stored), None) => {
                    if let Some(end) = End::of(stored) {
                        turn.judge(stage, &end);
                        turn.outcome = Some(Outcome::Found(end));
                    }
                }
                (Some(stored), Some(Outcome::Told(end) | Outcome::Found(end))) => {
                    if End::of(stored).is_none_or(|stored| stored.status != end.status) {
                        let status = &stored["status"];
                        stage.fault(format!("turn {} was told {end:?} and is {status} in {}", turn.id, self.id));
                    }
                }
                (Some(stored), Some(Outcome::Unstored | Outcome::Gone)) => {
                    stage.fault(format!("turn {} was gone, and is there: {stored}", turn.id));
                }
            }
        }
    }

    /// The thread is nowhere any more.
    pub(crate) fn is_gone(&mut self, stage: &Stage, why: &Value) {
        for turn in self.turns.iter_mut().filter(|turn| turn.outcome.is_none()) {
            if self.ephemeral || self.shelf == Shelf::Deleted {
                turn.outcome = Some(Outcome::Gone);
            } else {
                if !turn.may_be_missing(stage) {
                    stage.fault(format!("thread {} is gone, and turn {} with it: {why}", self.id, turn.id));
                }
                turn.outcome = Some(Outcome::Unstored);
            }
        }
    }
}

impl Turn {
    /// Whether it may have left no trace.
    fn may_be_missing(&self, stage: &Stage) -> bool {
        stage.was_killed(self.generation) && !self.told
    }

    /// Whether such an end can come of what was done to it.
    fn judge(&self, stage: &Stage, end: &End) {
        let killed = stage.was_killed(self.generation);
        let no_token =
            ["refreshTimeout", "refreshRejected", "refreshInvalid", "accountMismatch", "noOwner", "reauthRequired"];
        let possible = match end.status.as_str() {
            "completed" => !self.play.fails(),
            "interrupted" => self.cut || killed,
            _ => {
                let kind = end.reason.as_ref().map_or("", |(_, kind)| kind);
                self.play.fails() || no_token.contains(&kind)
            }
        };
        if !possible {
            let (word, id) = (self.play.word(), &self.id);
            stage.fault(format!("turn {id} ({word}) ended {end:?}; cut by a client: {}", self.cut));
        }
    }
}

impl Account {
    /// Takes down what was told on a connection.
    pub(crate) fn absorb(&mut self, stage: &Stage, seen: &Seen) {
        for turn in self.threads.iter_mut().flat_map(|thread| &mut thread.turns) {
            turn.told |= seen.items.contains(&turn.id);
            let Some(end) = seen.ends.get(&turn.id) else { continue };
            match &turn.outcome {
                None => {
                    turn.judge(stage, end);
                    turn.outcome = Some(Outcome::Told(end.clone()));
                }
                Some(Outcome::Told(known) | Outcome::Found(known)) if known.status == end.status => {}
                Some(known) => stage.fault(format!("turn {} ended {known:?}, and then {end:?}", turn.id)),
            }
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.threads.iter().all(Thread::is_settled)
    }

    /// A thread that can be taken up, by chance.
    pub(crate) fn some_thread(&mut self, longest: usize) -> Option<usize> {
        let fits = |thread: &Thread| {
            let stored = !thread.ephemeral && thread.shelf == Shelf::Open && thread.turns.iter().any(|turn| turn.told);
            stored && thread.turns.len() < longest && thread.is_settled()
        };
        let fitting: Vec<_> = (0..self.threads.len()).rev().filter(|at| fits(&self.threads[*at])).take(50).collect();
        let many = u64::try_from(fitting.len()).ok().filter(|many| *many > 0)?;
        Some(fitting[usize::try_from(self.dice.below(many)).ok()?])
    }
}
