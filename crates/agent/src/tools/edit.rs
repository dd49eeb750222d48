//! `apply_patch`: files are changed all together or not at all, within what the turn may do.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use valet_tools::patch::{self, Changes, Disk, Kind, TurnDiff};

use super::{Called, Memory, OpenItem, Tools, lock};
use crate::client::{Decision, PatchQuestion};
use crate::event::{Event, Waiting};
use crate::item::{FileChange, FileChangeKind, ItemKind, Patch, Status};
use crate::permission::{Approvals, may_write};
use crate::project;
use crate::tool_call::ToolCall;
use crate::turn::Turn;

impl Tools {
    pub(super) async fn apply_patch(&self, turn: &Turn, call: &ToolCall) -> Called {
        let changes = match plan(turn, &call.input).await {
            Ok(changes) => changes,
            Err(words) => return format!("apply_patch verification failed: {words}").into(),
        };
        let shown = Patch { changes: changes.iter().map(shown).collect(), status: Status::InProgress };
        let item = OpenItem::begin(turn, &call.call_id, ItemKind::Patch(shown));
        if let Err((status, called)) = self.permit(turn, &changes, &item).await {
            item.end(status);
            return called;
        }
        let (turn, memory) = (turn.clone(), Arc::clone(&self.memory));
        // Files are not left half changed: what has begun goes on when the turn is stopped, and its end waits.
        let writing = Arc::clone(&self.writing).lock_owned().await;
        let applied = tokio::task::spawn_blocking(move || {
            let words = apply(&turn, &memory, item, &changes);
            drop(writing);
            words
        });
        applied.await.unwrap_or_else(|error| format!("the patch was not applied: {error}")).into()
    }

    /// Whether the patch may be applied. Otherwise how its item ends, and what the model is told.
    async fn permit(&self, turn: &Turn, changes: &Changes, item: &OpenItem) -> Result<(), (Status, Called)> {
        let settings = &turn.settings;
        let within = changes.paths().all(|path| may_write(&settings.sandbox, path));
        if within && settings.approvals != Approvals::Untrusted {
            return Ok(());
        }
        if !settings.approvals.may_ask_to_leave() {
            let words = "writing outside of the project; rejected by user approval settings";
            return Err((Status::Declined, format!("patch rejected: {words}").into()));
        }
        if changes.paths().all(|path| self.memory().files.contains(path)) {
            return Ok(());
        }
        let waiting = turn.waiting(Waiting::Approval);
        let question =
            PatchQuestion { item_id: item.id().to_owned(), started_at_ms: item.started_at_ms(), reason: None };
        let decision = self.client.approve_patch(&turn.id, question).await;
        drop(waiting);
        match decision {
            Decision::Accept => Ok(()),
            Decision::AcceptForSession => {
                self.memory().files.extend(changes.paths().map(Path::to_owned));
                Ok(())
            }
            Decision::Cancel => Err((Status::Declined, Called::Stop)),
            Decision::Decline | Decision::AcceptPrefix(_) => {
                Err((Status::Declined, "patch rejected by user".to_owned().into()))
            }
            Decision::Failed => Err((Status::Failed, "patch rejected: approval request failed".to_owned().into())),
        }
    }
}

/// Changes the files. Returns what the model is told.
fn apply(turn: &Turn, memory: &Mutex<Memory>, item: OpenItem, changes: &Changes) -> String {
    let began = Instant::now();
    let (code, words) = match patch::apply(changes) {
        Ok(()) => {
            item.end(Status::Completed);
            record(turn, memory, changes);
            (0, patch::summary(changes))
        }
        Err(error) => {
            item.end(Status::Failed);
            (1, format!("{error}\n"))
        }
    };
    let seconds = began.elapsed().as_secs();
    format!("Exit code: {code}\nWall time: {seconds} seconds\nOutput:\n{words}")
}

/// Adds a patch to what the turn has done so far, and tells of it.
fn record(turn: &Turn, memory: &Mutex<Memory>, changes: &Changes) {
    let text = {
        let mut memory = lock(memory);
        let diff =
            memory.diff.get_or_insert_with(|| TurnDiff::new(project::root(Path::new(&turn.settings.surroundings.cwd))));
        diff.record(changes);
        diff.render()
    };
    turn.emit(Event::Diff(&text));
}

async fn plan(turn: &Turn, text: &str) -> Result<Changes, String> {
    let (text, cwd) = (text.to_owned(), turn.settings.surroundings.cwd.clone());
    let planned = tokio::task::spawn_blocking(move || patch::plan(&patch::parse(&text)?, Path::new(&cwd), &Disk)).await;
    planned.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

fn shown(change: &patch::Change) -> FileChange {
    FileChange {
        path: change.path.display().to_string(),
        kind: match &change.kind {
            Kind::Add => FileChangeKind::Add,
            Kind::Delete => FileChangeKind::Delete,
            Kind::Update { move_to } => {
                FileChangeKind::Update { move_to: move_to.as_ref().map(|path| path.display().to_string()) }
            }
        },
        diff: change.diff.clone(),
    }
}
