//! One writer for each thread: a lock on `thread-writer-locks/<id>.lock`, which ends with its process. It is taken
//! and given back under a lock that all of them share, so that nobody locks a file that is being removed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Holder, StoreError, io};

const FOLDER: &str = "thread-writer-locks";
const SHARED: &str = ".coordination.lock";
/// How long a lock may be waited for that nobody holds for longer than a few file operations take.
const SHORT: Duration = Duration::from_secs(2);

/// The right to write a thread, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    file: File,
    path: PathBuf,
}

impl Lease {
    /// Takes it, or says who has it.
    pub(crate) fn take(home: &Path, id: &str) -> Result<Self, StoreError> {
        let folder = home.join(FOLDER);
        super::make_folder(&folder).map_err(io("cannot make", &folder))?;
        let _shared = short_lock(&folder.join(SHARED))?;
        let path = folder.join(format!("{id}.lock"));
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Leased { id: id.to_owned(), holder: holder(&path) });
            }
            Err(TryLockError::Error(error)) => return Err(io("cannot lock", &path)(error)),
        }
        let lease = Self { file, path };
        // Who we are is a help for the reader of an error, and no reason to fail.
        let this = Holder { pid: std::process::id(), since: chrono::Utc::now().timestamp() };
        let named = serde_json::to_vec(&this).map_err(io::Error::from);
        if let Err(error) = named.and_then(|json| lease.note(&json)) {
            tracing::debug!(path = %lease.path.display(), %error, "cannot note who writes a thread");
        }
        Ok(lease)
    }

    fn note(&self, json: &[u8]) -> io::Result<()> {
        self.file.set_len(0)?;
        (&self.file).write_all(json)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Without the shared lock, the file stays: unlocked, it stops nobody.
        if let Some(Ok(_shared)) = self.path.parent().map(|folder| short_lock(&folder.join(SHARED))) {
            let _ = fs::remove_file(&self.path);
            let _ = self.file.unlock();
        }
    }
}

/// Locks a file that is only ever locked for a moment.
pub(crate) fn short_lock(path: &Path) -> Result<File, StoreError> {
    let file = open(path)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(io("cannot lock", path)(error)),
            Err(TryLockError::WouldBlock) if start.elapsed() > SHORT => {
                return Err(io("cannot lock", path)(io::ErrorKind::TimedOut.into()));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    super::private(File::options().read(true).write(true).create(true)).open(path).map_err(io("cannot open", path))
}

/// Who wrote themselves into a lock. The reference does not.
fn holder(path: &Path) -> Option<Holder> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, BufRead};
    use std::path::Path;
    use std::thread;
    use std::time::Duration;

    use pretty_assertions::assert_eq;

    use super::{FOLDER, Lease, SHARED, open};
    use crate::error::StoreError;

    fn locks(home: &Path) -> Vec<String> {
        let entries = fs::read_dir(home.join(FOLDER)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_second_writer_is_told_who_the_first_is() {
        let home = tempfile::tempdir().unwrap();
        let lease = Lease::take(home.path(), "one").unwrap();
        match Lease::take(home.path(), "one").unwrap_err() {
            StoreError::Leased { id, holder: Some(holder) } => {
                assert_eq!((id.as_str(), holder.pid), ("one", std::process::id()));
                assert!(holder.since <= chrono::Utc::now().timestamp());
            }
            error => panic!("{error}"),
        }
        Lease::take(home.path(), "two").unwrap();
        drop(lease);
        Lease::take(home.path(), "one").unwrap();
        assert_eq!(locks(home.path()), [SHARED]);
    }

    #[test]
    fn a_lock_that_does_not_say_whose_it_is_counts_too() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(FOLDER)).unwrap();
        let file = open(&home.path().join(FOLDER).join("one.lock")).unwrap();
        file.lock().unwrap();
        let error = Lease::take(home.path(), "one").unwrap_err();
        assert!(matches!(error, StoreError::Leased { holder: None, .. }), "{error}");
    }

    #[test]
    fn what_a_dead_process_left_stops_nobody() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(FOLDER)).unwrap();
        fs::write(home.path().join(FOLDER).join("one.lock"), r#"{"pid":1,"since":1000000000000}"#).unwrap();
        let _lease = Lease::take(home.path(), "one").unwrap();
        let error = Lease::take(home.path(), "one").unwrap_err();
        let StoreError::Leased { holder: Some(holder), .. } = error else { panic!("{error}") };
        assert_eq!(holder.pid, std::process::id());
    }

    /// Set for the process that takes a thread and dies.
    const DYING: &str = "A_HOME_TO_DIE_IN";

    #[test]
    fn a_lease_dies_with_its_process() {
        if let Some(home) = std::env::var_os(DYING) {
            let _lease = Lease::take(Path::new(&home), "one").unwrap();
            println!("taken");
            thread::sleep(Duration::from_secs(60));
        }
        let home = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "files::lease::tests::a_lease_dies_with_its_process", "--nocapture"])
            .env(DYING, home.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = io::BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains("taken")));
        let error = Lease::take(home.path(), "one").unwrap_err();
        assert!(
            matches!(&error, StoreError::Leased { holder: Some(holder), .. } if holder.pid == child.id()),
            "{error}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        Lease::take(home.path(), "one").unwrap();
    }

    #[test]
    fn of_many_who_want_a_thread_exactly_one_has_it_at_any_time() {
        let home = tempfile::tempdir().unwrap();
        let writing = std::sync::atomic::AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let Ok(lease) = Lease::take(home.path(), "one") else { continue };
                        assert_eq!(writing.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        thread::yield_now();
                        writing.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lease);
                    }
                });
            }
        });
    }
}
