//! `exec_command` and `write_stdin`: command lines in a shell, within what the turn may do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chrono::Utc;
use tokio::time::timeout;

use valet_exec::{Sandbox, Size, Spec, Stdio};
use valet_tools::definitions::{self, ExecCommand, SandboxPermissions, WriteStdin};
use valet_tools::shell::{self, Rules};

use super::amendment::amendment;
use super::output;
use super::session::{Place, Session, Shown};
use super::{AllowedCommand, Called, OpenItem, Tools, resolve};
use crate::client::{CommandQuestion, Decision};
use crate::event::{Event, Waiting};
use crate::item::{Command, CommandSource, ItemKind, Status};
use crate::permission::{Candidate, Verdict, enforced, is_known_shell, verdict};
use crate::tool_call::ToolCall;
use crate::turn::Turn;

/// The terminal of a command that wants one.
const TERMINAL: Size = Size { rows: 24, cols: 80 };

/// How much of what a person's command printed the model is told.
const OUTPUT_TOKENS: usize = 10_000;

/// A command line that the model wants to run.
struct Wanted {
    argv: Vec<String>,
    cwd: PathBuf,
    arguments: ExecCommand,
    call_id: String,
    command: Command,
}

impl Tools {
    pub(super) async fn exec_command(&self, turn: &Turn, call: &ToolCall) -> Called {
        let arguments: ExecCommand = match definitions::parse(&call.input) {
            Ok(arguments) => arguments,
            Err(error) => return error.to_string().into(),
        };
        let Some(place) = self.sessions.reserve() else {
            return "too many commands are running; end some of them first".to_owned().into();
        };
        let mut wanted = Wanted::new(turn, call, arguments);
        let verdict = self.verdict(turn, &wanted).await;
        // What a person has allowed, now or before, is the command, and not all that can be typed into it.
        let guarded = !matches!(verdict, Verdict::Run(_));
        let (item, sandbox) = match verdict {
            Verdict::Run(sandbox) | Verdict::Allowed(sandbox) => {
                wanted.command.source = CommandSource::Started;
                wanted.command.process_id = Some(place.id.to_string());
                (wanted.begin(turn), sandbox)
            }
            Verdict::Ask(sandbox) => match self.ask(turn, &wanted).await {
                Ok(item) => (item, sandbox),
                Err(called) => return called,
            },
            Verdict::Refuse(words) => {
                wanted.begin(turn).end(Status::Declined);
                return words.into();
            }
        };
        let shown = Shown { item, command: wanted.command.clone(), guarded };
        self.run_command(turn, wanted, shown, place, sandbox).await
    }

    async fn run_command(&self, turn: &Turn, wanted: Wanted, shown: Shown, place: Place, sandbox: Sandbox) -> Called {
        let arguments = &wanted.arguments;
        let spec = Spec {
            argv: wanted.argv.iter().map(Into::into).collect(),
            cwd: wanted.cwd.clone(),
            env: turn.settings.environment.unattended(arguments.tty),
            stdio: if arguments.tty { Stdio::Pty(TERMINAL) } else { Stdio::Pipes { stdin: true } },
            sandbox,
        };
        let (began, wait, tokens) = (Instant::now(), arguments.yield_time(), arguments.max_output_tokens());
        let (running, output) = match self.sessions.launch(&self.launcher, spec).await {
            Ok(started) => started,
            Err(error) => {
                shown.item.end(Status::Failed);
                return failed(&error.to_string()).into();
            }
        };
        let session = self.sessions.start(place, running, output, shown);
        session.wait(wait).await;
        report(&session, began, tokens)
    }

    /// Runs a command that a person typed. Returns what to tell the model.
    pub(crate) async fn run_for_person(
        &self,
        spec: Spec,
        item: OpenItem,
        command: Command,
        timeout: Option<Duration>,
    ) -> String {
        let Some(place) = self.sessions.reserve() else {
            item.end(Status::Failed);
            return "It was not started: too many commands are running.".to_owned();
        };
        let (running, output) = match self.sessions.launch(&self.launcher, spec).await {
            Ok(started) => started,
            Err(error) => {
                item.end(Status::Failed);
                return format!("It was not started: {error}.");
            }
        };
        let session = self.sessions.start(place, running, output, Shown { item, command, guarded: false });
        session.wait(timeout.unwrap_or(Duration::MAX)).await;
        session.hear_of_end().await;
        let timed_out = session.exit_code().is_none();
        if timed_out {
            self.sessions.end().await;
        }
        let code = session.exit_code().unwrap_or_default();
        let note = if timed_out { ", because its time was up" } else { "" };
        format!("It ended with code {code}{note}. Output:\n{}", session.take(OUTPUT_TOKENS).text)
    }

