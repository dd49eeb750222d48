//! Writes all files of a patch, or none. New contents are written beside their places first, old ones are
//! kept beside theirs until all is done; after a failure everything is put back.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempPath};

use super::file::resolve;
use super::folders::{Folders, Place};
use super::{Change, Changes, Disk, File, Fs, Kind};

/// What the hidden names beside a file begin with, for as long as a patch is being applied.
const PREFIX: &str = ".valet-patch-";

/// Why a patch was not applied.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}{}", .path.display(), unrestored_text(.unrestored))]
pub struct ApplyError {
    /// The file that failed.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
    /// Files that could not be put back. Empty but for a disk that fails twice.
    pub unrestored: Vec<PathBuf>,
}

fn unrestored_text(paths: &[PathBuf]) -> String {
    let mut text = String::new();
    for path in paths {
        text += &format!("; {} could not be put back", path.display());
    }
    text
}

/// Applies a plan to the disk. A file that is no longer as it was planned for fails it, and so does any write;
/// then all files are as they were. Replaced files keep their permissions and, where the system lets us, their
/// owner; a hard link is no longer shared.
pub fn apply(changes: &Changes) -> Result<(), ApplyError> {
    apply_with(changes, |_| Ok(()))
}

/// As [`apply`]; `before` is asked before each step that others can see, and may fail it.
fn apply_with(changes: &Changes, mut before: impl FnMut(usize) -> io::Result<()>) -> Result<(), ApplyError> {
    let steps: Vec<Step<'_>> = changes.iter().flat_map(steps).collect();
    // Dropped last: all ways lead through them.
    let mut folders = Folders::default();
    let mut undo = Vec::new();
    let result = stage(&steps, &mut folders, &mut undo).and_then(|staged| {
        staged.into_iter().zip(&steps).enumerate().try_for_each(|(number, (staged, step))| {
            let done = before(number).and_then(|()| commit(step, staged, &mut undo));
            done.map_err(|source| (step.target.to_owned(), source))
        })
    });
    result.map_err(|(path, source)| ApplyError { path, source, unrestored: roll_back(undo) })
}

/// One place, what is there, and what shall be there.
struct Step<'a> {
    target: &'a Path,
    old: Option<&'a File>,
    new: Option<&'a File>,
    /// Whose permissions the new file gets.
    like: Option<&'a Path>,
}

fn steps(change: &Change) -> Vec<Step<'_>> {
    let Change { target, old, new, overwritten, .. } = change;
    let (old, new, overwritten) = (old.as_ref(), new.as_ref(), overwritten.as_ref());
    match (&change.kind, &change.move_target) {
        (Kind::Update { .. }, Some(destination)) => vec![
            Step { target: destination, old: overwritten, new, like: Some(target) },
            Step { target, old, new: None, like: None },
        ],
        _ => vec![Step { target, old, new, like: old.map(|_| target.as_path()) }],
    }
}

/// How to take one step back.
enum Undo {
    /// What was at the second place is kept at the first.
    PutBack(TempPath, Place),
    /// There was no such file.
    RemoveFile(Place),
    /// There was no such folder.
    RemoveFolder(Place),
}

type Failure = (PathBuf, io::Error);

/// Where a step is done, and the new content beside it.
type Staged = (Place, Option<NamedTempFile>);

/// Checks every place and writes every new content beside it.
fn stage(steps: &[Step<'_>], folders: &mut Folders, undo: &mut Vec<Undo>) -> Result<Vec<Staged>, Failure> {
    let failed = |step: &Step<'_>| {
        let path = step.target.to_owned();
        move |source| (path, source)
    };
    for step in steps {
        unchanged(step).map_err(failed(step))?;
    }
    steps.iter().map(|step| write_beside(step, folders, undo).map_err(failed(step))).collect()
}

fn unchanged(step: &Step<'_>) -> io::Result<()> {
    // Else the bytes would go elsewhere than what was approved. What becomes a link after this is not followed, where
    // folders can be held open.
    if resolve(&Disk, folder_of(step.target))? != folder_of(step.target) {
        return Err(io::Error::other("a folder above it has become a link since the patch was read"));
    }
    still_as_planned(step, step.target)
}

/// Whether this path has what the step was planned for.
fn still_as_planned(step: &Step<'_>, path: &Path) -> io::Result<()> {
    let now = match Disk.read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        result => Some(result?),
    };
    if now.as_ref() == step.old { Ok(()) } else { Err(changed()) }
}

fn changed() -> io::Error {
    io::Error::other("it has changed since the patch was read")
}

