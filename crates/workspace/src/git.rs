//! Where a repository stands, and what its working tree holds that the remote does not, by asking the git program.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// The longest diff that is returned, in bytes.
pub const MAX_DIFF_BYTES: u64 = 16 * 1024 * 1024;

/// How long all of git's work may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// What git may see of our environment: enough to be found and to find its configuration and keys.
const ENVIRONMENT: &[&str] = &["PATH", "HOME", "XDG_CONFIG_HOME", "USERPROFILE", "SYSTEMROOT", "TEMP", "TMP"];

/// Where a repository stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The commit; none before the first.
    pub sha: Option<String>,
    /// The branch; none when a commit is checked out without one.
    pub branch: Option<String>,
    /// The URL of the remote `origin`, as it is configured.
    pub origin_url: Option<String>,
}

/// Where the repository stands that a directory is in. None: there is no git or no repository, or the answer takes
/// too long.
pub async fn head(directory: &Path) -> Option<Head> {
    // Most folders are in none: a look costs less than git does.
    if !directory.ancestors().any(|folder| folder.join(".git").exists()) {
        return None;
    }
    let line = async |arguments: &[&str]| {
        let answer = ask(directory, arguments).await?;
        Some(answer.trim_end_matches(['\r', '\n']).to_owned())
    };
    let asked = async {
        tokio::join!(
            line(&["rev-parse", "--verify", "--quiet", "HEAD"]),
            line(&["symbolic-ref", "--short", "--quiet", "HEAD"]),
            line(&["config", "--get", "remote.origin.url"]),
        )
    };
    let (sha, branch, origin_url) = tokio::time::timeout(TIME_LIMIT, asked).await.ok()?;
    // What is called so need not be a repository.
    (sha.is_some() || branch.is_some()).then_some(Head { sha, branch, origin_url })
}

/// How the working tree differs from what a remote has.
#[derive(Debug, PartialEq, Eq)]
pub struct RemoteDiff {
    /// The commit of the remote.
    pub sha: String,
    /// From that commit to the working tree, untracked files included, ignored ones not.
    pub diff: String,
}

/// The diff of the repository that a directory is in, against the nearest of the commits that a remote was last
/// seen to have: of the branch of the same name, of the default branch, and of each branch that holds all of
/// ours or that we hold all of. None: there is no git, no repository or no such commit, or the answer is too
/// long or takes too long.
pub async fn diff_to_remote(directory: &Path) -> Option<RemoteDiff> {
    tokio::time::timeout(TIME_LIMIT, diff(directory)).await.ok()?
}

async fn diff(directory: &Path) -> Option<RemoteDiff> {
    let root = ask(directory, &["rev-parse", "--show-toplevel"]).await?;
    let root = Path::new(root.trim_end_matches(['\r', '\n']));
    let sha = nearest(root, candidates(root).await?).await?;
    let diff = with_untracked(root, &sha).await?;
    Some(RemoteDiff { sha, diff })
}

/// Commits that a remote has, the likeliest first.
async fn candidates(root: &Path) -> Option<Vec<String>> {
    let head = ask(root, &["rev-parse", "--abbrev-ref", "HEAD"]).await?;
    let mut remotes: Vec<String> = ask(root, &["remote"]).await?.lines().map(str::to_owned).collect();
    // Not `false` first: what is called origin is.
    remotes.sort_by_key(|remote| remote != "origin");
    let mut shas = Vec::new();
    for remote in &remotes {
        // Of the last two, only the one that exists is the default branch.
        for branch in [head.trim(), "HEAD", "main", "master"] {
            let name = format!("refs/remotes/{remote}/{branch}^{{commit}}");
            shas.extend(ask(root, &["rev-parse", "--verify", "--quiet", &name]).await);
        }
    }
    for relation in ["--contains=HEAD", "--merged=HEAD"] {
        let arguments = ["for-each-ref", relation, "--sort=-committerdate", "--count=8", "--format=%(objectname)"];
        let related = ask(root, &[&arguments[..], &["refs/remotes"]].concat()).await;
        shas.extend(related.unwrap_or_default().lines().map(str::to_owned));
    }
    let mut unique: Vec<String> = Vec::new();
    for sha in shas.iter().map(|sha| sha.trim()) {
        if !unique.iter().any(|known| known == sha) {
            unique.push(sha.to_owned());
        }
    }
    Some(unique)
}

