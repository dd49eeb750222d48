//! What lists are asked for.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::summary::Summary;
use crate::text;

/// Who may see a thread: the account and the user that it was started with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creator {
    /// The account.
    pub account_id: String,
    /// The user, where the login says it.
    pub user_id: Option<String>,
}

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortKey {
    /// When the thread was started.
    #[default]
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// When it was last used.
    RecencyAt,
}

/// A place between two threads of a sorted list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The sort key of the thread, in unix milliseconds.
    pub time_ms: i64,
    /// Its id. None: before every thread of that time in descending order, after them in ascending order.
    pub id: Option<String>,
}

/// Which threads, in which order.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// What to sort by.
    pub sort: SortKey,
    /// The oldest first.
    pub ascending: bool,
    /// Only what comes after it.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
    /// Those in the archive instead of the others.
    pub archived: bool,
    /// Only of these providers. Empty: of all.
    pub providers: Vec<String>,
    /// Only from these sources: the JSON of a thread's begins with one of these. Empty: from all.
    pub sources: Vec<String>,
    /// Only of these working directories. Empty: of all.
    pub cwds: Vec<String>,
    /// Only if the name or the preview holds this text, in any case.
    pub text: Option<String>,
    /// Only these. None: all.
    pub only: Option<Vec<String>>,
    /// Without these.
    pub without: Vec<String>,
    /// Only what these accounts may see. Empty: all.
    pub creators: Vec<Creator>,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// In the order asked for.
    pub data: Vec<T>,
    /// Whether there is more behind it.
    pub more: bool,
}

/// A thread that holds a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The thread.
    pub thread: Summary,
    /// Where it holds it: some words around the text.
    pub snippet: String,
}

impl SortKey {
    /// What a thread is sorted by, in unix milliseconds.
    pub fn of(self, thread: &Summary) -> i64 {
        match self {
            Self::CreatedAt => thread.created_at_ms,
            Self::UpdatedAt => thread.updated_at_ms,
            Self::RecencyAt => thread.recency_at_ms,
        }
    }
}

impl Cursor {
    /// The place after a thread.
    pub fn after(thread: &Summary, sort: SortKey) -> Self {
        Self { time_ms: sort.of(thread), id: Some(thread.id.clone()) }
    }
}

impl Query {
    /// Whether the list holds a thread, on whatever page.
    pub(crate) fn admits(&self, thread: &Summary) -> bool {
        fn one_of(wanted: &[String], is: impl Fn(&str) -> bool) -> bool {
            wanted.is_empty() || wanted.iter().any(|one| is(one))
        }
        let holds = |text: &str| {
            let names = [Some(&thread.preview), thread.name.as_ref()];
            names.into_iter().flatten().any(|name| text::find(name, text).is_some())
        };
        !thread.preview.is_empty()
            && thread.archived == self.archived
            && one_of(&self.providers, |provider| thread.model_provider == provider)
            && one_of(&self.sources, |source| thread.source.starts_with(source))
            && one_of(&self.cwds, |cwd| thread.cwd == cwd)
            && self.text.as_deref().is_none_or(holds)
            && self.only.as_ref().is_none_or(|only| only.contains(&thread.id))
            && !self.without.contains(&thread.id)
            && (self.creators.is_empty() || thread.creator.as_ref().is_some_and(|one| self.creators.contains(one)))
    }

    /// The page that is asked for, of all that the list holds in any order.
    pub(crate) fn page<T>(&self, mut all: Vec<T>, thread: impl Fn(&T) -> &Summary) -> Page<T> {
        let place = |one: &T| (self.sort.of(thread(one)), thread(one).id.clone());
        if let Some(Cursor { time_ms, id }) = &self.after {
            // No id is larger than any.
            all.retain(|one| {
                let order = self.sort.of(thread(one)).cmp(time_ms);
                let order = order.then_with(|| id.as_ref().map_or(Ordering::Less, |id| thread(one).id.cmp(id)));
                order == if self.ascending { Ordering::Greater } else { Ordering::Less }
            });
        }
        all.sort_by_cached_key(place);
        if !self.ascending {
            all.reverse();
        }
        let more = all.len() > self.limit;
        all.truncate(self.limit);
        Page { data: all, more }
    }
}