    /// What the policies, the rules of the user and the machine say together.
    async fn verdict(&self, turn: &Turn, wanted: &Wanted) -> Verdict {
        let settings = &turn.settings;
        let (rules, script) = (settings.rules_file(), wanted.arguments.cmd.clone());
        let rule = tokio::task::spawn_blocking(move || rule(&rules, &script)).await;
        let candidate = Candidate {
            script: &wanted.arguments.cmd,
            known_shell: is_known_shell(&wanted.argv[0], &settings.surroundings.shell),
            escalated: wanted.escalated(),
            // A rule that is not known could be any.
            rule: rule.unwrap_or(Some(shell::Decision::Prompt)),
            allowed: self.memory().commands.contains(&wanted.key()),
        };
        let support = self.launcher.support().await;
        verdict(settings.approvals, enforced(&settings.sandbox, &support), &candidate)
    }

    /// Asks a person. Without leave the item is complete, and what the model is told is returned.
    async fn ask(&self, turn: &Turn, wanted: &Wanted) -> Result<OpenItem, Called> {
        // The flag goes last: what is dropped is dropped in reverse.
        let waiting = turn.waiting(Waiting::Approval);
        let item = wanted.begin(turn);
        let decision = self.client.approve_command(&turn.id, wanted.question(&item)).await;
        let refused = match decision {
            Decision::Accept => None,
            Decision::AcceptForSession => {
                self.memory().commands.insert(wanted.key());
                None
            }
            Decision::AcceptPrefix(words) => {
                self.allow_for_good(turn, wanted, words).await;
                None
            }
            Decision::Decline => Some((Status::Declined, rejected("rejected by user").into())),
            Decision::Cancel => Some((Status::Declined, Called::Stop)),
            Decision::Failed => Some((Status::Failed, rejected("approval request failed").into())),
        };
        match refused {
            None => {
                drop(waiting);
                Ok(item)
            }
            Some((status, called)) => {
                item.end(status);
                Err(called)
            }
        }
    }

    /// Writes a rule down. If that cannot be done, what was asked about is allowed as long as the conversation lives.
    async fn allow_for_good(&self, turn: &Turn, wanted: &Wanted, words: Vec<String>) {
        let rules = turn.settings.rules_file();
        // Other writers are waited for.
        let written = tokio::task::spawn_blocking(move || Rules::allow(&rules, &words)).await;
        let error = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(error, "a rule of the user was not written");
        self.memory().commands.insert(wanted.key());
    }

    pub(super) async fn write_stdin(&self, turn: &Turn, call: &ToolCall) -> Called {
        let arguments: WriteStdin = match definitions::parse(&call.input) {
            Ok(arguments) => arguments,
            Err(error) => return error.to_string().into(),
        };
        let Some(session) = self.sessions.get(arguments.session_id) else {
            return format!("write_stdin failed: Unknown process id {}", arguments.session_id).into();
        };
        let began = Instant::now();
        if !arguments.chars.is_empty() {
            if let Err(called) = self.ask_to_type(turn, call, &session, &arguments.chars).await {
                return called;
            }
            // A command that does not read must not hold up the turn.
            match timeout(arguments.yield_time(), session.write(&arguments.chars)).await {
                // It has exited; the output says so.
                Ok(Err(_)) if session.exit_code().is_some() => {}
                Ok(Err(error)) => return format!("write_stdin failed: {error}").into(),
                typed => {
                    turn.emit(Event::TerminalInput {
                        item_id: &session.item_id,
                        process_id: &session.id.to_string(),
                        text: &arguments.chars,
                    });
                    if typed.is_err() {
                        let words = "write_stdin failed: the command does not read; a part may have been typed";
                        return words.to_owned().into();
                    }
                }
            }
        }
        session.wait(arguments.yield_time()).await;
        report(&session, began, arguments.max_output_tokens())
    }
}

impl Tools {
    /// Asks a person before something is typed into a command that runs because a person allowed it.
    async fn ask_to_type(&self, turn: &Turn, call: &ToolCall, session: &Session, text: &str) -> Result<(), Called> {
        if !session.guarded.load(Ordering::Relaxed) {
            return Ok(());
        }
        if !turn.settings.approvals.may_ask_to_type() {
            let words = "a person allowed this command, and the approval policy does not let you ask what may be typed";
            return Err(format!("write_stdin failed: {words}").into());
        }
        let question = CommandQuestion {
            item_id: session.item_id.clone(),
            started_at_ms: Utc::now().timestamp_millis(),
            approval_id: Some(call.call_id.clone()),
            reason: Some(format!("Type {text:?}")),
            command: session.command.command.clone(),
            cwd: session.command.cwd.clone(),
            actions: session.command.actions.clone(),
            amendment: None,
        };
        let waiting = turn.waiting(Waiting::Approval);
        let decision = self.client.approve_command(&turn.id, question).await;
        drop(waiting);
        match decision {
            Decision::Accept => Ok(()),
            Decision::AcceptForSession => {
                session.guarded.store(false, Ordering::Relaxed);
                Ok(())
            }
            Decision::Cancel => Err(Called::Stop),
            Decision::Decline | Decision::AcceptPrefix(_) | Decision::Failed => {
                Err("write_stdin failed: rejected by user".to_owned().into())
            }
        }
    }
}

