//! The folders that a patch works in, each opened once: whatever becomes of a path afterwards, what is done goes to the
//! folder that was found, and never through a link. Elsewhere than on Linux a path is all there is.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that are open. The ways through them lead nowhere when this is dropped.
#[derive(Default)]
pub(super) struct Folders(BTreeMap<PathBuf, Open>);

struct Open {
    /// The way to whatever the folder is now.
    way: PathBuf,
    #[cfg(target_os = "linux")]
    _held: std::os::fd::OwnedFd,
}

/// A file or a folder: as it is told, and the way to it.
pub(super) struct Place {
    pub(super) told: PathBuf,
    pub(super) way: PathBuf,
}

impl Folders {
    /// A place, whose folder is made if it is missing. What is made goes to `made`, from above to below.
    pub(super) fn place(&mut self, path: &Path, made: &mut impl FnMut(Place)) -> io::Result<Place> {
        let way = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => self.open(folder, made)?.join(name),
            _ => path.to_owned(),
        };
        Ok(Place { told: path.to_owned(), way })
    }

    fn open(&mut self, folder: &Path, made: &mut impl FnMut(Place)) -> io::Result<&Path> {
        if !self.0.contains_key(folder) {
            let place = self.place(folder, made)?;
            let open = match Open::at(&place.way) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir(&place.way)?;
                    let open = Open::at(&place.way);
                    made(place);
                    open
                }
                result => result,
            };
            self.0.insert(folder.to_owned(), open?);
        }
        self.0.get(folder).map(|open| open.way.as_path()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Open {
    #[cfg(target_os = "linux")]
    fn at(way: &Path) -> io::Result<Self> {
        use rustix::fs::{Mode, OFlags};
        use std::os::fd::AsRawFd as _;

        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = rustix::fs::open(way, flags, Mode::empty())?;
        Ok(Self { way: format!("/proc/self/fd/{}", held.as_raw_fd()).into(), _held: held })
    }

    #[cfg(not(target_os = "linux"))]
    fn at(way: &Path) -> io::Result<Self> {
        let is_folder = fs::metadata(way)?.is_dir();
        is_folder.then(|| Self { way: way.to_owned() }).ok_or_else(|| io::ErrorKind::NotADirectory.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use pretty_assertions::assert_eq;

    use super::Folders;

    #[test]
    fn a_link_is_not_followed_and_a_folder_that_was_opened_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("inside")).unwrap();
        fs::create_dir_all(root.join("outside/sub")).unwrap();
        symlink("outside", root.join("link")).unwrap();
        let mut folders = Folders::default();
        assert!(folders.place(&root.join("link/n"), &mut |_| {}).is_err());
        assert!(folders.place(&root.join("link/sub/n"), &mut |_| {}).is_err());

        let mut made = Vec::new();
        let place = folders.place(&root.join("inside/new/n"), &mut |place| made.push(place.told)).unwrap();
        assert_eq!((place.told, made), (root.join("inside/new/n"), vec![root.join("inside/new")]));
        fs::rename(root.join("inside"), root.join("moved")).unwrap();
        symlink("outside", root.join("inside")).unwrap();
        fs::write(place.way, "x").unwrap();
        assert_eq!(fs::read_to_string(root.join("moved/new/n")).unwrap(), "x");
    }
}
