//! A new thread that begins with what happened in another one. The lines are copied: the new thread does not need the
//! old one, whatever becomes of it.

use chrono::{SecondsFormat, Utc};
use uuid::Uuid;
use valet_store::{Creator, Direction, GitInfo, Line, Lines, NewLine, Position, StoreError, ThreadStore};

use super::{History, Stored};
use crate::rollout::{SessionMeta, Settings, line};

/// How much is copied in one go.
const CHUNK: usize = 1024 * 1024;

/// What is to be forked, and how.
pub(crate) struct Fork {
    /// The new thread.
    pub(crate) id: Uuid,
    /// The one that it begins with.
    pub(crate) source_id: String,
    pub(crate) name: Option<String>,
    pub(crate) originator: Option<String>,
    pub(crate) thread_source: Option<String>,
    pub(crate) creator: Option<Creator>,
    /// What repository the other one works in.
    pub(crate) git: Option<GitInfo>,
    /// Where the first turn begins that is not taken over, if there is one.
    pub(crate) cut: Option<Position>,
}

impl Fork {
    /// Writes the new thread's log. May wait for a disk.
    ///
    /// # Errors
    ///
    /// The old log cannot be read, or the new one not be written.
    pub(crate) fn write(self, store: &dyn ThreadStore, history: History) -> Result<Stored, StoreError> {
        let lines = history.into_lines();
        let end = self.cut.unwrap_or(lines.end()?);
        let settings = Settings::read(&lines)?;
        let id = self.id.to_string();
        let mut log = store.create(self.id, self.head(SessionMeta::read(&lines)?)?)?;
        let mut at = Position::START;
        while at < end {
            let chunk = lines.read(at, Direction::Forward, CHUNK)?;
            let Some(last) = chunk.last() else { break };
            at = last.next;
            let copies: Vec<NewLine> = chunk.iter().take_while(|line| line.at < end).filter_map(copy).collect();
            log.append(&copies)?;
        }
        log.append(line::settings_applied(&id, &settings).ok().as_slice())?;
        if let Some(name) = &self.name {
            store.set_name(&id, name)?;
        }
        Stored::read(log)
    }

    fn head(&self, source: SessionMeta) -> Result<NewLine, StoreError> {
        let id = self.id.to_string();
        let meta = SessionMeta {
            session_id: id.clone(),
            id,
            forked_from_id: Some(self.source_id.clone()),
            timestamp: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            originator: self.originator.clone().unwrap_or(source.originator),
            thread_source: self.thread_source.clone(),
            git: self.git.clone(),
            creator_account_id: self.creator.as_ref().map(|creator| creator.account_id.clone()),
            creator_user_id: self.creator.as_ref().and_then(|creator| creator.user_id.clone()),
            ..source
        };
        meta.line().map_err(|error| StoreError::Damaged { id: self.source_id.clone(), reason: error.to_string() })
    }
}

/// A line for the new log; it has a head of its own.
fn copy(line: &Line) -> Option<NewLine> {
    let envelope = line.envelope().filter(|line| line.kind != "session_meta")?;
    Some(NewLine { kind: envelope.kind.into_owned().into(), payload: envelope.payload.to_owned().into() })
}
