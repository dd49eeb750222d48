//! A second connection on a thread: it reads along, stalls, or vanishes, and the first one must not notice.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use valet_store::generator::Dice;

use crate::peer::{Over, Peer, Seen};
use crate::plan::Leave;
use crate::stage::Stage;

/// Turns whose ends it must be told, and whether they are all.
type Expected = (HashSet<String>, bool);

/// Somebody who has joined.
pub(crate) struct Companion {
    expected: watch::Sender<Expected>,
    task: JoinHandle<Seen>,
}

impl Companion {
    /// Joins; none when that was not to be.
    pub(crate) async fn join(stage: &Arc<Stage>, account: usize, seed: u64, thread: &str) -> Option<Self> {
        let (expected, wanted) = watch::channel(Expected::default());
        let (joined, has_joined) = oneshot::channel();
        let (stage, thread) = (Arc::clone(stage), thread.to_owned());
        let task = tokio::spawn(async move {
            let Ok(mut peer) = Peer::connect(&stage, account, seed).await else { return Seen::default() };
            let mut dice = Dice(!seed);
            let over = accompany(&stage, &mut peer, &mut dice, &thread, joined, wanted).await;
            peer.leave(if over == Err(Over::Lost) { Leave::Dropped } else { Leave::draw(&mut dice) }).await
        });
        has_joined.await.ok()?;
        Some(Self { expected, task })
    }

    /// It is subscribed while this turn ran from its start.
    pub(crate) fn expect(&mut self, turn: &str) {
        self.expected.send_modify(|(turns, _)| _ = turns.insert(turn.to_owned()));
    }

    /// There will be no more turns. What it was told comes back.
    pub(crate) async fn end(self) -> Seen {
        self.expected.send_modify(|(_, all)| *all = true);
        self.task.await.unwrap_or_default()
    }
}

async fn accompany(
    stage: &Stage,
    peer: &mut Peer,
    dice: &mut Dice,
    thread: &str,
    joined: oneshot::Sender<()>,
    mut expected: watch::Receiver<Expected>,
) -> Result<(), Over> {
    peer.carry_out("thread/resume", json!({ "threadId": thread })).await?;
    let _ = joined.send(());
    match dice.below(4) {
        0 => {
            stage.count("companion: vanishes");
            return peer.rest(Duration::from_millis(dice.below(300))).await;
        }
        1 => {
            stage.count("companion: stalls");
            tokio::time::sleep(Duration::from_millis(500 + dice.below(2500))).await;
        }
        _ => stage.count("companion: reads along"),
    }
    let expected = async move {
        let all = expected.wait_for(|(_, all)| *all).await;
        all.map(|expected| expected.0.clone()).unwrap_or_default()
    };
    tokio::pin!(expected);
    let turns = loop {
        tokio::select! {
            read = peer.pump() => read?,
            turns = &mut expected => break turns,
        }
    };
    let all = |peer: &Peer| turns.iter().all(|turn| peer.seen.ends.contains_key(turn));
    peer.until("the ends of turns of a thread that was joined", all).await
}
