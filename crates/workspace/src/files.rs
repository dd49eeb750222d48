//! Files and directories: read, write, list, copy, remove. Everything here blocks.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest file that [`read`] returns, in bytes.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Why a file was not touched.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A directory, a device, a pipe: nothing that could be read to its end.
    #[error("path `{}` is not a file", .0.display())]
    NotAFile(PathBuf),
    /// More than [`MAX_FILE_BYTES`].
    #[error("file is too large to read: limit is {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// A directory is copied only on demand.
    #[error("the source is a directory")]
    IsADirectory,
    /// The copy would never end.
    #[error("the destination lies in the source")]
    IntoItself,
    /// A device, a pipe or a socket cannot be copied.
    #[error("the source is no file, directory or symbolic link")]
    NotCopyable,
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A direct child of a directory.
#[derive(Debug, PartialEq, Eq)]
pub struct Child {
    /// Its name; what is not UTF-8 in it is replaced.
    pub name: String,
    /// Whether it is a directory, or a link to one.
    pub is_directory: bool,
    /// Whether it is a regular file, or a link to one.
    pub is_file: bool,
}

/// What is known of a path.
#[derive(Debug)]
pub struct Facts {
    /// Of whatever the path leads to.
    pub target: Metadata,
    /// Whether the path itself is a symbolic link.
    pub is_symlink: bool,
}

/// The content of a regular file.
///
/// # Errors
/// [`FileError::NotAFile`], [`FileError::TooLarge`], or the operating system's.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    // Asked before it is opened: to open a pipe would wait for its writer.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile(path.to_owned()));
    }
    // The length is a hint only: files grow, and those of the kernel say zero.
    let mut content = Vec::with_capacity(usize::try_from(metadata.len().min(MAX_FILE_BYTES)).unwrap_or_default());
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(FileError::TooLarge);
    }
    Ok(content)
}

/// Makes a file of this content, or replaces what it holds.
///
/// # Errors
/// The operating system's; the directory must exist.
pub fn write(path: &Path, content: &[u8]) -> Result<(), FileError> {
    Ok(fs::write(path, content)?)
}

/// Makes a directory. With `parents` also those above it, and one that is there already is fine.
///
/// # Errors
/// The operating system's.
pub fn create_directory(path: &Path, parents: bool) -> Result<(), FileError> {
    let made = if parents { fs::create_dir_all(path) } else { fs::create_dir(path) };
    Ok(made?)
}

/// What is known of a path.
///
/// # Errors
/// The operating system's; a link that leads nowhere is not found.
pub fn facts(path: &Path) -> Result<Facts, FileError> {
    Ok(Facts { target: fs::metadata(path)?, is_symlink: fs::symlink_metadata(path)?.is_symlink() })
}

/// The direct children of a directory, by name. Links that lead nowhere are left out.
///
/// # Errors
/// The operating system's.
pub fn list(path: &Path) -> Result<Vec<Child>, FileError> {
    let mut children = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if let Ok(target) = fs::metadata(entry.path()) {
            children.push(Child {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_directory: target.is_dir(),
                is_file: target.is_file(),
            });
        }
    }
    children.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(children)
}

/// Removes a file, a link (not what it leads to) or a directory; with `recursive` a directory that is not empty,
/// too. With `force` a path that is not there is fine.
///
/// # Errors
/// The operating system's.
pub fn remove(path: &Path, recursive: bool, force: bool) -> Result<(), FileError> {
    let removed = fs::symlink_metadata(path).and_then(|found| match (found.is_dir(), recursive) {
        (true, true) => fs::remove_dir_all(path),
        (true, false) => fs::remove_dir(path),
        (false, _) => fs::remove_file(path),
    });
    match removed {
        Err(error) if force && error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => Ok(removed?),
    }
}

/// Copies a file, a link as a link, or, with `recursive`, a directory with everything in it but devices, pipes
/// and sockets. A file that is there is overwritten; a file copied onto itself stays as it is. What goes away in the
/// directory while it is copied is left out.
///
/// # Errors
/// [`FileError::IsADirectory`], [`FileError::IntoItself`], [`FileError::NotCopyable`], or the operating system's.
pub fn copy(source: &Path, destination: &Path, recursive: bool) -> Result<(), FileError> {
    let kind = fs::symlink_metadata(source)?.file_type();
    if kind.is_symlink() {
        Ok(copy_link(source, destination)?)
    } else if kind.is_file() {
        Ok(copy_file(source, destination)?)
    } else if !kind.is_dir() {
        Err(FileError::NotCopyable)
    } else if !recursive {
        Err(FileError::IsADirectory)
    } else if real_path(destination)?.starts_with(fs::canonicalize(source)?) {
        Err(FileError::IntoItself)
    } else {
        Ok(copy_entries(fs::read_dir(source)?, destination)?)
    }
}

