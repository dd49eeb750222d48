//! The comparison as rows: one for each message that either side knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::bindings::{
    self, Bindings, CLIENT_NOTIFICATIONS, NOTIFICATIONS, REQUESTS, Reference, SERVER_REQUESTS, Sort,
};
use crate::compare::{Comparer, Differences, Side, Verdict};
use crate::typescript::Question;

/// Everything that the page shows.
pub(crate) struct Table {
    pub(crate) requests: Vec<Row>,
    pub(crate) server_requests: Vec<Row>,
    pub(crate) notifications: Vec<Row>,
    pub(crate) client_notifications: Vec<Row>,
    pub(crate) reads: Comparer,
    pub(crate) writes: Comparer,
}

/// A message.
pub(crate) struct Row {
    pub(crate) method: String,
    /// Whether the reference asks for `experimentalApi` before it may be used.
    pub(crate) experimental: bool,
    pub(crate) presence: Presence,
    pub(crate) params: Option<Cell>,
    /// Notifications have none.
    pub(crate) result: Option<Cell>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Both,
    Absent,
    OnlyOurs,
}

/// One direction of a message.
pub(crate) struct Cell {
    pub(crate) differences: Differences,
    pub(crate) typescript: Verdict,
}

impl Table {
    pub(crate) fn make(codex: &Path, tsc: &Path) -> Self {
        let reference = Reference::generate(codex);
        let ours = Bindings::read(&bindings::ours().join("json"));
        let meta = bindings::meta();
        let mut maker = Maker {
            ours: &ours,
            reference: &reference,
            meta: &meta,
            typescript: ask(tsc, &reference, &ours, &meta),
            reads: Comparer::new(Side::Reads),
            writes: Comparer::new(Side::Writes),
        };
        Self {
            requests: maker.rows(REQUESTS, Side::Reads),
            server_requests: maker.rows(SERVER_REQUESTS, Side::Writes),
            notifications: maker.rows(NOTIFICATIONS, Side::Writes),
            client_notifications: maker.rows(CLIENT_NOTIFICATIONS, Side::Reads),
            reads: maker.reads,
            writes: maker.writes,
        }
    }
}

/// Has the compiler compare every message that both know.
fn ask(tsc: &Path, reference: &Reference, ours: &Bindings, meta: &Value) -> BTreeMap<String, Verdict> {
    let mut question = Question::new(reference.typescript());
    for sort in [REQUESTS, SERVER_REQUESTS, NOTIFICATIONS, CLIENT_NOTIFICATIONS] {
        let known = reference.all.params(sort);
        for method in ours.params(sort).into_keys().filter(|method| known.contains_key(method)) {
            question.params(sort, method);
            if let Some(result) = meta[sort.1][method]["response"].as_str() {
                question.result(method, result);
            }
        }
    }
    question.ask(tsc)
}

struct Maker<'a> {
    ours: &'a Bindings,
    reference: &'a Reference,
    meta: &'a Value,
    typescript: BTreeMap<String, Verdict>,
    reads: Comparer,
    writes: Comparer,
}

impl Maker<'_> {
    /// The rows of a sort of messages that the server reads or writes.
    fn rows(&mut self, sort: Sort, side: Side) -> Vec<Row> {
        let (reference, ours) = (self.reference.all.params(sort), self.ours.params(sort));
        let stable = self.reference.stable.params(sort);
        let methods: BTreeSet<&str> = reference.keys().chain(ours.keys()).copied().collect();
        let row = |method: &str| {
            let mut row = Row {
                method: method.to_owned(),
                experimental: reference.contains_key(method) && !stable.contains_key(method),
                presence: Presence::Both,
                params: None,
                result: None,
            };
            match (reference.get(method), ours.get(method)) {
                (Some(reference), Some(ours)) => {
                    let differences = self.side(side).message(*reference, *ours);
                    row.params = Some(Cell { differences, typescript: self.typescript[&format!("{method} params")] });
                    row.result = self.result(&self.meta[sort.1][method], method, side);
                }
                (Some(_), None) => row.presence = Presence::Absent,
                _ => row.presence = Presence::OnlyOurs,
            }
            row
        };
        methods.into_iter().map(row).collect()
    }

    /// The answer goes the other way.
    fn result(&mut self, meta: &Value, method: &str, side: Side) -> Option<Cell> {
        let name = meta["response"].as_str()?;
        let reference = self.reference.all.file(name).expect("the reference names its results as we do");
        let ours = self.ours.file(name).expect("our list of methods names our files");
        let answers = if side == Side::Reads { Side::Writes } else { Side::Reads };
        let differences = self.side(answers).message(reference, ours);
        Some(Cell { differences, typescript: self.typescript[&format!("{method} result")] })
    }

    fn side(&mut self, side: Side) -> &mut Comparer {
        if side == Side::Reads { &mut self.reads } else { &mut self.writes }
    }
}
