//! Watches on files and directories. One watcher with one thread serves all of them, and it exists only while
//! there is one; each watch gathers what happens for a short while, and tells it at once.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::EventKind;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// How long changes are gathered before they are told.
const GATHER: Duration = Duration::from_millis(200);

/// Changes of one watch that may wait to be gathered. When there are more, the whole path counts as changed.
const WAITING: usize = 4096;

/// All watches of a host.
#[derive(Debug, Default)]
pub struct Watcher {
    /// Asked by the watcher's thread, so never held while waiting for it.
    routes: Arc<Mutex<Routes>>,
    system: Mutex<System>,
}

/// The watcher of the operating system, and how many watches need each directory.
#[derive(Debug, Default)]
struct System {
    watcher: Option<RecommendedWatcher>,
    directories: HashMap<PathBuf, usize>,
}

#[derive(Debug, Default)]
struct Routes {
    next: u64,
    by_id: HashMap<u64, Route>,
}

/// What a watch wants to hear of.
#[derive(Debug)]
struct Route {
    /// The directory that is watched, without links.
    directory: PathBuf,
    /// The same directory as the asker spells it.
    spelled: PathBuf,
    /// The one name in it that counts; none: all do.
    name: Option<OsString>,
    changes: mpsc::Sender<PathBuf>,
    /// Set when `changes` had no more room.
    overflow: Arc<tokio::sync::Notify>,
}

/// A watch. It ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    id: u64,
    directory: PathBuf,
    watcher: Arc<Watcher>,
}

/// What a watch sees.
#[derive(Debug)]
pub struct Changes {
    path: PathBuf,
    changes: mpsc::Receiver<PathBuf>,
    overflow: Arc<tokio::sync::Notify>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Both are whole between any two statements below.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher {
    /// Watches a directory for what happens to its direct children, or any other path, which need not exist yet,
    /// for what happens to itself. Blocks for a moment.
    ///
    /// # Errors
    /// The operating system's, above all when the directory that holds the path is not there.
    pub fn watch(self: &Arc<Self>, path: &Path) -> io::Result<(Watch, Changes)> {
        let (spelled, name) = match (path.is_dir(), path.parent(), path.file_name()) {
            (false, Some(parent), Some(name)) => (parent, Some(name.to_owned())),
            _ => (path, None),
        };
        let directory = std::fs::canonicalize(spelled)?;
        self.acquire(&directory)?;
        let (sender, changes) = mpsc::channel(WAITING);
        let overflow = Arc::new(tokio::sync::Notify::new());
        let route = Route {
            directory: directory.clone(),
            spelled: spelled.to_owned(),
            name,
            changes: sender,
            overflow: Arc::clone(&overflow),
        };
        let mut routes = lock(&self.routes);
        routes.next += 1;
        let id = routes.next;
        routes.by_id.insert(id, route);
        Ok((Watch { id, directory, watcher: Arc::clone(self) }, Changes { path: path.to_owned(), changes, overflow }))
    }

    fn acquire(&self, directory: &Path) -> io::Result<()> {
        let mut system = lock(&self.system);
        let System { watcher, directories } = &mut *system;
        let watcher = match watcher {
            Some(watcher) => watcher,
            none => {
                let routes = Arc::clone(&self.routes);
                none.insert(notify::recommended_watcher(move |event| lock(&routes).tell(event)).map_err(as_io)?)
            }
        };
        // Also when it is watched already: it may have been removed and made again since.
        if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
            system.end_if_unused();
            return Err(as_io(error));
        }
        *directories.entry(directory.to_owned()).or_default() += 1;
        Ok(())
    }

    fn release(&self, directory: &Path) {
        let mut system = lock(&self.system);
        let System { watcher: Some(watcher), directories } = &mut *system else { return };
        let Some(users) = directories.get_mut(directory) else { return };
        *users -= 1;
        if *users == 0 {
            directories.remove(directory);
            // It may have been removed meanwhile, and with it the watch.
            let _ = watcher.unwatch(directory);
            system.end_if_unused();
        }
    }
}

impl System {
    fn end_if_unused(&mut self) {
        if self.directories.is_empty() {
            self.watcher = None;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.watcher.routes).by_id.remove(&self.id);
        self.watcher.release(&self.directory);
    }
}

impl Routes {
    fn tell(&self, event: notify::Result<Event>) {
        match event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
            // The system lost count of what happened.
            Ok(event) if event.need_rescan() => self.by_id.values().for_each(|route| route.overflow.notify_one()),
            Ok(event) => {
                for path in &event.paths {
                    self.by_id.values().for_each(|route| route.tell(path));
                }
            }
            Err(error) => tracing::warn!(%error, "a change of a watched path was missed"),
        }
    }
}

impl Route {
    fn tell(&self, path: &Path) {
        let Ok(inside) = path.strip_prefix(&self.directory) else { return };
        let mut parts = inside.components();
        let child = parts.next().map(|part| part.as_os_str());
        let wanted = parts.next().is_none() && (self.name.is_none() || self.name.as_deref() == child);
        if wanted {
            // An empty rest would add a slash.
            let path = child.map_or_else(|| self.spelled.clone(), |child| self.spelled.join(child));
            if self.changes.try_send(path).is_err() {
                self.overflow.notify_one();
            }
        }
    }
}

