//! Which threads a list holds, in which order. Every query goes along one index, which the filter chooses, and reads
//! no more than it returns; what is shown of a thread is read afterwards.

use std::cmp::Ordering;
use std::rc::Rc;

use rusqlite::types::Value;
use rusqlite::{Connection, ToSql, params_from_iter};

use crate::query::{Cursor, Query, SortKey};

/// Of so many working directories each is asked for alone.
const FEW: usize = 16;

/// A thread's place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) key: i64,
    time: i64,
    id: String,
}

impl Hit {
    pub(super) fn cursor(&self) -> Cursor {
        Cursor { time_ms: self.time, id: Some(self.id.clone()) }
    }
}

/// The first `limit` threads after a place that fit a query, whatever text it asks for. `among`: only of these keys.
pub(super) fn hits(
    db: &Connection,
    query: &Query,
    after: Option<&Cursor>,
    limit: usize,
    among: Option<&[i64]>,
) -> rusqlite::Result<Vec<Hit>> {
    if let Some(only) = query.only.as_ref().filter(|_| among.is_none()) {
        return hits(db, query, after, limit, Some(&keys_of(db, only)?));
    }
    if among.is_some() || query.cwds.is_empty() || query.cwds.len() > FEW {
        return Sql::new(query, after, None, among).run(db, limit);
    }
    let mut hits = Vec::new();
    for cwd in &query.cwds {
        hits.append(&mut Sql::new(query, after, Some(cwd), None).run(db, limit)?);
    }
    hits.sort_unstable_by(|a, b| order(query, a, b));
    hits.dedup();
    hits.truncate(limit);
    Ok(hits)
}

fn order(query: &Query, a: &Hit, b: &Hit) -> Ordering {
    let ascending = (a.time, &a.id).cmp(&(b.time, &b.id));
    if query.ascending { ascending } else { ascending.reverse() }
}

/// A query in the making.
struct Sql {
    text: String,
    values: Vec<Box<dyn ToSql>>,
}

impl Sql {
    fn new(query: &Query, after: Option<&Cursor>, cwd: Option<&String>, among: Option<&[i64]>) -> Self {
        let time = match query.sort {
            SortKey::CreatedAt => "created",
            SortKey::UpdatedAt => "updated",
            SortKey::RecencyAt => "recency",
        };
        let index = match (among, cwd, query.creators.as_slice()) {
            (Some(_), ..) => "NOT INDEXED".to_owned(),
            (_, Some(_), _) => format!("INDEXED BY by_cwd_{time}"),
            (_, None, [_]) => format!("INDEXED BY by_account_{time}"),
            (_, None, _) => format!("INDEXED BY by_{time}"),
        };
        let text = format!("SELECT key, {time}, id FROM threads {index} WHERE listed");
        let mut sql = Self { text, values: Vec::new() };
        sql.and(" AND archived = ?", query.archived);
        match cwd {
            Some(cwd) => sql.and(" AND cwd = ?", cwd.clone()),
            None if !query.cwds.is_empty() => sql.and(" AND cwd IN rarray(?)", texts(&query.cwds)),
            None => {}
        }
        for (position, creator) in query.creators.iter().enumerate() {
            sql.and(if position == 0 { " AND (account = ?" } else { " OR account = ?" }, creator.account_id.clone());
            sql.and(" AND user IS ?", creator.user_id.clone());
        }
        if !query.creators.is_empty() {
            sql.text += ")";
        }
        if let Some(cursor) = after {
            sql.after(cursor, time, query.ascending);
        }
        if let Some(keys) = among {
            let keys: Vec<Value> = keys.iter().copied().map(Value::Integer).collect();
            sql.and(" AND key IN rarray(?)", Rc::new(keys));
        }
        sql.filters(query);
        let direction = if query.ascending { "ASC" } else { "DESC" };
        sql.text += &format!(" ORDER BY {time} {direction}, id {direction} LIMIT ?");
        sql
    }

    fn and(&mut self, text: &str, value: impl ToSql + 'static) {
        self.text += text;
        self.values.push(Box::new(value));
    }

    fn after(&mut self, cursor: &Cursor, time: &str, ascending: bool) {
        let than = if ascending { '>' } else { '<' };
        match &cursor.id {
            Some(id) => {
                self.and(&format!(" AND ({time}, id) {than} (?"), cursor.time_ms);
                self.and(", ?)", id.clone());
            }
            None => self.and(&format!(" AND {time} {}", if ascending { "> ?" } else { "<= ?" }), cursor.time_ms),
        }
    }

    fn filters(&mut self, query: &Query) {
        if !query.providers.is_empty() {
            self.and(" AND provider IN rarray(?)", texts(&query.providers));
        }
        if let Some(only) = &query.only {
            self.and(" AND id IN rarray(?)", texts(only));
        }
        if !query.without.is_empty() {
            self.and(" AND id NOT IN rarray(?)", texts(&query.without));
        }
        for (number, source) in query.sources.iter().enumerate() {
            self.and(
                if number == 0 { " AND (instr(source, ?) = 1" } else { " OR instr(source, ?) = 1" },
                source.clone(),
            );
        }
        if !query.sources.is_empty() {
            self.text.push(')');
        }
    }

    fn run(mut self, db: &Connection, limit: usize) -> rusqlite::Result<Vec<Hit>> {
        self.values.push(Box::new(i64::try_from(limit).unwrap_or(i64::MAX)));
        let mut select = db.prepare_cached(&self.text)?;
        let hit = |row: &rusqlite::Row<'_>| Ok(Hit { key: row.get(0)?, time: row.get(1)?, id: row.get(2)? });
        select.query_map(params_from_iter(&self.values), hit)?.collect()
    }
}

fn keys_of(db: &Connection, ids: &[String]) -> rusqlite::Result<Vec<i64>> {
    let mut select = db.prepare_cached("SELECT key FROM threads WHERE id IN rarray(?)")?;
    select.query_map([texts(ids)], |row| row.get(0))?.collect()
}

fn texts(texts: &[String]) -> Rc<Vec<Value>> {
    Rc::new(texts.iter().cloned().map(Value::Text).collect())
}
