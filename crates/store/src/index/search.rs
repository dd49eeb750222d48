//! Finding a text. Most of what people look for is common or recent, and is found by reading what was said in the
//! order of the list; what is rare is found by its letters. So neither a common text nor a rare one costs a look at
//! everything, nor does one of a letter or two.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::query::{Hit, hits};
use super::rows::PIECE_BITS;
use crate::query::Query;
use crate::text::snippet;

/// How much is read in the order of the list before the letters are asked.
const LOOK: usize = 1 << 20;
/// What looking at a thread costs beyond its text, in bytes of text.
const COST: usize = 1 << 10;
/// How many threads are asked for at once.
const BATCH: usize = 256;
/// What is in so many pieces, as its letters say, is not rare: to go on in the order of the list is as good.
const MANY: i64 = 10_000;
/// So many letters make rare what is rare.
const MAX_GRAMS: usize = 32;

/// Where a text is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum In {
    /// In the name and the preview.
    Title,
    /// In what the person and the agent said.
    Said,
}

/// Threads with the words around the text in them, one more than the query's limit if there are more.
pub(super) fn search(db: &Connection, query: &Query, text: &str, place: In) -> rusqlite::Result<Vec<(Hit, String)>> {
    let folded = fold(text);
    let mut search = Search { db, query, text, folded, place, read: 0, scratch: String::new(), found: Vec::new() };
    search.run()?;
    Ok(search.found)
}

struct Search<'a> {
    db: &'a Connection,
    query: &'a Query,
    text: &'a str,
    folded: String,
    place: In,
    read: usize,
    scratch: String,
    found: Vec<(Hit, String)>,
}

impl Search<'_> {
    fn run(&mut self) -> rusqlite::Result<()> {
        let mut after = self.query.after.clone();
        let mut asked = false;
        loop {
            let batch = hits(self.db, self.query, after.as_ref(), BATCH, None)?;
            let end = batch.len() < BATCH;
            after = batch.last().map(Hit::cursor).or(after);
            if self.look_into(batch)? || end {
                return Ok(());
            }
            if !asked && self.read > LOOK {
                asked = true;
                if let Some(keys) = candidates(self.db, self.text, &self.folded, self.place)? {
                    let rest = hits(self.db, self.query, after.as_ref(), keys.len(), Some(&keys))?;
                    return self.look_into(rest).map(drop);
                }
            }
        }
    }

    /// Looks into threads, one after the other. Returns whether enough was found.
    fn look_into(&mut self, hits: Vec<Hit>) -> rusqlite::Result<bool> {
        for hit in hits {
            if self.look(hit)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks into one thread. Returns whether that is enough.
    fn look(&mut self, hit: Hit) -> rusqlite::Result<bool> {
        let first = hit.key << PIECE_BITS;
        let (from, to) = match self.place {
            In::Title => (first, first + 1),
            In::Said => (first + 1, (hit.key + 1) << PIECE_BITS),
        };
        let sql = "SELECT text FROM said WHERE key >= ? AND key < ? ORDER BY key";
        let mut select = self.db.prepare_cached(sql)?;
        let mut rows = select.query([from, to])?;
        self.read += COST;
        while let Some(row) = rows.next()? {
            let text = row.get_ref(0)?.as_str()?;
            self.read += text.len();
            if holds(text, &self.folded, &mut self.scratch) {
                self.found.push((hit, snippet(text, self.text).unwrap_or_default()));
                break;
            }
        }
        Ok(self.found.len() > self.query.limit)
    }
}

/// The threads that may hold a text, and those that are not indexed yet. None: they are many.
fn candidates(db: &Connection, text: &str, folded: &str, place: In) -> rusqlite::Result<Option<Vec<i64>>> {
    let (mut keys, mut pieces) = (Vec::new(), 0);
    let letters: Vec<char> = text.chars().collect();
    let mut take = |piece: i64| {
        pieces += 1;
        let is_title = piece & ((1 << PIECE_BITS) - 1) == 0;
        if is_title == (place == In::Title) && keys.last() != Some(&(piece >> PIECE_BITS)) {
            keys.push(piece >> PIECE_BITS);
        }
    };
    if letters.len() >= 3 {
        let grams: BTreeSet<String> = letters.windows(3).take(MAX_GRAMS).map(quoted).collect();
        let grams: Vec<String> = grams.into_iter().collect();
        let mut select = db.prepare_cached("SELECT rowid FROM words WHERE words MATCH ? LIMIT ?")?;
        let mut rows = select.query(params![grams.join(" AND "), MANY])?;
        while let Some(row) = rows.next()? {
            take(row.get(0)?);
        }
    } else {
        // Whatever three letters begin with these.
        let mut select =
            db.prepare_cached("SELECT doc FROM letters WHERE term >= ? AND term < ? || char(1114111) LIMIT ?")?;
        let mut rows = select.query(params![folded, folded, MANY])?;
        while let Some(row) = rows.next()? {
            take(row.get(0)?);
        }
    }
    if pieces == MANY {
        return Ok(None);
    }
    let mut select = db.prepare_cached("SELECT key FROM threads WHERE indexed < pieces")?;
    let unindexed = select.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    keys.extend(unindexed);
    keys.sort_unstable();
    keys.dedup();
    Ok(Some(keys))
}

fn quoted(letters: &[char]) -> String {
    format!("\"{}\"", String::from_iter(letters).replace('"', "\"\""))
}

/// A text without its case, letter by letter.
fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether `text` holds `needle`, which is folded. Much cheaper than to know where.
fn holds(text: &str, needle: &str, scratch: &mut String) -> bool {
    scratch.clear();
    if needle.is_ascii() || text.is_ascii() {
        scratch.push_str(text);
        scratch.make_ascii_lowercase();
    } else {
        scratch.extend(text.chars().flat_map(char::to_lowercase));
    }
    scratch.contains(needle)
}
