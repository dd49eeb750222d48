//! Paths by their text alone.

use std::path::{Component, Path, PathBuf};

/// `path` below `root`, or as it is when absolute, without `.` and `..`. Links are not looked at.
pub(crate) fn normalise(root: &Path, path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in root.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