fn write_beside(step: &Step<'_>, folders: &mut Folders, undo: &mut Vec<Undo>) -> io::Result<Staged> {
    let made = &mut |place| undo.push(Undo::RemoveFolder(place));
    let place = folders.place(step.target, made)?;
    let Some(new) = step.new else { return Ok((place, None)) };
    let mut file = new_file(folder_of(&place.way)).map_err(without_way)?;
    file.write_all(new.text.as_bytes())?;
    if let Some(like) = step.like {
        take_after(file.as_file(), &fs::symlink_metadata(folders.place(like, made)?.way)?)?;
    }
    Ok((place, Some(file)))
}

/// The error without the way, which says nothing to people.
fn without_way(error: io::Error) -> io::Error {
    let text = error.to_string();
    text.split_once(" at path ").map_or(error, |(why, _way)| io::Error::other(why))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// A file with the permissions that any new file gets.
#[cfg(unix)]
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    Builder::new().prefix(PREFIX).permissions(fs::Permissions::from_mode(0o666)).tempfile_in(folder)
}

#[cfg(not(unix))]
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    Builder::new().prefix(PREFIX).tempfile_in(folder)
}

#[cfg(unix)]
fn take_after(file: &fs::File, original: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    // Only the administrator may give files away; for others they have the right owner already.
    let _ = fchown(file, Some(original.uid()), Some(original.gid()));
    file.set_permissions(original.permissions())
}

#[cfg(not(unix))]
fn take_after(file: &fs::File, original: &fs::Metadata) -> io::Result<()> {
    file.set_permissions(original.permissions())
}

/// Lets the new content take its place, or takes the file away. What was there is kept in `undo`, and looked at once
/// more: somebody may have saved it since all were checked.
fn commit(step: &Step<'_>, (place, staged): Staged, undo: &mut Vec<Undo>) -> io::Result<()> {
    let target = place.way.clone();
    let keep = |how: fn(&Path, &Path) -> io::Result<()>| {
        let kept = Builder::new().prefix(PREFIX).make_in(folder_of(&target), |name| how(&target, name));
        kept.map(NamedTempFile::into_temp_path).map_err(without_way)
    };
    let Some(staged) = staged else {
        let kept = keep(|from, to| fs::rename(from, to))?;
        let taken = still_as_planned(step, &kept);
        undo.push(Undo::PutBack(kept, place));
        return taken;
    };
    // A second name for the old file, so that there is one under the right name at all times.
    let back = match step.old {
        Some(_) => {
            let kept = keep(|from, to| fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop)))?;
            still_as_planned(step, &kept)?;
            staged.persist(&target).map_err(|error| error.error)?;
            Undo::PutBack(kept, place)
        }
        None => {
            match staged.persist_noclobber(&target) {
                Ok(_file) => {}
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Err(changed()),
                // Not every file system can do both at once.
                Err(error) => {
                    still_as_planned(step, &target)?;
                    error.file.persist(&target).map_err(|error| error.error)?;
                }
            }
            Undo::RemoveFile(place)
        }
    };
    undo.push(back);
    Ok(())
}

