//! What all patches of a turn did together, as one diff in the form of git.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use super::{Changes, File, Kind, unified};

/// Unchanged lines around a change.
const CONTEXT: usize = 3;
/// The id of a file that does not exist.
const NO_ID: &str = "0000000000000000000000000000000000000000";

/// Adds up the patches of one turn. Files that end up as they began do not count.
#[derive(Clone, Debug)]
pub struct TurnDiff {
    root: PathBuf,
    files: BTreeMap<PathBuf, Tracked>,
    /// Where a file that was moved comes from.
    origins: HashMap<PathBuf, PathBuf>,
}

#[derive(Clone, Debug)]
struct Tracked {
    before: Option<File>,
    now: Option<File>,
}

impl TurnDiff {
    /// Nothing yet. `root` is the root of the repository, or else the working directory: paths below it are
    /// shown relative to it, others are shown absolute.
    pub fn new(root: impl Into<PathBuf>) -> TurnDiff {
        TurnDiff { root: root.into(), files: BTreeMap::new(), origins: HashMap::new() }
    }

    /// Takes in a patch that has been applied.
    pub fn record(&mut self, changes: &Changes) {
        for change in changes.iter() {
            let origin = self.origins.remove(&change.path);
            if let Kind::Update { move_to: Some(destination) } = &change.kind {
                self.track(&change.path, &change.old, &None);
                self.track(destination, &change.overwritten, &change.new);
                self.origins.insert(destination.clone(), origin.unwrap_or_else(|| change.path.clone()));
            } else {
                self.track(&change.path, &change.old, &change.new);
                if let (Some(origin), Kind::Update { .. }) = (origin, &change.kind) {
                    self.origins.insert(change.path.clone(), origin);
                }
            }
        }
    }

    fn track(&mut self, path: &Path, old: &Option<File>, new: &Option<File>) {
        let tracked = self.files.entry(path.to_owned());
        tracked.or_insert_with(|| Tracked { before: old.clone(), now: None }).now = new.clone();
    }

    /// The diff, ordered by path. Empty when nothing changed in the end.
    pub fn render(&self) -> String {
        let renames: HashMap<&Path, &Path> =
            self.origins.iter().filter_map(|(to, from)| self.rename(from, to)).collect();
        let gone: Vec<&Path> = renames.values().copied().collect();
        let mut text = String::new();
        for (path, file) in self.files.iter().filter(|(path, _)| !gone.contains(&path.as_path())) {
            if let Some(from) = renames.get(path.as_path()) {
                let before = self.files.get(*from).and_then(|file| file.before.as_ref());
                self.section(&mut text, (from, before), (path, file.now.as_ref()));
            } else if file.before != file.now {
                self.section(&mut text, (path, file.before.as_ref()), (path, file.now.as_ref()));
            }
        }
        text
    }

    /// Whether a move is still one: the old place is empty now, and the new one was empty before.
    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> Option<(&'a Path, &'a Path)> {
        let (source, destination) = (self.files.get(from)?, self.files.get(to)?);
        let moved = source.before.is_some() && source.now.is_none() && destination.before.is_none();
        (moved && destination.now.is_some()).then_some((to, from))
    }

    fn section(&self, text: &mut String, from: (&Path, Option<&File>), to: (&Path, Option<&File>)) {
        let (from_name, to_name) = (self.name(from.0), self.name(to.0));
        let (old, new) = (content(from.1), content(to.1));
        let mut head = vec![format!("diff --git a/{from_name} b/{to_name}")];
        match (from.1, to.1) {
            (None, Some(file)) => head.push(format!("new file mode {}", mode(file))),
            (Some(file), None) => head.push(format!("deleted file mode {}", mode(file))),
            _ if from.0 != to.0 => head.extend([
                format!("similarity index {}%", similarity(old, new)),
                format!("rename from {from_name}"),
                format!("rename to {to_name}"),
            ]),
            _ => {}
        }
        let (old_id, new_id) = (id(from.1), id(to.1));
        if old_id != new_id {
            head.push(format!("index {old_id}..{new_id}"));
        }
        let hunks = unified::hunks(old, new, CONTEXT);
        if !hunks.is_empty() {
            head.push(from.1.map_or("--- /dev/null".to_owned(), |_| format!("--- a/{from_name}")));
            head.push(to.1.map_or("+++ /dev/null".to_owned(), |_| format!("+++ b/{to_name}")));
        }
        // Writing to a string does not fail.
        let _ = write!(text, "{}\n{hunks}", head.join("\n"));
    }

