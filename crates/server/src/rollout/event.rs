//! The lines of a log that turns are made of, read as far as that needs.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use valet_protocol::v2;
use valet_store::Line;

use super::line::{StoredError, Times};

/// Lines that say nothing about turns: most of a log.
const SILENT: [&str; 5] = ["response_item\"", "turn_context\"", "world_state\"", "token_usage_record\"", "compacted\""];

/// What a line says about turns.
#[derive(Debug)]
pub(super) enum Said<'a> {
    /// The head of a log; whether items are told in the old way from here on.
    Head { legacy: bool },
    /// A turn began.
    Started { turn_id: Cow<'a, str>, root_turn_id: Option<String>, started_at: Option<i64> },
    /// An item of a turn is whole.
    Item { turn_id: Cow<'a, str>, item: &'a RawValue, started_at_ms: Option<i64>, completed_at_ms: Option<i64> },
    /// A turn ended.
    Ended { turn_id: Cow<'a, str>, root_turn_id: Option<String>, end: End, times: Times },
    /// The old way: an item of the turn that runs.
    Legacy(v2::ThreadItemDetails),
    /// The old way: the latest turns count no more.
    RolledBack { turns: usize },
}

/// How a turn ended.
#[derive(Debug)]
pub(super) enum End {
    Completed,
    Interrupted,
    Failed(v2::TurnError),
}

/// The payload of an `event_msg`. Members of other events have these names, too, so what is not a number or an id is
/// looked at later.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    turn_id: Cow<'a, str>,
    root_turn_id: Option<String>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    started_at_ms: Option<i64>,
    completed_at_ms: Option<i64>,
    started_at: Option<i64>,
    completed_at: Option<i64>,
    duration_ms: Option<i64>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A line that is an event, read in one go.
#[derive(Deserialize)]
struct EventLine<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    payload: Event<'a>,
}

impl<'a> Said<'a> {
    /// None: the line says nothing about turns, or is damaged.
    pub(super) fn of(line: &'a Line, legacy: bool) -> Option<Self> {
        if is_silent(line) {
            return None;
        }
        // Most lines that come here are events, and long logs have very many.
        if !legacy
            && let Ok(EventLine { kind, payload }) = serde_json::from_str(&line.text)
            && kind == "event_msg"
        {
            return payload.said(None);
        }
        let line = line.envelope()?;
        match &*line.kind {
            "event_msg" => {
                let event: Event<'a> = serde_json::from_str(line.payload.get()).ok()?;
                event.said(legacy.then_some(line.payload))
            }
            "session_meta" => {
                #[derive(Deserialize)]
                struct Head<'a> {
                    #[serde(default, borrow)]
                    history_mode: Cow<'a, str>,
                }
                let head: Head<'_> = serde_json::from_str(line.payload.get()).ok()?;
                Some(Self::Head { legacy: head.history_mode != "paginated" })
            }
            _ => None,
        }
    }
}

impl<'a> Event<'a> {
    /// In a legacy log, `legacy` is the whole payload.
    fn said(self, legacy: Option<&'a RawValue>) -> Option<Said<'a>> {
        let Self { turn_id, root_turn_id, started_at, .. } = self;
        let times = Times { started_at, completed_at: self.completed_at, duration_ms: self.duration_ms };
        let in_the_old_way = |kind: &str| super::legacy::read(kind, legacy?);
        match &*self.kind {
            kind if turn_id.is_empty() => in_the_old_way(kind),
            "task_started" => Some(Said::Started { turn_id, root_turn_id, started_at }),
            "item_completed" if legacy.is_none() => Some(Said::Item {
                turn_id,
                item: self.item?,
                started_at_ms: self.started_at_ms,
                completed_at_ms: self.completed_at_ms,
            }),
            "task_complete" => {
                let end = self.error.map_or(End::Completed, |error| End::Failed(StoredError::read(error).into()));
                Some(Said::Ended { turn_id, root_turn_id, end, times })
            }
            "turn_aborted" => Some(Said::Ended { turn_id, root_turn_id, end: End::Interrupted, times }),
            kind => in_the_old_way(kind),
        }
    }
}

/// The turn that begins with this payload of an `event_msg`, if one does.
pub(crate) fn started(payload: &RawValue) -> Option<String> {
    let event: Event<'_> = serde_json::from_str(payload.get()).ok()?;
    (event.kind == "task_started" && !event.turn_id.is_empty()).then(|| event.turn_id.into_owned())
}

/// Whether the line certainly says nothing about turns. Who writes its type before its payload, as everybody does, need
/// not be read any further.
pub(super) fn is_silent(line: &Line) -> bool {
    let kind = line.text.split_once("\"type\":\"").map(|(_, kind)| kind);
    kind.is_some_and(|kind| SILENT.iter().any(|silent| kind.starts_with(silent)))
}
