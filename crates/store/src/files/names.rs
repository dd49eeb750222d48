//! The names that people gave to threads: `session_index.jsonl`, in which the last line for a thread counts.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chrono::{SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::lease::short_lock;
use crate::error::{StoreError, io};

const FILE: &str = "session_index.jsonl";

#[derive(Serialize, Deserialize)]
struct Entry {
    id: String,
    thread_name: String,
    updated_at: String,
}

/// The file of names.
pub(crate) fn path(home: &Path) -> PathBuf {
    home.join(FILE)
}

/// All names, by thread. Damaged lines are passed over.
pub(crate) fn read(home: &Path) -> Result<HashMap<String, String>, StoreError> {
    let bytes = bytes(&path(home))?;
    Ok(entries(&bytes).filter_map(|(_, entry)| entry.map(|entry| (entry.id, entry.thread_name))).collect())
}

/// Names a thread.
pub(crate) fn set(home: &Path, id: &str, name: &str) -> Result<(), StoreError> {
    let path = path(home);
    let _lock = lock(home)?;
    let doing = io("cannot write", &path);
    let entry = Entry {
        id: id.to_owned(),
        thread_name: name.to_owned(),
        updated_at: Utc::now().to_rfc3339_opts(SecondsFormat::AutoSi, true),
    };
    // What another writer left half written must not swallow this line.
    let torn = bytes(&path)?.last().is_some_and(|last| *last != b'\n');
    let written = serde_json::to_string(&entry).map_err(io::Error::from).and_then(|json| {
        let mut file = super::private(File::options().create(true).append(true)).open(&path)?;
        file.write_all(format!("{}{json}\n", if torn { "\n" } else { "" }).as_bytes())
    });
    written.map_err(doing)
}

/// Forgets the names of a thread. All other lines stay as they are.
pub(crate) fn remove(home: &Path, id: &str) -> Result<(), StoreError> {
    let path = path(home);
    if !path.exists() {
        return Ok(());
    }
    let _lock = lock(home)?;
    let mut file = File::open(&path).map_err(io("cannot open", &path))?;
    let mut old = Vec::new();
    file.read_to_end(&mut old).map_err(io("cannot read", &path))?;
    let kept: Vec<&[u8]> = entries(&old)
        .filter(|(_, entry)| entry.as_ref().is_none_or(|entry| entry.id != id))
        .map(|(line, _)| line)
        .collect();
    let new = kept.concat();
    if new == old {
        return Ok(());
    }
    replace(home, file, &new).map_err(io("cannot write", &path))
}

/// Puts a new file of names in the place of one that was read to its end. Other programs append names without our lock:
/// what they have appended since then is kept.
fn replace(home: &Path, mut old: File, new: &[u8]) -> io::Result<()> {
    let path = path(home);
    let mut file = tempfile::NamedTempFile::new_in(home)?;
    file.write_all(new)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    let mut late = Vec::new();
    old.read_to_end(&mut late)?;
    File::options().append(true).open(&path)?.write_all(&late)
}

fn lock(home: &Path) -> Result<File, StoreError> {
    short_lock(&home.join(format!("{FILE}.lock")))
}

fn bytes(path: &Path) -> Result<Vec<u8>, StoreError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(io("cannot read", path)),
    }
}

/// The lines with their line feeds, and what they say.
fn entries(bytes: &[u8]) -> impl Iterator<Item = (&[u8], Option<Entry>)> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(|line| (line, serde_json::from_slice(line).ok()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read;
    use std::path::Path;

    use pretty_assertions::assert_eq;

    use super::{path, read, remove, replace, set};

    fn name(home: &Path, id: &str) -> Option<String> {
        read(home).unwrap().remove(id)
    }

    #[test]
    fn the_last_name_counts() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        assert_eq!(name(home, "a"), None);
        set(home, "a", "First").unwrap();
        set(home, "b", "Other").unwrap();
        set(home, "a", "Größe \"2\"").unwrap();
        assert_eq!((name(home, "a").as_deref(), name(home, "b").as_deref()), (Some("Größe \"2\""), Some("Other")));
        remove(home, "a").unwrap();
        assert_eq!((name(home, "a"), name(home, "b").as_deref()), (None, Some("Other")));
    }

    #[test]
    fn a_name_that_comes_while_another_is_removed_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        set(home, "a", "A").unwrap();
        let mut file = File::open(path(home)).unwrap();
        file.read_to_end(&mut Vec::new()).unwrap();
        set(home, "b", "B").unwrap();
        replace(home, file, b"").unwrap();
        set(home, "c", "C").unwrap();
        assert_eq!((name(home, "a"), name(home, "b").as_deref()), (None, Some("B")));
        assert_eq!(name(home, "c").as_deref(), Some("C"));
    }

    #[test]
    fn damaged_lines_harm_no_others_and_stay() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        fs::write(path(home), "\u{1}\n{\"id\":\"a\",\"thread_name\":\"A\",\"updated_at\":\"\"}\n{\"id\":\"b\"")
            .unwrap();
        set(home, "c", "C").unwrap();
        assert_eq!((name(home, "a").as_deref(), name(home, "c").as_deref()), (Some("A"), Some("C")));
        remove(home, "a").unwrap();
        let left = fs::read_to_string(path(home)).unwrap();
        assert!(left.starts_with("\u{1}\n{\"id\":\"b\"\n{\"id\":\"c\""), "{left}");
    }
}