fn copy_entries(entries: fs::ReadDir, destination: &Path) -> io::Result<()> {
    fs::create_dir_all(destination)?;
    for entry in entries {
        let entry = entry?;
        let (from, to) = (entry.path(), destination.join(entry.file_name()));
        let copied = match entry.file_type() {
            Ok(kind) if kind.is_dir() => match fs::read_dir(&from) {
                Ok(inner) => {
                    copy_entries(inner, &to)?;
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Ok(kind) if kind.is_symlink() => copy_link(&from, &to),
            Ok(kind) if kind.is_file() => copy_file(&from, &to),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match copied {
            // Editors write a new file and rename it. If it is not the destination that is missing, it is the source.
            Err(error) if error.kind() == io::ErrorKind::NotFound && destination.is_dir() && !to.is_symlink() => {}
            copied => copied?,
        }
    }
    Ok(())
}

fn copy_file(source: &Path, destination: &Path) -> io::Result<()> {
    // The system would empty the file before it reads it.
    if !same_file::is_same_file(source, destination).unwrap_or(false) {
        fs::copy(source, destination)?;
    }
    Ok(())
}

#[cfg(unix)]
fn copy_link(source: &Path, destination: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(fs::read_link(source)?, destination)
}

#[cfg(windows)]
fn copy_link(source: &Path, destination: &Path) -> io::Result<()> {
    let target = fs::read_link(source)?;
    match fs::metadata(source) {
        Ok(found) if found.is_dir() => std::os::windows::fs::symlink_dir(target, destination),
        _ => std::os::windows::fs::symlink_file(target, destination),
    }
}

/// The path without links, of which the last parts need not exist yet.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok(real_path(parent)?.join(name)),
            _ => Err(error),
        },
        real => real,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Child, FileError, MAX_FILE_BYTES, copy, facts, list, read, remove};
    use pretty_assertions::assert_eq;

    #[test]
    fn a_file_copied_onto_itself_keeps_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&file, "text").unwrap();
        fs::hard_link(&file, &link).unwrap();
        copy(&file, &file, false).unwrap();
        copy(&file, &link, false).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    }

    #[test]
    fn a_directory_is_not_copied_into_itself_by_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::create_dir_all(source.join("in")).unwrap();
        let mut destinations = vec![source.clone(), source.join("new/deep")];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(source.join("in"), folder.path().join("link")).unwrap();
            destinations.push(folder.path().join("link/new"));
        }
        for destination in destinations {
            let refused = copy(&source, &destination, true);
            assert!(matches!(refused, Err(FileError::IntoItself)), "{destination:?}: {refused:?}");
        }
        copy(&source, &folder.path().join("source2"), true).unwrap();
        assert!(folder.path().join("source2/in").is_dir(), "a longer name is not inside");
    }

    #[cfg(unix)]
    #[test]
    fn what_goes_away_while_a_directory_is_copied_is_no_obstacle() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::create_dir(&source).unwrap();
        for number in 0..20 {
            fs::write(source.join(format!("file {number}")), "text").unwrap();
        }
        let done = AtomicBool::new(false);
        let copies: Vec<_> = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (new, inner) = (source.join("new"), source.join("inner"));
                while !done.load(Ordering::Relaxed) {
                    fs::write(&new, "text").unwrap();
                    fs::rename(&new, source.join("file 0")).unwrap();
                    fs::create_dir(&inner).unwrap();
                    fs::write(inner.join("file"), "text").unwrap();
                    fs::remove_dir_all(&inner).unwrap();
                }
            });
            let copies = (0..50).map(|number| {
                let destination = folder.path().join(format!("copy {number}"));
                (copy(&source, &destination, true), destination)
            });
            let copies = copies.collect();
            done.store(true, Ordering::Relaxed);
            copies
        });
        for (copied, destination) in copies {
            copied.unwrap();
            for number in 1..20 {
                assert!(destination.join(format!("file {number}")).is_file());
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_copied_and_removed_as_links() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("real")).unwrap();
        fs::write(path("real/file"), "text").unwrap();
        std::os::unix::fs::symlink("file", path("real/link")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("real/broken")).unwrap();
        copy(&path("real"), &path("copy"), true).unwrap();
        assert_eq!(fs::read_link(path("copy/link")).unwrap().to_str(), Some("file"));
        assert!(facts(&path("copy/link")).unwrap().is_symlink);
        let names: Vec<String> = list(&path("copy")).unwrap().into_iter().map(|child| child.name).collect();
        assert_eq!(names, ["file", "link"], "what leads nowhere is not listed");
        std::os::unix::fs::symlink(path("copy"), path("to_copy")).unwrap();
        remove(&path("to_copy"), true, false).unwrap();
        assert!(path("copy/file").exists());
    }

    #[test]
    fn what_is_too_large_or_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("large");
        let large = fs::File::create(&file).unwrap();
        large.set_len(MAX_FILE_BYTES).unwrap();
        assert_eq!(read(&file).unwrap().len() as u64, MAX_FILE_BYTES);
        large.set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(read(&file), Err(FileError::TooLarge)));
        assert!(matches!(read(folder.path()), Err(FileError::NotAFile(_))));
        let children = list(folder.path()).unwrap();
        assert_eq!(children, [Child { name: "large".to_owned(), is_directory: false, is_file: true }]);
    }

    #[test]
    fn only_a_path_that_is_not_there_is_forgiven() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        remove(&missing, true, true).unwrap();
        assert!(matches!(remove(&missing, true, false), Err(FileError::Io(_))));
        fs::create_dir_all(missing.join("full")).unwrap();
        assert!(matches!(remove(&missing, false, true), Err(FileError::Io(_))));
        remove(&missing, true, true).unwrap();
    }
}