impl Changes {
    /// What has changed, each path once, by name. None: the watch has ended.
    ///
    /// When the system lost count of what happened, the watched path itself is told: look again.
    pub async fn next(&mut self) -> Option<Vec<PathBuf>> {
        let mut gathered = BTreeSet::new();
        tokio::select! {
            change = self.changes.recv() => gathered.insert(change?),
            () = self.overflow.notified() => gathered.insert(self.path.clone()),
        };
        let end = tokio::time::sleep(GATHER);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return Some(gathered.into_iter().collect()),
                change = self.changes.recv() => gathered.insert(change?),
                () = self.overflow.notified() => gathered.insert(self.path.clone()),
            };
        }
    }
}

fn as_io(error: notify::Error) -> io::Error {
    match error.kind {
        notify::ErrorKind::Io(error) => error,
        _ => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::{Watcher, lock};
    use pretty_assertions::assert_eq;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(folder.path()).unwrap();
        (folder, path)
    }

    fn is_running(watcher: &Watcher) -> bool {
        lock(&watcher.system).watcher.is_some()
    }

    #[tokio::test]
    async fn changes_of_direct_children_are_told_together_and_once() {
        let (_folder, path) = folder();
        fs::create_dir(path.join("below")).unwrap();
        let watcher = Arc::new(Watcher::default());
        let (_watch, mut changes) = watcher.watch(&path).unwrap();
        fs::write(path.join("below/nested"), "").unwrap();
        fs::write(path.join("b"), "").unwrap();
        fs::write(path.join("a"), "").unwrap();
        fs::write(path.join("a"), "more").unwrap();
        assert_eq!(changes.next().await.unwrap(), [path.join("a"), path.join("b")]);
    }

    #[tokio::test]
    async fn a_file_is_followed_through_its_replacement_its_end_and_its_beginning() {
        let (_folder, path) = folder();
        let file = path.join("file");
        let watcher = Arc::new(Watcher::default());
        let (_watch, mut changes) = watcher.watch(&file).unwrap();
        let steps: [&dyn Fn(); 4] = [
            &|| fs::write(&file, "begins").unwrap(),
            &|| {
                fs::write(path.join("other"), "replaces").unwrap();
                fs::rename(path.join("other"), &file).unwrap();
            },
            &|| fs::write(&file, "goes on").unwrap(),
            &|| fs::remove_file(&file).unwrap(),
        ];
        for step in steps {
            step();
            assert_eq!(changes.next().await.unwrap(), [file.as_path()]);
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn two_names_of_one_directory_are_both_told_as_they_were_spelled() {
        let (_folder, path) = folder();
        let (real, link) = (path.join("real"), path.join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let watcher = Arc::new(Watcher::default());
        let (_one, mut by_name) = watcher.watch(&real).unwrap();
        let (_other, mut by_link) = watcher.watch(&link).unwrap();
        fs::write(real.join("a"), "").unwrap();
        assert_eq!(by_name.next().await.unwrap(), [real.join("a")]);
        assert_eq!(by_link.next().await.unwrap(), [link.join("a")]);
    }

    #[tokio::test]
    async fn the_thread_ends_with_the_last_watch() {
        let (_folder, path) = folder();
        let watcher = Arc::new(Watcher::default());
        assert!(!is_running(&watcher));
        let (one, mut changes) = watcher.watch(&path).unwrap();
        let (other, _changes) = watcher.watch(&path).unwrap();
        drop(other);
        assert!(is_running(&watcher), "the first watch is still there");
        fs::write(path.join("a"), "").unwrap();
        assert_eq!(changes.next().await.unwrap(), [path.join("a")]);
        drop(one);
        assert_eq!(changes.next().await, None);
        assert!(!is_running(&watcher));
    }

    #[tokio::test]
    async fn a_path_in_no_directory_is_refused_and_leaves_nothing_behind() {
        let watcher = Arc::new(Watcher::default());
        let (_folder, path) = folder();
        let error = watcher.watch(&path.join(Path::new("no/where"))).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        assert!(!is_running(&watcher));
    }

    #[tokio::test]
    async fn a_watched_directory_that_is_removed_is_told_by_its_own_name() {
        let (_folder, path) = folder();
        let below = path.join("below");
        fs::create_dir(&below).unwrap();
        let watcher = Arc::new(Watcher::default());
        let (_watch, mut changes) = watcher.watch(&below).unwrap();
        fs::remove_dir(&below).unwrap();
        assert_eq!(changes.next().await.unwrap(), [below.as_path()]);
        fs::create_dir(&below).unwrap();
        let (_again, mut changes) = watcher.watch(&below).unwrap();
        fs::write(below.join("a"), "").unwrap();
        assert_eq!(changes.next().await.unwrap(), [below.join("a")]);
    }
}