/// Takes all steps back, the last one first. Gives the places where that failed.
fn roll_back(undo: Vec<Undo>) -> Vec<PathBuf> {
    let back = undo.into_iter().rev().filter_map(|step| match step {
        Undo::PutBack(kept, place) => match kept.persist(&place.way) {
            Ok(()) => None,
            Err(error) => {
                // The only copy is not to be cleaned up.
                let _ = error.path.keep();
                Some(place.told)
            }
        },
        Undo::RemoveFile(place) => fs::remove_file(&place.way).err().map(|_| place.told),
        Undo::RemoveFolder(place) => fs::remove_dir(&place.way).err().map(|_| place.told),
    });
    back.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::io;
    use std::path::{Path, PathBuf};

    use pretty_assertions::assert_eq;
    use tempfile::TempDir;

    use super::{apply, apply_with};
    use crate::patch::{Changes, Disk, parse, plan};

    /// A root without links in its own path.
    fn root() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        (folder, root)
    }

    fn planned(root: &Path, body: &str) -> Changes {
        plan(&parse(&format!("*** Begin Patch\n{body}\n*** End Patch")).unwrap(), root, &Disk).unwrap()
    }

    /// Everything below a folder: contents of files, targets of links, nothing for folders.
    fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(root).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                found.extend(tree(&path));
                found.insert(path, String::new());
            } else if kind.is_symlink() {
                found.insert(path.clone(), fs::read_link(path).unwrap().display().to_string());
            } else {
                found.insert(path.clone(), fs::read_to_string(path).unwrap());
            }
        }
        found
    }

    const MIXED: &str = "*** Add File: new/deep/n\n+n\n*** Update File: a\n@@\n-1\n+2\n*** Delete File: b\n\
                         *** Update File: c\n*** Move to: d\n@@\n-3\n+4\n*** Add File: e\n+5";

    fn mixed(root: &Path) {
        for (name, text) in [("a", "1\n"), ("b", "x\n"), ("c", "3\n"), ("d", "old\n"), ("e", "old\n")] {
            fs::write(root.join(name), text).unwrap();
        }
    }

    #[test]
    fn whichever_step_fails_everything_is_as_it_was() {
        let (_folder, root) = root();
        mixed(&root);
        let before = tree(&root);
        let changes = planned(&root, MIXED);
        for failing in 0..6 {
            let step = |number| if number == failing { Err(io::Error::other("no more disk")) } else { Ok(()) };
            let error = apply_with(&changes, step).unwrap_err();
            assert!(error.to_string().ends_with(": no more disk"), "{error}");
            assert_eq!(error.unrestored, Vec::<PathBuf>::new());
            assert_eq!(tree(&root), before, "step {failing}");
        }
        apply_with(&changes, |number| if number < 6 { Ok(()) } else { Err(io::Error::other("more steps")) }).unwrap();
        let names: Vec<_> = tree(&root).into_keys().map(|path| path.strip_prefix(&root).unwrap().to_owned()).collect();
        assert_eq!(names, ["a", "d", "e", "new", "new/deep", "new/deep/n"].map(PathBuf::from));
    }

    #[test]
    fn a_folder_in_the_way_fails_the_patch_and_leaves_nothing_behind() {
        let (_folder, root) = root();
        mixed(&root);
        let changes = planned(&root, "*** Update File: a\n@@\n-1\n+2\n*** Add File: x/y/z\n+1");
        fs::write(root.join("x"), "a file\n").unwrap();
        let before = tree(&root);
        apply(&changes).unwrap_err();
        assert_eq!(tree(&root), before);
        let changes = planned(&root, "*** Add File: v/w\n+1\n*** Update File: a\n@@\n-1\n+2");
        fs::remove_file(root.join("a")).unwrap();
        fs::create_dir(root.join("a")).unwrap();
        let before = tree(&root);
        let error = apply(&changes).unwrap_err();
        assert_eq!(error.path, root.join("a"));
        assert_eq!(tree(&root), before);
    }

    #[test]
    fn a_file_that_changed_after_the_plan_is_not_overwritten() {
        let (_folder, root) = root();
        mixed(&root);
        let changes = planned(&root, MIXED);
        fs::write(root.join("d"), "newer\n").unwrap();
        let before = tree(&root);
        let error = apply(&changes).unwrap_err().to_string();
        assert!(error.ends_with("it has changed since the patch was read"), "{error}");
        assert_eq!(tree(&root), before);
        let changes = planned(&root, "*** Add File: n\n+1");
        fs::write(root.join("n"), "mine\n").unwrap();
        apply(&changes).unwrap_err();
        assert_eq!(fs::read_to_string(root.join("n")).unwrap(), "mine\n");
    }

    #[test]
    fn what_somebody_saves_while_the_patch_is_applied_is_not_overwritten() {
        let (_folder, root) = root();
        mixed(&root);
        let changes = planned(&root, MIXED);
        let targets = ["new/deep/n", "a", "b", "d", "c", "e"].map(|name| root.join(name));
        for (failing, target) in targets.iter().enumerate() {
            let mut saved = tree(&root);
            let was_there = saved.get(target).cloned();
            let save = |number| if number == failing { fs::write(target, "mine\n") } else { Ok(()) };
            let error = apply_with(&changes, save).unwrap_err();
            assert_eq!(error.path, *target);
            assert!(error.to_string().contains("it has changed since the patch was read"), "{error}");
            saved.insert(target.clone(), "mine\n".to_owned());
            let now = tree(&root);
            assert_eq!(now.iter().filter(|(path, _)| path.is_file()).count(), saved.len(), "{now:?}");
            assert!(saved.iter().all(|(path, text)| now.get(path) == Some(text)), "{now:?}");
            match was_there {
                Some(text) => fs::write(target, text).unwrap(),
                None => fs::remove_dir_all(root.join("new")).unwrap(),
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_became_a_link_after_the_plan_is_not_followed() {
        let (_folder, root) = root();
        fs::create_dir_all(root.join("inside/sub")).unwrap();
        fs::create_dir(root.join("outside")).unwrap();
        let changes = planned(&root.join("inside"), "*** Add File: sub/n\n+1");
        fs::remove_dir(root.join("inside/sub")).unwrap();
        std::os::unix::fs::symlink("../outside", root.join("inside/sub")).unwrap();
        let before = tree(&root);
        let error = apply(&changes).unwrap_err().to_string();
        assert!(error.contains("has become a link"), "{error}");
        assert_eq!(tree(&root), before);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_becomes_a_link_while_the_patch_is_applied_is_not_followed() {
        let (_folder, root) = root();
        let names = ["n", "o"];
        for folder in ["inside/sub", "outside"] {
            fs::create_dir_all(root.join(folder)).unwrap();
            names.iter().for_each(|name| fs::write(root.join(folder).join(name), "1\n").unwrap());
        }
        let body = "*** Delete File: sub/n\n*** Update File: sub/o\n@@\n-1\n+2\n*** Add File: sub/p\n+3";
        for fails in [true, false] {
            let outside = tree(&root.join("outside"));
            let changes = planned(&root.join("inside"), body);
            let inside = tree(&root.join("inside/sub"));
            let swap = |number| match number {
                0 => {
                    fs::rename(root.join("inside/sub"), root.join("inside/moved"))?;
                    std::os::unix::fs::symlink("../outside", root.join("inside/sub"))
                }
                2 if fails => Err(io::Error::other("no more disk")),
                _ => Ok(()),
            };
            assert_eq!(apply_with(&changes, swap).is_err(), fails);
            assert_eq!(tree(&root.join("outside")), outside);
            fs::remove_file(root.join("inside/sub")).unwrap();
            fs::rename(root.join("inside/moved"), root.join("inside/sub")).unwrap();
            if fails {
                assert_eq!(tree(&root.join("inside/sub")), inside, "everything is put back where it was");
            }
        }
        let left: Vec<_> = tree(&root.join("inside/sub")).into_values().collect();
        assert_eq!(left, ["2\n", "3\n"]);
    }

    #[cfg(unix)]
    #[test]
    fn the_executable_bit_stays_and_goes_along_with_a_move() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, root) = root();
        let mode = |name: &str| fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o777;
        fs::write(root.join("a"), "1\n").unwrap();
        fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o750)).unwrap();
        apply(&planned(&root, "*** Update File: a\n@@\n-1\n+2")).unwrap();
        assert_eq!(mode("a"), 0o750);
        apply(&planned(&root, "*** Update File: a\n*** Move to: b\n@@\n-2\n+3")).unwrap();
        assert_eq!(mode("b"), 0o750);
        apply(&planned(&root, "*** Add File: b\n+4\n*** Add File: c\n+5")).unwrap();
        assert_eq!(mode("b"), 0o750);
        fs::write(root.join("plain"), "").unwrap();
        assert_eq!(mode("c"), mode("plain"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_written_through_and_deleted_itself_and_both_paths_are_told() {
        let (_folder, root) = root();
        fs::create_dir_all(root.join("inside")).unwrap();
        fs::create_dir_all(root.join("outside")).unwrap();
        fs::write(root.join("outside/real"), "1\n").unwrap();
        std::os::unix::fs::symlink("../outside/real", root.join("inside/link")).unwrap();
        std::os::unix::fs::symlink("../outside", root.join("inside/folder")).unwrap();
        let inside = root.join("inside");

        let changes = planned(&inside, "*** Update File: link\n@@\n-1\n+2\n*** Add File: folder/new\n+n");
        let paths: Vec<_> = changes.paths().collect();
        let expected = ["inside/link", "outside/real", "inside/folder/new", "outside/new"].map(|path| root.join(path));
        assert_eq!(paths, expected);
        apply(&changes).unwrap();
        assert_eq!(fs::read_to_string(root.join("outside/real")).unwrap(), "2\n");
        assert_eq!(fs::read_to_string(root.join("outside/new")).unwrap(), "n\n");
        assert!(inside.join("link").is_symlink());

        apply(&planned(&inside, "*** Delete File: link")).unwrap();
        assert!(!inside.join("link").is_symlink());
        assert_eq!(fs::read_to_string(root.join("outside/real")).unwrap(), "2\n");
    }

    #[cfg(unix)]
    #[test]
    fn the_same_file_by_two_names_is_found_out() {
        let (_folder, root) = root();
        fs::write(root.join("a"), "1\n").unwrap();
        std::os::unix::fs::symlink("a", root.join("b")).unwrap();
        let text = "*** Begin Patch\n*** Update File: a\n@@\n-1\n+2\n*** Update File: b\n@@\n-1\n+3\n*** End Patch";
        let error = plan(&parse(text).unwrap(), &root, &Disk).unwrap_err().to_string();
        assert!(error.contains("is changed twice"), "{error}");
    }

    #[test]
    fn paths_lead_out_of_the_root_only_by_name() {
        let (_folder, root) = root();
        fs::create_dir(root.join("sub")).unwrap();
        let changes = planned(&root.join("sub"), "*** Add File: ../up\n+1\n*** Add File: ./x/../down\n+2");
        let mut paths: Vec<_> = changes.paths().collect();
        paths.dedup();
        assert_eq!(paths, [root.join("up"), root.join("sub/down")]);
    }
}
