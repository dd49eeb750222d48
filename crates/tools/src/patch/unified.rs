//! What differs between two texts, line by line, and how to write it as a unified diff.

use std::fmt::Write;
use std::time::{Duration, Instant};

use similar::algorithms::{Capture, Compact, IdentifyDistinct, Replace, myers};
use similar::udiff::UnifiedHunkHeader;
use similar::{DiffOp, group_diff_ops};

/// After this the diff gets coarser instead of slower.
const PATIENCE: Duration = Duration::from_millis(200);

/// The hunks from `@@` on, with `context` unchanged lines around them. Empty when nothing changes.
pub(super) fn hunks(old: &str, new: &str, context: usize) -> String {
    let (old, new) = (lines(old), lines(new));
    let mut text = String::new();
    for group in group_diff_ops(changes(&old, &new), context) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", UnifiedHunkHeader::new(&group));
        for change in group.iter().flat_map(|op| op.iter_changes(&old[..], &new[..])) {
            let end = if change.value().ends_with('\n') { "" } else { "\n\\ No newline at end of file\n" };
            let _ = write!(text, "{}{}{end}", change.tag(), change.value());
        }
    }
    text
}

/// How much of two texts is the same, in percent of their lines.
pub(super) fn similarity(old: &str, new: &str) -> usize {
    let (old, new) = (lines(old), lines(new));
    let same = |op: DiffOp| if let DiffOp::Equal { len, .. } = op { len } else { 0 };
    200 * changes(&old, &new).into_iter().map(same).sum::<usize>() / (old.len() + new.len()).max(1)
}

/// Only a line feed ends a line.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// The library's `TextDiff` does the same, and brings code for each of its algorithms along: a third of a mebibyte.
fn changes(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let ids = IdentifyDistinct::<u32>::new(old, 0..old.len(), new, 0..new.len());
    let (old, new) = (ids.old_lookup(), ids.new_lookup());
    let mut hook = Compact::new(Replace::new(Capture::new()), old, new);
    let deadline = Instant::now().checked_add(PATIENCE);
    let Ok(()) = myers::diff_deadline(&mut hook, old, ids.old_range(), new, ids.new_range(), deadline);
    hook.into_inner().into_inner().into_ops()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, prop_assert_eq, proptest};
    use similar::TextDiff;

    use super::{hunks, lines};

    proptest! {
        #[test]
        fn a_diff_is_the_one_of_the_library(old in texts(), new in texts(), context in 0..4usize) {
            let sides = (lines(&old), lines(&new));
            let diff = TextDiff::configure().newline_terminated(true).diff_slices(&sides.0, &sides.1);
            prop_assert_eq!(hunks(&old, &new, context), diff.unified_diff().context_radius(context).to_string());
        }
    }

    /// Few different lines, so that the same ones come again and again; more than a hundred of them, too, from where
    /// the library goes about it differently.
    fn texts() -> impl Strategy<Value = String> {
        (prop::collection::vec("[abc]{0,2}\n", 0..150), "[abc]?").prop_map(|(lines, rest)| lines.concat() + &rest)
    }
}