/// The candidate that lacks the fewest of our commits.
async fn nearest(root: &Path, candidates: Vec<String>) -> Option<String> {
    let mut nearest: Option<(u64, String)> = None;
    for sha in candidates {
        let count = ask(root, &["rev-list", "--count", &format!("{sha}..HEAD")]).await;
        let Some(count) = count.and_then(|count| count.trim().parse().ok()) else { continue };
        if nearest.as_ref().is_none_or(|(fewest, _)| count < *fewest) {
            nearest = Some((count, sha));
        }
    }
    nearest.map(|(_, sha)| sha)
}

/// The diff with untracked files in it. Git shows only those that its index knows of, so it gets an index of
/// its own, a copy in which they are announced; the real one stays as it is.
async fn with_untracked(root: &Path, sha: &str) -> Option<String> {
    let index = ask(root, &["rev-parse", "--git-path", "index"]).await?;
    let index = root.join(index.trim_end_matches(['\r', '\n']));
    let folder = tempfile::tempdir().ok()?;
    let copy = folder.path().join("index");
    if index.exists() {
        tokio::fs::copy(&index, &copy).await.ok()?;
        // Git takes a file that is no younger than the index for one that may have changed unseen: the copy must be
        // as old as what it is a copy of.
        let written = tokio::fs::metadata(&index).await.and_then(|index| index.modified()).ok()?;
        std::fs::File::options().append(true).open(&copy).and_then(|copy| copy.set_modified(written)).ok()?;
    }
    let mut announce = git(root, &["add", "--intent-to-add", "--ignore-errors", "."]);
    // Fails when a file cannot be read; the others are announced all the same.
    let _ = read(announce.env("GIT_INDEX_FILE", &copy)).await;
    let plain = ["--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", "-M"];
    let mut diff = git(root, &["diff"]);
    diff.args(plain).arg(sha).arg("--");
    read(diff.env("GIT_INDEX_FILE", &copy)).await
}

async fn ask(directory: &Path, arguments: &[&str]) -> Option<String> {
    read(&mut git(directory, arguments)).await
}