impl Wanted {
    fn new(turn: &Turn, call: &ToolCall, arguments: ExecCommand) -> Self {
        let here = &turn.settings.surroundings;
        let cwd = resolve(arguments.workdir.as_deref().unwrap_or_default(), here);
        let shell = arguments.shell.clone().unwrap_or_else(|| here.shell.clone());
        let argv = vec![shell, if arguments.login { "-lc" } else { "-c" }.to_owned(), arguments.cmd.clone()];
        let command = Command::begun(&argv, &arguments.cmd, &cwd, CommandSource::Agent);
        Self { argv, cwd, arguments, call_id: call.call_id.clone(), command }
    }

    /// What a person allows for the rest of the conversation: this command, here, in this sandbox or out of it.
    fn key(&self) -> AllowedCommand {
        AllowedCommand { argv: self.argv.clone(), cwd: self.cwd.clone(), escalated: self.escalated() }
    }

    fn escalated(&self) -> bool {
        self.arguments.sandbox_permissions == SandboxPermissions::RequireEscalated
    }

    fn begin(&self, turn: &Turn) -> OpenItem {
        OpenItem::begin(turn, &self.call_id, ItemKind::Command(self.command.clone()))
    }

    fn question(&self, item: &OpenItem) -> CommandQuestion {
        let plain = shell::plain_commands(&self.arguments.cmd);
        let words = plain.and_then(|mut commands| (commands.len() == 1).then(|| commands.remove(0)));
        CommandQuestion {
            item_id: self.call_id.clone(),
            started_at_ms: item.started_at_ms(),
            approval_id: None,
            reason: self.arguments.justification.clone(),
            command: self.command.command.clone(),
            cwd: self.command.cwd.clone(),
            actions: self.command.actions.clone(),
            amendment: words
                .and_then(|words| amendment(words, self.arguments.prefix_rule.as_deref().unwrap_or_default())),
        }
    }
}

/// What the user's rules say about a script: the strictest word about any of its commands, and nothing unless
/// all of them are allowed. What cannot be read could be anything that a rule forbids.
fn rule(file: &Path, script: &str) -> Option<shell::Decision> {
    let rules = match Rules::load(file) {
        Ok(rules) => rules,
        Err(error) => {
            tracing::warn!(%error, "the rules of the user cannot be read");
            return Some(shell::Decision::Prompt);
        }
    };
    if !rules.ignored.is_empty() && is_news(file) {
        tracing::warn!(file = %file.display(), lines = ?rules.ignored, "what is no rule has no effect");
    }
    let Some(commands) = shell::plain_commands(script) else {
        return rules.restrict().then_some(shell::Decision::Prompt);
    };
    let decisions: Vec<_> = commands.iter().map(|argv| rules.decision(argv)).collect();
    let strictest = decisions.iter().flatten().max().copied()?;
    (strictest != shell::Decision::Allow || decisions.iter().all(Option::is_some)).then_some(strictest)
}

/// Whether this process has not asked yet about a file as it is now.
fn is_news(file: &Path) -> bool {
    static KNOWN: Mutex<BTreeMap<PathBuf, SystemTime>> = Mutex::new(BTreeMap::new());
    let Ok(written) = file.metadata().and_then(|metadata| metadata.modified()) else { return true };
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned(), written);
    known != Some(written)
}

fn report(session: &Session, began: Instant, tokens: usize) -> Called {
    let standing = session.standing();
    let taken = session.take(tokens);
    output::text(began.elapsed(), &standing, &taken).into()
}

/// In the words that the models know.
fn failed(words: &str) -> String {
    format!("exec_command failed: CreateProcess {{ message: {words:?} }}")
}

fn rejected(words: &str) -> String {
    failed(&format!("Rejected({words:?})"))
}

#[cfg(test)]
mod tests {
    use super::{is_news, rule};
    use pretty_assertions::assert_eq;
    use std::time::{Duration, UNIX_EPOCH};
    use valet_tools::shell::Decision;

    #[test]
    fn what_cannot_be_read_is_asked_about_where_rules_forbid_something() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("default.rules");
        assert_eq!(rule(&file, "git push >log"), None);
        std::fs::write(&file, "prefix_rule(pattern=[\"git\", \"push\"], decision=\"forbidden\")\n").unwrap();
        assert_eq!(rule(&file, "git push"), Some(Decision::Forbidden));
        assert_eq!(rule(&file, "git push >log"), Some(Decision::Prompt));
        assert_eq!(rule(&file, "git status"), None);
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert_eq!(rule(&file, "git status"), Some(Decision::Prompt));
    }

    #[test]
    fn what_is_no_rule_is_told_once_for_each_time_that_the_file_was_written() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("default.rules");
        let file = std::fs::File::create(&path).unwrap();
        for written in [1, 2] {
            file.set_modified(UNIX_EPOCH + Duration::from_secs(written)).unwrap();
            assert_eq!([is_news(&path), is_news(&path)], [true, false]);
        }
    }
}
