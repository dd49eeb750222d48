//! The open accounts: turns that nobody saw the end of are looked for, and in the end every thread is read.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ledger::{Account, Outcome, Shelf, Thread};
use crate::peer::{Over, Peer};
use crate::plan::Leave;
use crate::stage::Stage;

/// How long threads to which nobody listens may stay, beyond the second that the configuration says.
const UNLOADED: Duration = Duration::from_secs(20);
/// How often one connection after the other tries to leave nothing open.
const TRIES: usize = 3;

/// Looks for the turns whose end nobody saw, and ends those that would go on for ever.
pub(crate) async fn open_turns(stage: &Stage, account: &mut Account, peer: &mut Peer) -> Result<(), Over> {
    let open: Vec<_> = (0..account.threads.len()).filter(|at| !account.threads[*at].is_settled()).collect();
    for at in open {
        let settled = open_turn(stage, &mut account.threads[at], peer).await;
        account.absorb(stage, &peer.seen);
        settled?;
    }
    Ok(())
}

async fn open_turn(stage: &Stage, thread: &mut Thread, peer: &mut Peer) -> Result<(), Over> {
    stage.count("clients: looked for an open turn");
    let id = json!({ "threadId": thread.id });
    let (method, params) = match thread.shelf {
        Shelf::Open => ("thread/resume", id.clone()),
        _ => ("thread/read", json!({ "threadId": thread.id, "includeTurns": true })),
    };
    match peer.request(method, params).await? {
        Ok(result) => thread.compare(stage, &result["thread"]["turns"]),
        Err(why) => {
            end_unseen(stage, thread, peer).await?;
            thread.is_gone(stage, &why);
            return Ok(());
        }
    }
    let Some(turn) = thread.turns.iter_mut().find(|turn| turn.outcome.is_none()) else { return Ok(()) };
    if !turn.play.ends() {
        // Before the question, which may come at once.
        turn.cut = true;
        peer.rest(Duration::from_millis(50)).await?;
        if !peer.seen.ends.contains_key(&turn.id) {
            let params = json!({ "threadId": thread.id, "turnId": turn.id });
            let refused = peer.request("turn/interrupt", params).await?.err();
            if let Some(error) = refused.filter(|_| !peer.seen.ends.contains_key(&turn.id)) {
                stage.fault(format!("turn {} cannot be interrupted: {error}", turn.id));
            }
        }
    }
    peer.ended(&turn.id).await?;
    peer.carry_out("thread/unsubscribe", id).await?;
    Ok(())
}

/// A thread without a file cannot be taken up, but what runs in it can be ended. Whether it was shows when nothing may
/// be loaded any more.
async fn end_unseen(stage: &Stage, thread: &Thread, peer: &mut Peer) -> Result<(), Over> {
    for turn in thread.turns.iter().filter(|turn| turn.outcome.is_none() && !turn.play.ends()) {
        let params = json!({ "threadId": thread.id, "turnId": turn.id });
        if peer.request("turn/interrupt", params).await?.is_ok() {
            stage.count("clients: interrupted a turn of a thread without a file");
        }
    }
    Ok(())
}

/// Leaves nothing open, and waits until nothing of the account is loaded. Returns how many threads still are.
pub(crate) async fn quiet(stage: Arc<Stage>, mut account: Account) -> (Account, usize) {
    let mut loaded = 0;
    // What keeps it from that is on record.
    for _ in 0..TRIES {
        let seed = account.dice.any();
        let Ok(mut peer) = Peer::connect(&stage, account.number, seed).await else { return (account, loaded) };
        peer.steady = true;
        let settled = open_turns(&stage, &mut account, &mut peer).await;
        if settled.is_ok() && account.is_settled() {
            let left = until_unloaded(&mut peer).await.unwrap_or_default();
            for id in &left {
                let thread = account.threads.iter().find(|thread| *id == thread.id);
                let turn = thread.and_then(|thread| thread.turns.last());
                let last = turn.map(|turn| (turn.play, turn.cut, &turn.id));
                stage.fault(format!("thread {id} stays loaded; its last turn: {last:?}"));
            }
            loaded = left.len();
        }
        let over = settled.is_err();
        let seen = peer.leave(Leave::Closed).await;
        account.absorb(&stage, &seen);
        if !over {
            break;
        }
    }
    (account, loaded)
}

/// Returns the threads that stay loaded.
async fn until_unloaded(peer: &mut Peer) -> Result<Vec<Value>, Over> {
    let began = std::time::Instant::now();
    loop {
        let loaded = peer.carry_out("thread/loaded/list", json!({})).await?;
        let ids = loaded["data"].as_array().cloned().unwrap_or_default();
        if ids.is_empty() || began.elapsed() > UNLOADED {
            return Ok(ids);
        }
        for id in &ids {
            peer.carry_out("thread/unsubscribe", json!({ "threadId": id })).await?;
        }
        peer.rest(Duration::from_millis(200)).await?;
    }
}

/// Reads every thread that there should be, and compares it with what was told.
pub(crate) async fn audit(stage: Arc<Stage>, mut account: Account) -> Account {
    let seed = account.dice.any();
    let Ok(mut peer) = Peer::connect(&stage, account.number, seed).await else { return account };
    peer.steady = true;
    for thread in &mut account.threads {
        if thread.ephemeral || thread.shelf == Shelf::Deleted || thread.turns.is_empty() {
            continue;
        }
        let params = json!({ "threadId": thread.id, "includeTurns": true });
        match peer.request("thread/read", params).await {
            Ok(Ok(result)) => thread.compare(&stage, &result["thread"]["turns"]),
            Ok(Err(why)) => {
                let nothing_stored = thread.turns.iter().all(|turn| matches!(turn.outcome, Some(Outcome::Unstored)));
                if !nothing_stored {
                    stage.fault(format!("thread {} cannot be read: {why}", thread.id));
                }
            }
            Err(_) => break,
        }
    }
    peer.leave(Leave::Closed).await;
    account
}
