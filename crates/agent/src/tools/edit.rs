//! `apply_patch`: files are changed all together or not at all, within what the turn may do.

use std::path::Path;
use std::time::Instant;

use valet_tools::patch::{self, Changes, Disk, Kind, TurnDiff};

use super::{Called, Tools};
use crate::client::{Decision, PatchQuestion};
use crate::event::{Event, Waiting};
use crate::item::{FileChange, FileChangeKind, Item, ItemKind, Patch, Status};
use crate::permission::{Approvals, may_write};
use crate::tool::ToolCall;
use crate::turn::Turn;

impl Tools {
    pub(super) async fn apply_patch(&self, turn: &Turn, call: &ToolCall) -> Called {
        let changes = match plan(turn, &call.input).await {
            Ok(changes) => changes,
            Err(words) => return format!("apply_patch verification failed: {words}").into(),
        };
        let shown = Patch { changes: changes.iter().map(shown).collect(), status: Status::InProgress };
        let item = Item::started(&call.call_id, ItemKind::Patch(shown.clone()));
        turn.emit(Event::ItemStarted(&item));
        let complete = |status| {
            let item = Item { kind: ItemKind::Patch(Patch { status, ..shown.clone() }), ..item.clone() };
            turn.emit(Event::ItemCompleted(&item.completed()));
        };
        if let Err((status, called)) = self.permit(turn, &changes, &item).await {
            complete(status);
            return called;
        }
        let began = Instant::now();
        let (applied, changes) = match tokio::task::spawn_blocking(move || (patch::apply(&changes), changes)).await {
            Ok(applied) => applied,
            Err(error) => {
                complete(Status::Failed);
                return format!("the patch was not applied: {error}").into();
            }
        };
        let (code, words) = match applied {
            Ok(()) => {
                complete(Status::Completed);
                self.record(turn, &changes);
                (0, patch::summary(&changes))
            }
            Err(error) => {
                complete(Status::Failed);
                (1, format!("{error}\n"))
            }
        };
        let seconds = began.elapsed().as_secs();
        format!("Exit code: {code}\nWall time: {seconds} seconds\nOutput:\n{words}").into()
    }

    /// Whether the patch may be applied. Otherwise how its item ends, and what the model is told.
    async fn permit(&self, turn: &Turn, changes: &Changes, item: &Item) -> Result<(), (Status, Called)> {
        let settings = &turn.settings;
        let within = changes.paths().all(|path| may_write(&settings.sandbox, path));
        if within && settings.approvals != Approvals::Untrusted || self.memory().patches {
            return Ok(());
        }
        if matches!(settings.approvals, Approvals::Never | Approvals::Granular { sandbox: false, .. }) {
            let words = "writing outside of the project; rejected by user approval settings";
            return Err((Status::Declined, format!("patch rejected: {words}").into()));
        }
        let waiting = turn.waiting(Waiting::Approval);
        let question = PatchQuestion { item_id: item.id.clone(), started_at_ms: item.started_at_ms, reason: None };
        let decision = self.client.approve_patch(&turn.id, question).await;
        drop(waiting);
        match decision {
            Decision::Accept => Ok(()),
            Decision::AcceptForSession => {
                self.memory().patches = true;
                Ok(())
            }
            Decision::Cancel => Err((Status::Declined, Called::Stop)),
            Decision::Decline | Decision::AcceptPrefix(_) => {
                Err((Status::Declined, "patch rejected by user".to_owned().into()))
            }
            Decision::Failed => Err((Status::Failed, "patch rejected: approval request failed".to_owned().into())),
        }
    }

    /// Adds a patch to what the turn has done so far, and tells of it.
    fn record(&self, turn: &Turn, changes: &Changes) {
        let text = {
            let mut memory = self.memory();
            let diff = memory.diff.get_or_insert_with(|| TurnDiff::new(root(&turn.settings.surroundings.cwd)));
            diff.record(changes);
            diff.render()
        };
        turn.emit(Event::Diff(&text));
    }
}

/// The root of the repository that a directory is in, or the directory.
fn root(cwd: &str) -> &Path {
    let cwd = Path::new(cwd);
    cwd.ancestors().find(|path| path.join(".git").exists()).unwrap_or(cwd)
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
