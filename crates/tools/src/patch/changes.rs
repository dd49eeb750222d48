//! The files that a patch changes, as computed by the plan and shown to people.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::{File, unified};

/// Unchanged lines around a change, in the diff of one file.
const CONTEXT: usize = 1;

/// All files of one patch, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    pub(super) changes: Vec<Change>,
}

/// What becomes of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Absolute, without `.` and `..`; may be a link.
    pub path: PathBuf,
    /// What happens.
    pub kind: Kind,
    /// For people: the whole content of a file that is added or deleted; for an update the hunks of a unified
    /// diff, and for a move a last line that says where to.
    pub diff: String,
    /// What was at `path`.
    pub old: Option<File>,
    /// What will be at `path`, or at the destination of a move.
    pub new: Option<File>,
    /// What was at the destination of a move.
    pub overwritten: Option<File>,
    /// Where what is at `path` really is: a link is written through, but deleted or moved away itself.
    pub(super) target: PathBuf,
    /// The same for the destination of a move.
    pub(super) move_target: Option<PathBuf>,
    /// How the patch names the result.
    name: String,
}

/// What happens to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is written anew.
    Add,
    /// It goes.
    Delete,
    /// It changes.
    Update {
        /// Its new place, absolute, without `.` and `..`.
        move_to: Option<PathBuf>,
    },
}

/// A path and where it leads through links.
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) target: PathBuf,
}

impl Changes {
    /// The changes, in the order of the patch.
    pub fn iter(&self) -> std::slice::Iter<'_, Change> {
        self.changes.iter()
    }

    /// Every path that is written or deleted, as named and as it is without links. Who decides about approval
    /// looks at all of them.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.changes.iter().flat_map(|change| {
            let move_to = match &change.kind {
                Kind::Update { move_to } => move_to.as_deref(),
                Kind::Add | Kind::Delete => None,
            };
            let here = [change.path.as_path(), change.target.as_path()];
            here.into_iter().chain(move_to).chain(change.move_target.as_deref())
        })
    }
}

impl Change {
    pub(super) fn new(place: Place, kind: Kind, old: Option<File>, new: Option<File>, name: &str) -> Change {
        let text = |file: &Option<File>| file.as_ref().map(|file| file.text.clone()).unwrap_or_default();
        let diff = match &kind {
            Kind::Add => text(&new),
            Kind::Delete => text(&old),
            Kind::Update { .. } => unified::hunks(&text(&old), &text(&new), CONTEXT),
        };
        let Place { path, target } = place;
        Change { path, kind, diff, old, new, overwritten: None, target, move_target: None, name: name.to_owned() }
    }

    pub(super) fn moved(from: Place, to: Place, old: File, new: File, overwritten: Option<File>, name: &str) -> Change {
        let kind = Kind::Update { move_to: Some(to.path.clone()) };
        let mut change = Change { overwritten, ..Change::new(from, kind, Some(old), Some(new), name) };
        // Clients of the reference know this line.
        change.diff += &format!("\n\nMoved to: {}", to.path.display());
        change.move_target = Some(to.target);
        change
    }
}

/// What the model is told after the patch is applied. A moved file is named by its new place.
pub fn summary(changes: &Changes) -> String {
    let mut text = String::from("Success. Updated the following files:\n");
    for change in changes.iter() {
        let letter = match change.kind {
            Kind::Add => 'A',
            Kind::Delete => 'D',
            Kind::Update { .. } => 'M',
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{letter} {}", change.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pretty_assertions::assert_eq;

    use super::{Changes, Kind, summary};
    use crate::patch::{Disk, parse, plan};

    /// The changes of a patch where `a` holds these lines, with the root left out.
    fn changes(body: &str) -> (Changes, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "one\ntwo\nthree\nfour\n").unwrap();
        let patch = parse(&format!("*** Begin Patch\n{body}\n*** End Patch")).unwrap();
        let changes = plan(&patch, folder.path(), &Disk).unwrap();
        let root = format!("{}/", folder.path().display());
        let diffs = changes.iter().map(|change| change.diff.replace(&root, "")).collect();
        (changes, diffs)
    }

    // The shapes are those of the reference.

    #[test]
    fn a_whole_file_is_shown_by_its_content() {
        let (_, diffs) = changes("*** Delete File: a\n*** Add File: b\n+x\n*** Add File: c");
        assert_eq!(diffs, ["one\ntwo\nthree\nfour\n", "x\n", ""]);
    }

    #[test]
    fn an_update_is_shown_by_its_hunks_with_one_line_around() {
        let (_, diffs) = changes("*** Update File: a\n@@\n-three\n+3");
        assert_eq!(diffs, ["@@ -2,3 +2,3 @@\n two\n-three\n+3\n four\n"]);
        let (_, diffs) = changes("*** Update File: a\n@@\n-two\n+two");
        assert_eq!(diffs, [""]);
    }

    #[test]
    fn a_move_says_where_to() {
        let (changes, diffs) = changes("*** Update File: a\n*** Move to: b\n@@\n-one\n+1");
        assert_eq!(diffs, ["@@ -1,2 +1,2 @@\n-one\n+1\n two\n\n\nMoved to: b"]);
        let kind = &changes.iter().next().unwrap().kind;
        assert!(matches!(kind, Kind::Update { move_to: Some(to) } if to.is_absolute() && to.ends_with("b")));
    }

    #[test]
    fn the_summary_names_the_files_as_the_patch_does() {
        let (changes, _) = changes("*** Update File: ./a\n*** Move to: sub/b\n*** Add File: c d\n+x");
        assert_eq!(summary(&changes), "Success. Updated the following files:\nM sub/b\nA c d\n");
    }
}
