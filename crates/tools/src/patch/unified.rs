//! Unified diffs of texts.

use std::time::Duration;

use similar::TextDiff;

/// After this the diff gets coarser instead of slower.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);

/// The hunks from `@@` on, with `context` unchanged lines around them. Empty when nothing changes. Only a
/// line feed ends a line.
pub(super) fn hunks(old: &str, new: &str, context: usize) -> String {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let diff = TextDiff::configure().timeout(PATIENCE).newline_terminated(true).diff_slices(&old, &new);
    diff.unified_diff().context_radius(context).to_string()
}
