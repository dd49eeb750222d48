//! The reading of a log into a [`Summary`], line by line, as far as one got. Costs a glance at what it does not need.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{GitInfo, Summary};
use crate::line::Envelope;
use crate::query::Creator;
use crate::stamp::millis;

/// How far a log has been understood. It can be put away as JSON, and goes on with the next line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// None: no `session_meta` came yet.
    summary: Option<Summary>,
    base: Option<Base>,
}

/// The history that comes before the first line of a fork: it stays in the log of the thread that was forked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The thread that was forked.
    pub thread_id: String,
    /// The first ordinal of its log that is not part of the history.
    #[serde(rename = "end_ordinal_exclusive")]
    pub end_ordinal: u64,
    /// Where that line begins.
    #[serde(rename = "end_byte_offset")]
    pub end: u64,
}

impl Fold {
    /// What the lines so far say. The place, the archive, the name and what is unread are not in a log; and what the
    /// person said first in a fork may be in its [base](Self::base).
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// Where the history begins, if not here.
    pub fn base(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// Takes the next line in. Returns what the person or the agent said in it, if it is that. A damaged line is
    /// passed over.
    pub fn line(&mut self, text: &str) -> Option<String> {
        let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
        let time = millis(&envelope.timestamp);
        let payload = envelope.payload;
        if envelope.kind == "session_meta" {
            // To note something about a thread is not to use it.
            self.meta(payload, time);
            return None;
        }
        let summary = self.summary.as_mut()?;
        if let Some(time) = time {
            summary.updated_at_ms = summary.updated_at_ms.max(time);
        }
        match &*envelope.kind {
            "turn_context" => summary.turn(parse(payload)?),
            "event_msg" => return summary.event(&parse(payload)?, time),
            _ => {}
        }
        None
    }

    /// The first of these lines is the thread's own. Later ones of the same thread tell a new state of its
    /// repository; those of other threads came along with what was copied from there.
    fn meta(&mut self, payload: &RawValue, time: Option<i64>) {
        let Some(mut meta) = parse::<Meta<'_>>(payload) else { return };
        match &mut self.summary {
            None => {
                self.base = meta.history_base.take();
                self.summary = Some(meta.summary(time));
            }
            Some(summary) if summary.id == meta.id => summary.git = meta.git,
            Some(_) => {}
        }
    }
}

impl Summary {
    fn turn(&mut self, turn: Turn<'_>) {
        self.cwd = turn.cwd.into_owned();
        self.model = Some(turn.model.into_owned());
        self.reasoning_effort = turn.effort;
    }

    fn event(&mut self, event: &Event<'_>, time: Option<i64>) -> Option<String> {
        match &*event.kind {
            "task_started" => self.recency_at_ms = self.recency_at_ms.max(time?),
            "thread_settings_applied" => {
                let settings: Settings = parse(event.thread_settings?)?;
                self.model_provider = settings.model_provider_id;
                self.cwd = settings.cwd;
            }
            "item_completed" => {
                let item: Item<'_> = parse(event.item?)?;
                let blocks: Vec<Block<'_>> = match &*item.kind {
                    "UserMessage" | "AgentMessage" => parse(item.content?)?,
                    _ => return None,
                };
                let text: String = blocks.iter().filter_map(|block| block.text.as_deref()).collect();
                if item.kind == "UserMessage" {
                    self.heard(&text, blocks.iter().any(Block::is_image));
                }
                return Some(text);
            }
            "user_message" => {
                let text: String = parse(event.message?)?;
                let images = [event.images, event.local_images];
                self.heard(&text, images.iter().flatten().any(|images| images.get().contains('"')));
                return Some(text);
            }
            "agent_message" => return parse(event.message?),
            _ => {}
        }
        None
    }

