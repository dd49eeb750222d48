//! The interactive client of `valet run`: what it is started with, and that it is the one who decides how it all ends.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::ending::Signals;

/// What the client finds its token by. Its own children inherit it, and nobody else sees it.
const TOKEN: &str = "VALET_RUN_TOKEN";
/// Commands of the client that work on an app server elsewhere.
const COMMANDS: [&str; 2] = ["resume", "fork"];
/// How long it may take to end when it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// What the client is given: what the person says, which app server it is to use, and the folder to work in, which it
/// would not tell an app server elsewhere by itself.
pub(super) fn arguments(given: &[OsString], cwd: &Path, address: SocketAddr) -> anyhow::Result<Vec<OsString>> {
    let options = || given.iter().map(OsString::as_os_str).take_while(|argument| *argument != "--");
    let named = |name: &str, argument: &OsStr| {
        let argument = argument.to_string_lossy();
        argument == name || argument.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
    };
    for option in ["--remote", "--remote-auth-token-env"] {
        if options().any(|argument| named(option, argument)) {
            bail!("{option} is what `valet run` passes to the client by itself: leave it out");
        }
    }
    let command = given.first().and_then(|first| COMMANDS.into_iter().find(|command| first == command));
    // What is neither an option nor a command is what the person has to say.
    if let Some(first) = given.first()
        && command.is_none()
        && let Some(first) = first.to_str().filter(|first| is_command(first))
    {
        bail!(
            "`{first}` is no command that `valet run` can start: resume and fork are; a prompt of one word goes behind a \
             second `--`: `valet run -- -- {first}`"
        );
    }
    let folder =
        options().any(|argument| named("--cd", argument) || argument.to_string_lossy().strip_prefix("-C").is_some());
    let mut ours =
        vec!["--remote".into(), format!("ws://{address}").into(), "--remote-auth-token-env".into(), TOKEN.into()];
    if !folder {
        ours.extend(["-C".into(), cwd.as_os_str().to_owned()]);
    }
    // Before any `--`, and behind the command.
    let place = usize::from(command.is_some());
    let (before, behind) = given.split_at(place);
    Ok([before, &ours, behind].concat())
}

/// Whether a first argument names a command, and is not the beginning of a conversation.
fn is_command(first: &str) -> bool {
    !first.is_empty()
        && first.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
        && !first.starts_with('-')
}

/// Runs the client to its end, and returns its exit code. Ctrl-C is the client's to hear; what asks us to end ends it.
pub(super) async fn run(
    program: &Path,
    arguments: &[OsString],
    token: &str,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    let mut command = Command::new(program);
    let started = command.args(arguments).env(TOKEN, token).kill_on_drop(true).spawn();
    let mut client = started.map_err(|error| {
        let program = program.display();
        anyhow!("the client {program} cannot be started: {error}; install it, or name another with --client")
    })?;
    let status = tokio::select! {
        status = client.wait() => status,
        () = signals.next_to_end() => end(&mut client).await,
    };
    Ok(code(status?))
}

async fn end(client: &mut Child) -> std::io::Result<ExitStatus> {
    if let Some(pid) = client.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::TERM);
    }
    if tokio::time::timeout(GRACE, client.wait()).await.is_err() {
        client.start_kill()?;
    }
    client.wait().await
}

/// As a shell would pass it on.
fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use pretty_assertions::assert_eq;

    fn arguments(given: &[&str]) -> Result<String, String> {
        let given: Vec<OsString> = given.iter().map(OsString::from).collect();
        let address = ([127, 0, 0, 1], 4000).into();
        let arguments = super::arguments(&given, Path::new("/repo"), address).map_err(|error| error.to_string())?;
        let joined = arguments.join(" ".as_ref()).into_string().unwrap();
        Ok(joined.replace("--remote ws://127.0.0.1:4000 --remote-auth-token-env VALET_RUN_TOKEN", "@"))
    }

    #[test]
    fn the_client_works_where_it_was_started_unless_it_is_told_otherwise() {
        let rows: [(&[&str], &str); 8] = [
            (&[], "@ -C /repo"),
            (&["-m", "x"], "@ -C /repo -m x"),
            (&["resume", "--last"], "resume @ -C /repo --last"),
            (&["fork", "id"], "fork @ -C /repo id"),
            (&["What is this?"], "@ -C /repo What is this?"),
            (&["resume", "--cd=/other"], "resume @ --cd=/other"),
            (&["-C", "/other"], "@ -C /other"),
            (&["--", "why"], "@ -C /repo -- why"),
        ];
        for (given, wanted) in rows {
            assert_eq!(arguments(given).unwrap(), wanted, "{given:?}");
        }
    }

    #[test]
    fn what_is_not_for_an_interactive_client_is_refused() {
        for option in ["--remote", "--remote=ws://x", "--remote-auth-token-env", "--remote-auth-token-env=X"] {
            let refused = arguments(&["-m", "x", option]).unwrap_err();
            assert!(refused.ends_with("by itself: leave it out"), "{refused}");
        }
        for command in ["exec", "login", "app-server"] {
            let refused = arguments(&[command]).unwrap_err();
            assert!(refused.starts_with(&format!("`{command}` is no command that")), "{refused}");
            assert!(refused.ends_with(&format!("behind a second `--`: `valet run -- -- {command}`")), "{refused}");
        }
    }
}
