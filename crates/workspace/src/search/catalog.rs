//! What a walk below some directories finds. It can be searched while it grows.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ignore::{DirEntry, WalkBuilder, WalkState};
use tokio::sync::Semaphore;

use super::rank::{self, Found};

/// Threads of one walk.
const THREADS: usize = 2;

/// Walks that may run at the same time in this process.
static WALKS: Semaphore = Semaphore::const_new(2);

/// Paths that a catalog holds at most; what a walk finds after that is left out.
const MAX_PATHS: usize = 500_000;

/// Paths that a thread of a walk gathers before it hands them over.
const BATCH: usize = 512;

/// The files and directories below some roots.
#[derive(Debug)]
pub struct Catalog {
    roots: Vec<PathBuf>,
    entries: RwLock<Vec<Entry>>,
    cancelled: AtomicBool,
}

/// One file or directory.
#[derive(Debug)]
pub(super) struct Entry {
    /// Which of the roots it is below.
    pub(super) root: usize,
    /// The path below the root; what is not UTF-8 in it is replaced.
    pub(super) path: Box<str>,
    pub(super) is_directory: bool,
}

impl Catalog {
    /// An empty one. A root that is given twice counts once.
    pub fn new(roots: Vec<PathBuf>) -> Arc<Self> {
        let mut unique: Vec<PathBuf> = Vec::new();
        for root in roots {
            if !unique.contains(&root) {
                unique.push(root);
            }
        }
        Arc::new(Self { roots: unique, entries: RwLock::default(), cancelled: AtomicBool::new(false) })
    }

    /// Ends a walk, and makes searches find nothing.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Walks. Hidden files are taken, ignored ones are not (`.gitignore` counts inside repositories only), and
    /// links are followed. What cannot be read is passed over. Returns early when cancelled.
    pub async fn fill(self: &Arc<Self>) {
        let Ok(_permit) = WALKS.acquire().await else { return };
        let catalog = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || catalog.walk()).await {
            tracing::error!(%error, "a walk ended half-way");
        }
    }

    /// The best matches of a query in what has been found so far, best first. An empty query matches nothing.
    pub async fn search(self: &Arc<Self>, query: String) -> Vec<Found> {
        let catalog = Arc::clone(self);
        let found = tokio::task::spawn_blocking(move || {
            let entries = catalog.entries.read().unwrap_or_else(PoisonError::into_inner);
            rank::best(&query, &catalog.roots, &entries, || catalog.is_cancelled())
        });
        found.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a search ended half-way");
            Vec::new()
        })
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn walk(&self) {
        for (root, path) in self.roots.iter().enumerate() {
            let roots = self.roots.clone();
            let mut builder = WalkBuilder::new(path);
            builder.hidden(false).follow_links(true).threads(THREADS);
            // A root inside another one is walked as a root, once.
            builder.filter_entry(move |entry| entry.depth() == 0 || !roots.iter().any(|root| root == entry.path()));
            builder.build_parallel().run(|| {
                let mut batch = Batch { catalog: self, entries: Vec::new() };
                Box::new(move |entry| match entry {
                    _ if self.is_cancelled() => WalkState::Quit,
                    Ok(entry) => batch.take(root, path, &entry),
                    Err(_) => WalkState::Continue,
                })
            });
        }
    }
}

/// What one thread has found, and the others do not know of yet.
struct Batch<'a> {
    catalog: &'a Catalog,
    entries: Vec<Entry>,
}

impl Batch<'_> {
    fn take(&mut self, root: usize, below: &Path, entry: &DirEntry) -> WalkState {
        let Ok(path) = entry.path().strip_prefix(below) else { return WalkState::Continue };
        // The root itself is what is searched, and nothing that is found.
        if entry.depth() > 0 {
            let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
            self.entries.push(Entry { root, path: path.to_string_lossy().into(), is_directory });
        }
        if self.entries.len() >= BATCH { self.hand_over() } else { WalkState::Continue }
    }

    fn hand_over(&mut self) -> WalkState {
        let mut entries = self.catalog.entries.write().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_PATHS - entries.len();
        entries.extend(self.entries.drain(..).take(room));
        if entries.len() == MAX_PATHS { WalkState::Quit } else { WalkState::Continue }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.hand_over();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Catalog, Entry};
    use pretty_assertions::assert_eq;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    async fn paths(roots: &[&Path]) -> Vec<(usize, String)> {
        let catalog = Catalog::new(roots.iter().map(|root| root.to_path_buf()).collect());
        catalog.fill().await;
        let entries = catalog.entries.read().unwrap();
        let name = |entry: &Entry| (entry.root, format!("{}{}", entry.path, if entry.is_directory { "/" } else { "" }));
        let mut paths: Vec<_> = entries.iter().map(name).collect();
        paths.sort();
        paths
    }

    #[tokio::test]
    async fn hidden_files_are_found_and_ignored_ones_are_not() {
        let folder = tree(&[".hidden", "src/a", "build/b", "target/c"]);
        fs::write(folder.path().join(".gitignore"), "target/\n").unwrap();
        fs::write(folder.path().join(".ignore"), "build/\n").unwrap();
        let names = |paths: Vec<(usize, String)>| paths.into_iter().map(|(_, path)| path).collect::<Vec<_>>();
        let expected = [".gitignore", ".hidden", ".ignore", "src/", "src/a", "target/", "target/c"];
        assert_eq!(names(paths(&[folder.path()]).await), expected, "no repository, no .gitignore");
        fs::create_dir(folder.path().join(".git")).unwrap();
        let expected = [".git/", ".gitignore", ".hidden", ".ignore", "src/", "src/a"];
        assert_eq!(names(paths(&[folder.path()]).await), expected);
    }

    #[tokio::test]
    async fn a_root_inside_another_is_walked_once() {
        let folder = tree(&["a", "in/b"]);
        let inside = folder.path().join("in");
        let found = paths(&[folder.path(), &inside, folder.path()]).await;
        assert_eq!(found, [(0, "a".to_owned()), (1, "b".to_owned())]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn links_are_followed_and_circles_are_left() {
        let folder = tree(&["real/a"]);
        std::os::unix::fs::symlink(folder.path().join("real"), folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("circle")).unwrap();
        let found = paths(&[folder.path()]).await;
        let found: Vec<_> = found.iter().map(|(_, path)| path.as_str()).collect();
        assert_eq!(found, ["link/", "link/a", "real/", "real/a"]);
    }

    #[tokio::test]
    async fn a_cancelled_walk_and_roots_that_are_no_directories_find_nothing() {
        let folder = tree(&["a"]);
        assert_eq!(paths(&[Path::new("no/where"), &folder.path().join("a")]).await, []);
        let catalog = Catalog::new(vec![folder.path().to_owned()]);
        catalog.cancel();
        catalog.fill().await;
        assert!(catalog.entries.read().unwrap().is_empty());
    }
}
