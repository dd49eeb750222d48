//! Bringing logs to the disk behind everybody's back: one thread, which does what was asked of it many times once.

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, LazyLock};
use std::thread;

use super::reader::FileLines;

/// None: there is no such thread, and the system writes when it likes.
static SYNCER: LazyLock<Option<Sender<Arc<FileLines>>>> = LazyLock::new(|| {
    let (sender, asked) = mpsc::channel();
    let thread = thread::Builder::new().name("store-sync".to_owned());
    match thread.spawn(move || run(&asked)) {
        Ok(_) => Some(sender),
        Err(error) => {
            tracing::warn!(%error, "logs are not synced");
            None
        }
    }
});

/// Asks for what is in the log to survive the machine.
pub(super) fn soon(log: &Arc<FileLines>) {
    if let Some(syncer) = &*SYNCER {
        // The thread never ends, so there is always somebody who hears it.
        let _ = syncer.send(Arc::clone(log));
    }
}

fn run(asked: &Receiver<Arc<FileLines>>) {
    while let Ok(first) = asked.recv() {
        let logs: HashMap<_, _> =
            std::iter::once(first).chain(asked.try_iter()).map(|log| (Arc::as_ptr(&log), log)).collect();
        for log in logs.values() {
            if let Some(Err(error)) = log.file.get().map(std::fs::File::sync_data) {
                tracing::warn!(path = %log.path.display(), %error, "cannot sync a log");
            }
        }
    }
}
