//! A search whose query changes as it is typed: one walk, and matches of the latest query while it goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::catalog::Catalog;
use super::rank::Found;

/// How often matches are told while the walk goes on.
const PERIOD: Duration = Duration::from_millis(100);

/// The asking end. The session ends when it is dropped.
#[derive(Debug)]
pub struct Session {
    catalog: Arc<Catalog>,
    query: watch::Sender<String>,
}

/// The answering end.
#[derive(Debug)]
pub struct Steps {
    catalog: Arc<Catalog>,
    query: watch::Receiver<String>,
    /// None once the walk is over.
    walk: Option<JoinHandle<()>>,
    /// Whether [`Step::Completed`] is to be told next.
    complete: bool,
}

/// What a session has to tell.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The best matches so far.
    Found {
        /// Of this query.
        query: String,
        /// Best first.
        found: Vec<Found>,
    },
    /// All files have been seen: the latest matches are final until the query changes.
    Completed,
}

/// Begins a session with an empty query. To be called inside a runtime.
pub fn session(roots: Vec<PathBuf>) -> (Session, Steps) {
    let catalog = Catalog::new(roots);
    let (sender, query) = watch::channel(String::new());
    let walking = Arc::clone(&catalog);
    let walk = Some(tokio::spawn(async move { walking.fill().await }));
    (Session { catalog: Arc::clone(&catalog), query: sender }, Steps { catalog, query, walk, complete: false })
}

impl Session {
    /// Asks for something else. Whoever types fast is not told of every query in between.
    pub fn ask(&self, query: String) {
        self.query.send_replace(query);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.catalog.cancel();
    }
}

impl Steps {
    /// What is to be told next. None: the session has ended.
    pub async fn next(&mut self) -> Option<Step> {
        if std::mem::take(&mut self.complete) {
            return Some(Step::Completed);
        }
        match &mut self.walk {
            None => self.query.changed().await.ok()?,
            Some(walk) => {
                // Nothing matches an empty query, so its matches need not be told again and again.
                let is_empty = self.query.borrow().is_empty();
                tokio::select! {
                    changed = self.query.changed() => changed.ok()?,
                    _ = walk => self.walk = None,
                    () = tokio::time::sleep(PERIOD), if !is_empty => {}
                }
            }
        }
        let query = self.query.borrow_and_update().clone();
        // Asked before the search: what is found while it runs is not in it.
        self.complete = self.walk.is_none();
        let found = self.catalog.search(query.clone()).await;
        Some(Step::Found { query, found })
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, Steps, session};
    use pretty_assertions::assert_eq;

    /// The names found for a query when all files have been seen.
    async fn final_names(steps: &mut Steps, wanted: &str) -> Vec<String> {
        let mut names = None;
        loop {
            match steps.next().await.unwrap() {
                Step::Found { query, found } => {
                    names = (query == wanted).then(|| found.into_iter().map(|found| found.path).collect());
                }
                Step::Completed => {
                    if let Some(names) = names.take() {
                        return names;
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn each_query_is_completed_with_its_own_matches_and_the_end_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["apple", "maple", "pear"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let (session, mut steps) = session(vec![folder.path().to_owned()]);
        session.ask("a".to_owned());
        session.ask("ple".to_owned());
        assert_eq!(final_names(&mut steps, "ple").await, ["apple", "maple"]);
        session.ask("pear".to_owned());
        assert_eq!(final_names(&mut steps, "pear").await, ["pear"]);
        session.ask("pear".to_owned());
        assert_eq!(final_names(&mut steps, "pear").await, ["pear"], "asked again, told again");
        drop(session);
        assert_eq!(steps.next().await, None);
    }
}
