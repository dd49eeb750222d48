//! Whether somebody has changed the accounts: told by the operating system, not asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Folders whose logins are watched.
pub(crate) struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// Those that are not there yet.
    missing: Vec<PathBuf>,
    changed: Arc<Notify>,
}

impl Watch {
    /// Watches the files of these folders, also of those that are made later, as long as the first one is there.
    pub(crate) fn new(folders: Vec<PathBuf>) -> Self {
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Logins are in such files; a home holds others that are written all the time.
            let is_login = |path: &PathBuf| path.extension().is_none_or(|extension| extension == "json");
            if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(is_login)) {
                told.notify_one();
            }
        });
        let watcher = watcher.inspect_err(|error| tracing::warn!(%error, "a change of the account goes unseen")).ok();
        let mut watch = Self { watcher, missing: folders, changed };
        watch.look();
        watch
    }

    /// Begins to watch what has come into being.
    fn look(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let mut seen = |folder: &Path| watcher.watch(folder, RecursiveMode::NonRecursive).is_ok();
        self.missing.retain(|folder| !seen(folder));
    }

    /// Resolves when something has changed since the last time.
    pub(crate) async fn changed(&mut self) {
        self.changed.notified().await;
        self.look();
    }
}
