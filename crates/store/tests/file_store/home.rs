//! A home for tests, and logs in it that another program wrote.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;
use valet_store::{FileStore, NewLine, Query, Summary, ThreadStore};

pub(super) struct Home {
    dir: TempDir,
}

impl Home {
    pub(super) fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn store(&self) -> FileStore {
        FileStore::open(self.path())
    }

    pub(super) fn index(&self) -> PathBuf {
        self.path().join("valet-index.sqlite")
    }

    /// A thread as another program writes it, into a day of its own choice.
    pub(super) fn foreign(&self, day: &str, said: &[&str]) -> (String, PathBuf) {
        let id = Uuid::now_v7().to_string();
        let folder = self.path().join("sessions").join(day);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("rollout-{}T01-02-03-{id}.jsonl", day.replace('/', "-")));
        append(&path, &meta(&id));
        for text in said {
            append(&path, &user(text));
        }
        (id, path)
    }
}

/// A line at the end of a file.
pub(super) fn append(path: &Path, line: &Value) {
    let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

pub(super) fn meta(id: &str) -> Value {
    let payload = json!({"id": id, "timestamp": "2026-01-02T03:04:05.678Z", "cwd": "/work", "source": "cli",
        "cli_version": "1", "model_provider": "local"});
    json!({"timestamp": "2026-01-02T03:04:05.679Z", "ordinal": 0, "type": "session_meta", "payload": payload})
}

pub(super) fn user(text: &str) -> Value {
    json!({"timestamp": chrono::Utc::now().to_rfc3339(), "type": "event_msg", "payload": said(text)})
}

pub(super) fn said(text: &str) -> Value {
    json!({"type": "item_completed", "item": {"type": "UserMessage", "content": [{"type": "text", "text": text}]}})
}

/// A thread of the store's own.
pub(super) fn own(store: &FileStore, text: &str) -> String {
    let id = Uuid::now_v7();
    let head = NewLine::new("session_meta", &meta(&id.to_string())["payload"]).unwrap();
    store.create(id, head).unwrap().append(&[line(text)]).unwrap();
    id.to_string()
}

pub(super) fn line(text: &str) -> NewLine {
    NewLine::new("event_msg", &said(text)).unwrap()
}

pub(super) fn all() -> Query {
    Query { limit: 1000, ..Query::default() }
}

pub(super) fn list(store: &FileStore) -> Vec<Summary> {
    store.list(&all()).unwrap().data
}

/// The ids in a list, sorted.
pub(super) fn ids(store: &FileStore) -> Vec<String> {
    let mut ids: Vec<_> = list(store).into_iter().map(|thread| thread.id).collect();
    ids.sort();
    ids
}

/// The ids of the threads in which a text was said, sorted.
pub(super) fn found(store: &FileStore, text: &str) -> Vec<String> {
    let mut ids: Vec<_> = store.search(text, &all()).unwrap().data.into_iter().map(|found| found.thread.id).collect();
    ids.sort();
    ids
}
