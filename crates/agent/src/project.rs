//! What a project tells those who work on it: the files `AGENTS.md` from the root of the repository down to the
//! working directory.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// How the text for the model begins.
pub(crate) const HEADING: &str = "# AGENTS.md for";

const NAME: &str = "AGENTS.md";

/// How much of the files is told.
const MOST_BYTES: usize = 32 * 1024;

/// The root of the repository that a directory is in, or the directory.
pub(crate) fn root(cwd: &Path) -> &Path {
    cwd.ancestors().find(|path| path.join(".git").exists()).unwrap_or(cwd)
}

/// The files that there are, outermost first. A link that leads out of the repository is none of them.
pub fn files(cwd: &Path) -> Vec<PathBuf> {
    let root = root(cwd);
    let mut files: Vec<PathBuf> =
        cwd.ancestors().take_while(|path| path.starts_with(root)).map(|path| path.join(NAME)).collect();
    files.reverse();
    let real_root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    files.retain(|file| file.canonicalize().is_ok_and(|real| real.is_file() && real.starts_with(&real_root)));
    files
}

/// What the files say, for the model; none when there are none.
pub(crate) async fn instructions(cwd: &Path) -> Option<String> {
    let cwd = cwd.to_owned();
    // A task that was not run has read nothing.
    tokio::task::spawn_blocking(move || read(&cwd)).await.ok().flatten()
}

fn read(cwd: &Path) -> Option<String> {
    let mut text = String::new();
    for file in files(cwd) {
        let mut bytes = Vec::new();
        match File::open(&file).and_then(|open| open.take(MOST_BYTES as u64).read_to_end(&mut bytes)) {
            Ok(_) => {
                text.push_str(String::from_utf8_lossy(&bytes).trim());
                text.push_str("\n\n");
            }
            Err(error) => tracing::warn!(file = %file.display(), %error, "instructions of the project are not read"),
        }
    }
    let end = (0..=MOST_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
    let text = text.trim();
    (!text.is_empty()).then(|| format!("{HEADING} {}\n\n<instructions>\n{text}\n</instructions>", cwd.display()))
}

#[cfg(test)]
mod tests {
    use super::{files, read};
    use pretty_assertions::assert_eq;

    #[test]
    fn what_is_nearer_comes_later_and_nothing_comes_from_outside_the_repository() {
        let outside = tempfile::tempdir().unwrap();
        let inner = outside.path().join("repository").join("part");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::create_dir(outside.path().join("repository").join(".git")).unwrap();
        for (directory, text) in [("", "outside"), ("repository", "root"), ("repository/part", "part")] {
            std::fs::write(outside.path().join(directory).join("AGENTS.md"), text).unwrap();
        }
        assert_eq!(files(&inner).len(), 2);
        let expected = format!("# AGENTS.md for {}\n\n<instructions>\nroot\n\npart\n</instructions>", inner.display());
        assert_eq!(read(&inner), Some(expected));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_out_of_the_repository_is_not_read() {
        let (outside, inside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), inside.path().join("AGENTS.md")).unwrap();
        assert_eq!(read(inside.path()), None);
    }

    #[test]
    fn a_project_that_says_nothing_is_told_nothing_of() {
        assert_eq!(read(tempfile::tempdir().unwrap().path()), None);
    }
}