/// Git, which asks nobody, starts nothing else that a configuration names, and dies with us.
fn git(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.env_clear().envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.envs([("GIT_OPTIONAL_LOCKS", "0"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_PAGER", "cat"), ("LC_ALL", "C")]);
    command.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=true"]);
    command.args(arguments).current_dir(directory).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// What a program says, if it ends well and says no more than a diff may be long.
async fn read(command: &mut Command) -> Option<String> {
    let mut child = command.spawn().ok()?;
    let mut said = Vec::new();
    child.stdout.take()?.take(MAX_DIFF_BYTES + 1).read_to_end(&mut said).await.ok()?;
    if said.len() as u64 > MAX_DIFF_BYTES || !child.wait().await.ok()?.success() {
        return None;
    }
    Some(String::from_utf8_lossy(&said).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::{Head, RemoteDiff, diff_to_remote, head};
    use pretty_assertions::assert_eq;

    /// A repository with one commit, pushed to the branch `main` of `origin`.
    struct Repository {
        _folder: tempfile::TempDir,
        root: PathBuf,
    }

    impl Repository {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("tree");
            fs::create_dir(&root).unwrap();
            let repository = Self { _folder: folder, root };
            repository.git("init -q -b main");
            repository.git("init -q --bare ../remote.git");
            repository.git("remote add origin ../remote.git");
            repository.commit("tracked", "one\n");
            repository.git("push -q -u origin main");
            repository
        }

        fn git(&self, arguments: &str) -> String {
            let identity = ["-c", "user.name=n", "-c", "user.email=a@example.com"];
            let output =
                Command::new("git").args(identity).args(arguments.split(' ')).current_dir(&self.root).output().unwrap();
            assert!(output.status.success(), "git {arguments}: {output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.root.join(name), text).unwrap();
        }

        fn commit(&self, name: &str, text: &str) {
            self.write(name, text);
            self.git("add -A");
            self.git("commit -q -m message");
        }

        fn sha(&self, name: &str) -> String {
            self.git(&format!("rev-parse {name}"))
        }

        async fn diff(&self) -> RemoteDiff {
            diff_to_remote(&self.root).await.unwrap()
        }
    }

    fn files(diff: &RemoteDiff) -> Vec<&str> {
        diff.diff.lines().filter_map(|line| line.strip_prefix("diff --git ")).collect()
    }

    #[tokio::test]
    async fn where_a_repository_stands_is_known_from_each_of_its_folders() {
        let repository = Repository::new();
        let below = repository.root.join("below");
        fs::create_dir(&below).unwrap();
        let sha = Some(repository.sha("HEAD"));
        let origin_url = Some("../remote.git".to_owned());
        let expected = Head { sha, branch: Some("main".to_owned()), origin_url };
        assert_eq!(head(&below).await, Some(expected));
        repository.git("remote remove origin");
        repository.git("checkout -q --detach");
        repository.git("worktree add -q ../other");
        let stands = head(&repository.root).await.unwrap();
        assert_eq!((stands.branch, stands.origin_url), (None, None));
        let other = head(&repository.root.join("../other").canonicalize().unwrap()).await.unwrap();
        assert_eq!((other.sha, other.branch.as_deref()), (stands.sha, Some("other")));
    }

    #[tokio::test]
    async fn a_repository_without_a_commit_has_a_branch_and_a_folder_has_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(head(folder.path()).await, None);
        let began = Command::new("git").args(["init", "-q", "-b", "first"]).current_dir(folder.path()).status();
        assert!(began.unwrap().success());
        let expected = Head { sha: None, branch: Some("first".to_owned()), origin_url: None };
        assert_eq!(head(folder.path()).await, Some(expected));
        fs::remove_dir_all(folder.path().join(".git")).unwrap();
        fs::write(folder.path().join(".git"), "nothing of git").unwrap();
        assert_eq!(head(folder.path()).await, None);
    }

    #[tokio::test]
    async fn a_clean_tree_has_an_empty_diff() {
        let repository = Repository::new();
        let expected = RemoteDiff { sha: repository.sha("HEAD"), diff: String::new() };
        assert_eq!(repository.diff().await, expected);
    }

    #[tokio::test]
    async fn commits_changes_and_untracked_files_are_in_it_and_the_index_stays_as_it_is() {
        let repository = Repository::new();
        repository.commit("committed", "x\n");
        repository.write("tracked", "one\ntwo\n");
        repository.write("new file", "new\n");
        fs::create_dir(repository.root.join("below")).unwrap();
        repository.write("below/untracked", "u\n");
        repository.write(".gitignore", "ignored\n");
        repository.write("ignored", "i\n");
        let status = repository.git("status --porcelain");
        let diff = diff_to_remote(&repository.root.join("below")).await.unwrap();
        assert_eq!(diff.sha, repository.sha("origin/main"));
        let expected = [
            "a/.gitignore b/.gitignore",
            "a/below/untracked b/below/untracked",
            "a/committed b/committed",
            "a/new file b/new file",
            "a/tracked b/tracked",
        ];
        assert_eq!(files(&diff), expected);
        assert!(diff.diff.contains("--- /dev/null\n+++ b/below/untracked\n@@ -0,0 +1 @@\n+u\n"), "{}", diff.diff);
        assert_eq!(repository.git("status --porcelain"), status);
    }

    #[tokio::test]
    async fn a_branch_that_no_remote_has_is_compared_with_the_nearest_that_one_has() {
        let repository = Repository::new();
        repository.git("checkout -q -b topic");
        repository.commit("topic", "t\n");
        repository.git("push -q origin topic");
        repository.git("checkout -q -b below-topic");
        repository.commit("below", "b\n");
        let diff = repository.diff().await;
        assert_eq!((diff.sha.as_str(), files(&diff)), (repository.sha("topic").as_str(), vec!["a/below b/below"]));
        repository.git("checkout -q --detach");
        assert_eq!(repository.diff().await, diff);
    }

    #[tokio::test]
    async fn a_branch_that_has_moved_on_at_the_remote_is_compared_with_where_it_is_there() {
        let repository = Repository::new();
        let old = repository.sha("HEAD");
        repository.commit("later", "l\n");
        repository.git("push -q");
        repository.git(&format!("reset -q --hard {old}"));
        let diff = repository.diff().await;
        assert_eq!(diff.sha, repository.sha("origin/main"));
        assert!(diff.diff.contains("deleted file mode"), "{}", diff.diff);
    }

    #[tokio::test]
    async fn what_the_configuration_says_about_diffs_changes_nothing() {
        let repository = Repository::new();
        repository.write("tracked", "two\n");
        let plain = repository.diff().await;
        for setting in ["color.ui always", "diff.noprefix true", "diff.external false", "core.pager false"] {
            repository.git(&format!("config {setting}"));
        }
        assert_eq!(repository.diff().await, plain);
        assert_eq!(files(&plain), ["a/tracked b/tracked"]);
    }

    #[tokio::test]
    async fn without_a_repository_or_a_remote_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(diff_to_remote(folder.path()).await, None);
        assert_eq!(diff_to_remote(Path::new("/no/where")).await, None);
        let repository = Repository::new();
        repository.git("remote remove origin");
        assert_eq!(diff_to_remote(&repository.root).await, None);
    }
}
