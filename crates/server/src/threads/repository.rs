//! What repository a thread works in: asked of git beside the first turn, and noted when git has answered.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Url;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use valet_protocol::v2;
use valet_workspace::git::{self, Head};

use super::Thread;

/// What git has said last. Whoever asks has it locked: a thousand threads that begin at once in one folder ask once.
static LAST: Mutex<Option<Answer>> = Mutex::const_new(None);

/// For how long that is good.
const GOOD_FOR: Duration = Duration::from_secs(1);

struct Answer {
    folder: PathBuf,
    at: Instant,
    head: Option<Head>,
}

impl Thread {
    /// Has the repository noted in which the first turn begins. Nobody waits for that.
    pub(crate) fn note_repository(self: &Arc<Self>) {
        let folder = {
            let known = &self.shared.stage().record.thread;
            let is_first = known.preview.is_empty() && known.git_info.is_none();
            (is_first && !known.ephemeral).then(|| PathBuf::from(&known.cwd))
        };
        let Some(folder) = folder else { return };
        let thread = Arc::downgrade(self);
        tokio::spawn(async move {
            let Some(head) = head(folder).await else { return };
            let Some(thread) = thread.upgrade() else { return };
            // What a client has noted meanwhile counts.
            if thread.shared.stage().record.thread.git_info.is_none()
                && let Err(error) = thread.note(Some(git_info(head)))
            {
                tracing::debug!(thread = thread.id, error = error.message, "the repository is not noted");
            }
        });
    }
}

async fn head(folder: PathBuf) -> Option<Head> {
    let mut last = LAST.lock().await;
    if let Some(answer) = last.as_ref().filter(|answer| answer.folder == folder && answer.at.elapsed() < GOOD_FOR) {
        return answer.head.clone();
    }
    let runtime = Handle::current();
    // To start a process takes long enough for a stream to notice, so it is done on another thread.
    let asked = tokio::task::spawn_blocking(move || (runtime.block_on(git::head(&folder)), folder));
    let (head, folder) = asked.await.ok()?;
    *last = Some(Answer { folder, at: Instant::now(), head: head.clone() });
    head
}

fn git_info(Head { sha, branch, origin_url }: Head) -> v2::GitInfo {
    v2::GitInfo { sha, branch, origin_url: origin_url.map(without_secret) }
}

/// The URL without who asks: over HTTP that is a password or a token more often than a name.
fn without_secret(origin: String) -> String {
    match Url::parse(&origin) {
        Ok(mut url) if matches!(url.scheme(), "http" | "https") && url.has_authority() => {
            // Neither fails for a URL with a host.
            let _ = url.set_password(None);
            let _ = url.set_username("");
            url.into()
        }
        _ => origin,
    }
}

#[cfg(test)]
mod tests {
    use super::without_secret;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_secret_in_a_url_is_left_out_and_nothing_else() {
        let rows = [
            ("https://me:secret@host/a.git", "https://host/a.git"),
            ("https://secret@host/a.git", "https://host/a.git"),
            ("https://host/a.git", "https://host/a.git"),
            ("ssh://git@host/a.git", "ssh://git@host/a.git"),
            ("git@host:team/a.git", "git@host:team/a.git"),
            ("/folder/a.git", "/folder/a.git"),
        ];
        for (origin, told) in rows {
            assert_eq!(without_secret(origin.to_owned()), told);
        }
    }
}
