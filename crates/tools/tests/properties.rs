//! Patches made from random edits give exactly the edited file, and no text makes the parser panic.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io;
use std::path::{Path, PathBuf};

use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use similar::{ChangeTag, TextDiff};
use valet_tools::patch::{File, Fs, parse, plan};

/// One file in memory.
struct Memory(String);

impl Fs for Memory {
    fn read(&self, _path: &Path) -> io::Result<File> {
        Ok(File { text: self.0.clone(), executable: false })
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }
}

/// Few different lines, so that the same ones come again and again.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ab]", "[ \t]{0,2}[ab{}+@*-]{1,3}[ ]{0,1}"]
}

/// The old lines and the new ones, as edits in some places.
fn edit() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    let piece = (prop::collection::vec(line(), 0..6), any::<bool>(), prop::collection::vec(line(), 0..3));
    let edit = prop::collection::vec(piece, 1..6).prop_map(|pieces| {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for (lines, keep, other) in pieces {
            new.extend(if keep { lines.clone() } else { other });
            old.extend(lines);
        }
        (old, new)
    });
    edit.prop_filter("something changes", |(old, new)| old != new && !old.is_empty())
}

/// A patch with the whole file as context.
fn patch(old: &[String], new: &[String]) -> String {
    written(old, new, usize::MAX / 4, "*** End of File\n")
}

/// A patch with one chunk for each change and three lines around it.
fn chunked(old: &[String], new: &[String]) -> String {
    written(old, new, 3, "")
}

fn written(old: &[String], new: &[String], context: usize, end: &str) -> String {
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    let new: Vec<&str> = new.iter().map(String::as_str).collect();
    let diff = TextDiff::from_slices(&old, &new);
    let mut text = String::from("*** Begin Patch\n*** Update File: f\n");
    for group in diff.grouped_ops(context) {
        text += "@@\n";
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            text += &format!("{sign}{}\n", change.value());
        }
    }
    text + end + "*** End Patch"
}

fn joined(lines: &[String], end: &str, final_end: bool) -> String {
    let text = lines.join(end);
    if final_end && !lines.is_empty() { text + end } else { text }
}

fn applied(text: &str, patch: &str) -> String {
    let changes = plan(&parse(patch).unwrap(), Path::new("/"), &Memory(text.to_owned())).unwrap();
    changes.iter().next().unwrap().new.clone().unwrap().text
}

proptest! {
    #[test]
    fn a_patch_made_from_an_edit_gives_the_edited_file((old, new) in edit(), crlf in any::<bool>()) {
        let end = if crlf { "\r\n" } else { "\n" };
        prop_assert_eq!(applied(&joined(&old, end, true), &patch(&old, &new)), joined(&new, end, true));
    }

    #[test]
    fn the_final_line_end_stays_missing((mut old, mut new) in edit(), last in "[ab]") {
        // An empty last line would be a line end: then there is none to miss.
        old.push("a".to_owned());
        new.push(last);
        prop_assert_eq!(applied(&joined(&old, "\n", false), &patch(&old, &new)), joined(&new, "\n", false));
    }

    #[test]
    fn chunks_with_three_lines_around_are_found_where_lines_are_different(
        count in 1..80_usize,
        edits in prop::collection::vec((0..80_usize, 0..4_usize, 0..4_usize), 1..5),
    ) {
        let old: Vec<String> = (0..count).map(|number| format!("  line {number}")).collect();
        let mut new = old.clone();
        for (place, gone, come) in edits {
            let at = place % (new.len() + 1);
            let end = (at + gone).min(new.len());
            let come = (0..come).map(|number| format!("new {place} {number}"));
            new.splice(at..end, come);
        }
        proptest::prop_assume!(old != new);
        prop_assert_eq!(applied(&joined(&old, "\n", true), &chunked(&old, &new)), joined(&new, "\n", true));
    }

    #[test]
    fn one_changed_line_among_different_ones_is_found_by_its_neighbour(
        count in 2..60_usize,
        at in 1..60_usize,
        anchored in any::<bool>(),
    ) {
        let at = at % (count - 1) + 1;
        let lines: Vec<String> = (0..count).map(|number| format!("    line {number}")).collect();
        let mut edited = lines.clone();
        edited[at] = "changed".to_owned();
        let before = if anchored { format!("@@ line {}", at - 1) } else { format!("@@\n     line {}", at - 1) };
        let patch =
            format!("*** Begin Patch\n*** Update File: f\n{before}\n-    line {at}\n+changed\n*** End Patch");
        prop_assert_eq!(applied(&joined(&lines, "\n", true), &patch), joined(&edited, "\n", true));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn nothing_like_a_patch_makes_the_parser_or_the_planner_panic(
        lines in prop::collection::vec(
            prop_oneof![
                Just("*** Begin Patch"), Just("*** End Patch"), Just("*** Update File: f"), Just("*** Add File: g"),
                Just("*** Delete File: h"), Just("*** Move to: i"), Just("*** End of File"), Just("@@"), Just("@@ a"),
                Just(" a"), Just("-a"), Just("+a"), Just(""), Just("<<EOF"), Just("EOF"), Just("é"), Just("+a\r"),
            ],
            0..20,
        ),
        text in "[ab\r\n]{0,12}",
    ) {
        let body = lines.join("\n");
        for patch in [format!("*** Begin Patch\n{body}\n*** End Patch"), body] {
            if let Ok(patch) = parse(&patch) {
                let _ = plan(&patch, Path::new("/"), &Memory(text.clone()));
            }
        }
    }
}