    fn name<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

fn content(file: Option<&File>) -> &str {
    file.map_or("", |file| &file.text)
}

fn mode(file: &File) -> &'static str {
    if file.executable { "100755" } else { "100644" }
}

/// How much of a renamed file is the same, in percent of its lines. Only the same is 100.
fn similarity(old: &str, new: &str) -> usize {
    if old == new { 100 } else { unified::similarity(old, new).min(99) }
}

/// The id that git gives to the content.
fn id(file: Option<&File>) -> String {
    let Some(file) = file else { return NO_ID.to_owned() };
    let head = format!("blob {}\0", file.text.len());
    let digest = Sha1::new().chain_update(head).chain_update(&file.text).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io;
    use std::path::{Path, PathBuf};

    use pretty_assertions::assert_eq;

    use super::TurnDiff;
    use crate::patch::{Changes, File, Fs, Kind, parse, plan};

    /// Files in memory, by absolute path.
    #[derive(Default)]
    struct Memory(HashMap<PathBuf, File>);

    impl Fs for Memory {
        fn read(&self, path: &Path) -> io::Result<File> {
            self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
            Ok(path.to_owned())
        }
    }

    impl Memory {
        fn take_in(&mut self, changes: &Changes) {
            for change in changes.iter() {
                self.0.remove(&change.path);
                let to = match &change.kind {
                    Kind::Update { move_to: Some(to) } => to,
                    _ => &change.path,
                };
                self.0.extend(change.new.clone().map(|new| (to.clone(), new)));
            }
        }
    }

    /// The diff of a turn below `/r` with these files and patches.
    fn diff(files: &[(&str, &str)], patches: &[&str]) -> String {
        let file = |text: &str, name: &str| File { text: text.to_owned(), executable: name.ends_with(".sh") };
        let mut memory =
            Memory(files.iter().map(|(name, text)| (Path::new("/r").join(name), file(text, name))).collect());
        let mut turn = TurnDiff::new("/r");
        for patch in patches {
            let patch = parse(&format!("*** Begin Patch\n{patch}\n*** End Patch")).unwrap();
            let changes = plan(&patch, Path::new("/r"), &memory).unwrap();
            turn.record(&changes);
            memory.take_in(&changes);
        }
        turn.render()
    }

    const ONE: &str = "d00491fd7e5bb6fa28c517a0bb32b8b506539d4d";
    const TWO: &str = "0cfbf08886fca9a91cb753ec8734c84fcbe52c9f";
    const NEW: &str = "3e757656cf36eca53338e520d134963a44f793f8";
    const NONE: &str = super::NO_ID;

    #[test]
    fn a_new_file_is_shown_as_in_the_transcript() {
        let expected = "diff --git a/added.txt b/added.txt\nnew file mode 100644\n\
                        index 0000000000000000000000000000000000000000..ce013625030ba8dba906f756967f9e9ca394464a\n\
                        --- /dev/null\n+++ b/added.txt\n@@ -0,0 +1 @@\n+hello\n";
        assert_eq!(diff(&[], &["*** Add File: added.txt\n+hello"]), expected);
    }

    #[test]
    fn updates_and_deletions_have_ids_and_files_are_in_order() {
        let found = diff(
            &[("b", "1\n"), ("a.sh", "1\n")],
            &["*** Update File: b\n@@\n-1\n+2", "*** Delete File: a.sh\n*** Add File: ../up\n+new"],
        );
        let expected = format!(
            "diff --git a/a.sh b/a.sh\ndeleted file mode 100755\nindex {ONE}..{NONE}\n--- a/a.sh\n+++ /dev/null\n\
             @@ -1 +0,0 @@\n-1\n\
             diff --git a/b b/b\nindex {ONE}..{TWO}\n--- a/b\n+++ b/b\n@@ -1 +1 @@\n-1\n+2\n\
             diff --git a//up b//up\nnew file mode 100644\nindex {NONE}..{NEW}\n--- /dev/null\n+++ b//up\n\
             @@ -0,0 +1 @@\n+new\n"
        );
        assert_eq!(found, expected);
    }

    #[test]
    fn what_ends_as_it_began_is_left_out() {
        assert_eq!(diff(&[], &["*** Add File: n\n+x", "*** Delete File: n"]), "");
        assert_eq!(diff(&[("a", "1\n")], &["*** Update File: a\n@@\n-1\n+2", "*** Update File: a\n@@\n-2\n+1"]), "");
        assert_eq!(diff(&[("a", "1\n")], &["*** Delete File: a", "*** Add File: a\n+1"]), "");
        let there_and_back = ["*** Update File: a\n*** Move to: b", "*** Update File: b\n*** Move to: a"];
        assert_eq!(diff(&[("a", "1\n")], &there_and_back), "");
    }

    #[test]
    fn a_move_is_a_rename_from_the_first_place_to_the_last() {
        let moves = ["*** Update File: a\n*** Move to: b\n@@\n-1\n+2", "*** Update File: b\n*** Move to: c"];
        let found = diff(&[("a", "x\n1\ny\n")], &moves);
        let expected = "diff --git a/a b/c\nsimilarity index 66%\nrename from a\nrename to c\n\
                        index ae397d0b2784f2fc1710d73e7b744e8964a9228d..03cbc0dc429df4ec2af918a07a2161ac43b808ed\n--- a/a\n+++ b/c\n\
                        @@ -1,3 +1,3 @@\n x\n-1\n+2\n y\n";
        assert_eq!(found, expected);
        let found = diff(&[("a", "1\n")], &["*** Update File: a\n*** Move to: b"]);
        assert_eq!(found, "diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n");
    }

    #[test]
    fn a_move_is_none_when_one_of_the_places_is_taken() {
        let found = diff(&[("a", "1\n")], &["*** Update File: a\n*** Move to: b\n@@\n-1\n+2", "*** Add File: a\n+new"]);
        let expected = format!(
            "diff --git a/a b/a\nindex {ONE}..{NEW}\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+new\n\
             diff --git a/b b/b\nnew file mode 100644\nindex {NONE}..{TWO}\n--- /dev/null\n+++ b/b\n@@ -0,0 +1 @@\n+2\n"
        );
        assert_eq!(found, expected);
        let found = diff(&[("a", "1\n"), ("b", "new\n")], &["*** Update File: a\n*** Move to: b\n@@\n-1\n+2"]);
        let expected = format!(
            "diff --git a/a b/a\ndeleted file mode 100644\nindex {ONE}..{NONE}\n--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n\
             diff --git a/b b/b\nindex {NEW}..{TWO}\n--- a/b\n+++ b/b\n@@ -1 +1 @@\n-new\n+2\n"
        );
        assert_eq!(found, expected);
    }

    #[test]
    fn an_added_file_that_moves_is_added_at_its_last_place() {
        let found = diff(&[], &["*** Add File: n\n+1", "*** Update File: n\n*** Move to: m\n@@\n-1\n+2"]);
        let expected = format!(
            "diff --git a/m b/m\nnew file mode 100644\nindex {NONE}..{TWO}\n--- /dev/null\n+++ b/m\n@@ -0,0 +1 @@\n+2\n"
        );
        assert_eq!(found, expected);
    }
}