    fn heard(&mut self, text: &str, image: bool) {
        if self.preview.is_empty() {
            let text = text.trim();
            (if text.is_empty() && image { "[Image]" } else { text }).clone_into(&mut self.preview);
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// The payload of a `session_meta`.
#[derive(Deserialize)]
struct Meta<'a> {
    id: String,
    session_id: Option<String>,
    #[serde(borrow, default)]
    timestamp: Cow<'a, str>,
    #[serde(default)]
    cwd: String,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    thread_source: Option<String>,
    originator: Option<String>,
    #[serde(default)]
    cli_version: String,
    model_provider: Option<String>,
    history_mode: Option<String>,
    forked_from_id: Option<String>,
    history_base: Option<Base>,
    git: Option<GitInfo>,
    creator_account_id: Option<String>,
    creator_user_id: Option<String>,
}

impl Meta<'_> {
    fn summary(self, written: Option<i64>) -> Summary {
        let created_at_ms = millis(&self.timestamp).or(written).unwrap_or_default();
        Summary {
            session_id: self.session_id.unwrap_or_else(|| self.id.clone()),
            id: self.id,
            created_at_ms,
            updated_at_ms: created_at_ms,
            recency_at_ms: created_at_ms,
            cwd: self.cwd,
            source: self.source.map_or(r#""vscode""#, RawValue::get).to_owned(),
            thread_source: self.thread_source,
            originator: self.originator,
            cli_version: self.cli_version,
            model_provider: self.model_provider.unwrap_or_default(),
            history_mode: self.history_mode.unwrap_or_else(|| "legacy".to_owned()),
            forked_from_id: self.forked_from_id,
            git: self.git,
            creator: self.creator_account_id.map(|account_id| Creator { account_id, user_id: self.creator_user_id }),
            ..Summary::default()
        }
    }
}

/// The payload of a `turn_context`.
#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    cwd: Cow<'a, str>,
    #[serde(borrow)]
    model: Cow<'a, str>,
    effort: Option<String>,
}

/// The payload of an `event_msg`.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    images: Option<&'a RawValue>,
    #[serde(borrow)]
    local_images: Option<&'a RawValue>,
    #[serde(borrow)]
    thread_settings: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Settings {
    model_provider_id: String,
    cwd: String,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// A part of what was said.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    text: Option<String>,
}

impl Block<'_> {
    fn is_image(&self) -> bool {
        matches!(&*self.kind, "image" | "local_image")
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::{Base, Fold};
    use crate::query::Creator;
    use crate::stamp::millis;
    use crate::summary::Summary;

    fn line(second: u32, kind: &str, payload: Value) -> String {
        let timestamp = format!("2026-11-21T17:08:{second:02}.500Z");
        json!({"timestamp": timestamp, "ordinal": second, "type": kind, "payload": payload}).to_string()
    }

    fn meta(id: &str, git: Option<&str>) -> Value {
        json!({
            "id": id, "session_id": "the session", "timestamp": "2026-11-21T17:08:00.123Z", "cwd": "/first",
            "originator": "parent_app", "cli_version": "0.169.0", "source": {"subagent": "review"},
            "model_provider": "local", "history_mode": "paginated", "creator_account_id": "acct",
            "base_instructions": {"text": "much"}, "git": git.map(|branch| json!({"branch": branch})),
        })
    }

    fn said(kind: &str, text: &str) -> Value {
        let block = if kind == "UserMessage" { "text" } else { "Text" };
        json!({"type": "item_completed", "item": {"type": kind, "content": [{"type": block, "text": text}]}})
    }

    fn folded(lines: &[String]) -> (Fold, Vec<String>) {
        let mut fold = Fold::default();
        let said = lines.iter().filter_map(|line| fold.line(line)).collect();
        (fold, said)
    }

    #[test]
    fn a_log_is_summed_up() {
        let (fold, said) = folded(&[
            line(1, "session_meta", meta("one", None)),
            line(2, "event_msg", json!({"type": "task_started", "started_at": 1})),
            line(3, "turn_context", json!({"cwd": "/then", "model": "gpt", "effort": "high"})),
            line(4, "event_msg", said("UserMessage", " Hello\nwörld ")),
            line(5, "event_msg", said("AgentMessage", "Hi")),
            line(6, "event_msg", said("UserMessage", "And?")),
            line(7, "from_the_future", json!([1])),
        ]);
        assert_eq!(said, [" Hello\nwörld ", "Hi", "And?"]);
        let base = millis("2026-11-21T17:08:00Z").unwrap();
        let expected = Summary {
            id: "one".to_owned(),
            session_id: "the session".to_owned(),
            preview: "Hello\nwörld".to_owned(),
            created_at_ms: base + 123,
            updated_at_ms: base + 7500,
            recency_at_ms: base + 2500,
            cwd: "/then".to_owned(),
            source: r#"{"subagent":"review"}"#.to_owned(),
            originator: Some("parent_app".to_owned()),
            cli_version: "0.169.0".to_owned(),
            model_provider: "local".to_owned(),
            model: Some("gpt".to_owned()),
            reasoning_effort: Some("high".to_owned()),
            history_mode: "paginated".to_owned(),
            creator: Some(Creator { account_id: "acct".to_owned(), user_id: None }),
            ..Summary::default()
        };
        assert_eq!(fold.summary(), Some(&expected));
    }

    #[test]
    fn older_logs_tell_what_was_said_in_their_own_way() {
        let (fold, said) = folded(&[
            line(1, "session_meta", json!({"id": "one", "source": "cli"})),
            line(2, "event_msg", json!({"type": "user_message", "message": "", "images": ["data:"]})),
            line(3, "event_msg", json!({"type": "user_message", "message": "Look", "images": []})),
            line(4, "event_msg", json!({"type": "agent_message", "message": "I do"})),
        ]);
        assert_eq!(said, ["", "Look", "I do"]);
        let summary = fold.summary().unwrap();
        assert_eq!((summary.preview.as_str(), summary.source.as_str()), ("[Image]", r#""cli""#));
        assert_eq!((summary.session_id.as_str(), summary.history_mode.as_str()), ("one", "legacy"));
        assert_eq!(summary.created_at_ms, millis("2026-11-21T17:08:01.500Z").unwrap());
    }

    #[test]
    fn the_first_line_says_which_thread_it_is() {
        let (fold, _) = folded(&[
            line(1, "session_meta", meta("fork", Some("a"))),
            line(2, "session_meta", meta("source", Some("b"))),
        ]);
        let summary = fold.summary().unwrap();
        assert_eq!((summary.id.as_str(), summary.git.as_ref().unwrap().branch.as_deref()), ("fork", Some("a")));
        let (fold, _) = folded(&[
            line(1, "session_meta", meta("same", Some("a"))),
            line(2, "session_meta", meta("same", Some("b"))),
        ]);
        assert_eq!(fold.summary().unwrap().git.as_ref().unwrap().branch.as_deref(), Some("b"));
    }

    #[test]
    fn a_fork_names_the_log_that_holds_its_history() {
        let base = json!({"thread_id": "source", "end_ordinal_exclusive": 14, "end_byte_offset": 47504});
        let (fold, _) = folded(&[line(1, "session_meta", json!({"id": "fork", "history_base": base}))]);
        assert_eq!(fold.base(), Some(&Base { thread_id: "source".to_owned(), end_ordinal: 14, end: 47504 }));
    }

    #[test]
    fn times_never_go_back() {
        let (fold, _) = folded(&[
            line(1, "session_meta", meta("one", None)),
            line(9, "event_msg", json!({"type": "task_started"})),
            line(3, "event_msg", json!({"type": "task_started"})),
        ]);
        let summary = fold.summary().unwrap();
        assert_eq!((summary.updated_at_ms, summary.recency_at_ms), (summary.updated_at_ms, summary.updated_at_ms));
        assert_eq!(Some(summary.updated_at_ms), millis("2026-11-21T17:08:09.500Z"));
    }

    #[test]
    fn a_fold_that_was_put_away_goes_on_where_it_stopped() {
        let lines = [
            line(1, "session_meta", meta("one", None)),
            line(2, "event_msg", said("UserMessage", "Hello")),
            line(3, "event_msg", json!({"type": "task_started"})),
            "{\"timestamp\":".to_owned(),
        ];
        let (whole, _) = folded(&lines);
        for cut in 0..=lines.len() {
            let (fold, _) = folded(&lines[..cut]);
            let mut fold: Fold = serde_json::from_str(&serde_json::to_string(&fold).unwrap()).unwrap();
            for line in &lines[cut..] {
                fold.line(line);
            }
            assert_eq!(fold, whole);
        }
    }

    #[test]
    fn nothing_is_known_before_the_head() {
        let (fold, said) = folded(&[line(1, "event_msg", said("UserMessage", "Hello"))]);
        assert_eq!((fold.summary(), said.len()), (None, 0));
    }
}
