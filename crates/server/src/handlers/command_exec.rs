//! `command/exec`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use valet_exec::{EnvironmentPolicy, Size, SpawnError, Spec, Stdio};
use valet_protocol::methods::CommandExec;
use valet_protocol::v2::{CommandExecParams, CommandExecTerminalSize};
use valet_protocol::{ErrorKind, ErrorObject};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::processes::{Attendance, Capture, Entered, Process};
use crate::responder::Responder;
use crate::sandbox::sandbox;

/// How much of each stream is kept or told, unless the client says otherwise.
const OUTPUT_BYTES: usize = 1024 * 1024;
/// How long a program may take, unless the client says otherwise.
const LIMIT: Duration = Duration::from_secs(10);
/// The size of a terminal, unless the client says otherwise.
const SIZE: Size = Size { rows: 24, cols: 80 };
/// What a terminal is called where the host itself has none.
const TERMINAL: &str = "xterm-256color";

impl Handler for CommandExec {
    async fn handle(context: Context, params: CommandExecParams, responder: Responder<Self>) {
        match start(&context, params).await {
            Ok((attendance, entered)) => context.host.processes.attend(async move {
                let ended = attendance.run().await;
                // The name is free before anybody hears of the end.
                drop(entered);
                responder.respond(Ok(ended));
            }),
            Err(error) => responder.respond(Err(error)),
        }
    }
}

/// Starts the program. Its requests may come from here on.
async fn start(context: &Context, params: CommandExecParams) -> Result<(Attendance, Entered), ErrorObject> {
    check(&params)?;
    let (host, connection) = (&context.host, &context.connection);
    if let Some(name) = &params.process_id {
        host.processes.check_free(connection.id, name)?;
    }
    let cap = params.output_bytes_cap.map_or(OUTPUT_BYTES, |cap| usize::try_from(cap).unwrap_or(usize::MAX));
    let cap = (!params.disable_output_cap).then_some(cap);
    let limit = params.timeout_ms.map_or(LIMIT, |ms| Duration::from_millis(ms.unsigned_abs()));
    let (takes_input, streams) = (params.tty || params.stream_stdin, params.tty || params.stream_stdout_stderr);
    let name = params.process_id.clone();
    let limit = (!params.disable_timeout).then_some(limit);

    let (running, output) = host.launcher.spawn(spec(context, params)?).await.map_err(|error| refusal(&error))?;
    let (process, writes) = Process::new(running, takes_input);
    let entered = host.processes.enter(connection.id, name.clone(), &process)?;
    context.forget_if_gone();
    let attendance = Attendance {
        process,
        connection: Arc::clone(connection),
        name: name.unwrap_or_default(),
        output,
        streams,
        stdout: Capture::new(cap),
        stderr: Capture::new(cap),
        writes,
        limit,
    };
    Ok((attendance, entered))
}

/// Finds what contradicts itself, in the words and the order of the reference.
fn check(params: &CommandExecParams) -> Result<(), ErrorObject> {
    let CommandExecParams { process_id, tty, stream_stdin, stream_stdout_stderr, size, .. } = params;
    if params.command.is_empty() {
        return Err(ErrorObject::invalid_request("command must not be empty"));
    }
    if size.is_some() && !tty {
        return Err(ErrorObject::contradiction("command/exec size requires tty: true"));
    }
    if params.output_bytes_cap.is_some() && params.disable_output_cap {
        return Err(ErrorObject::contradiction("command/exec cannot set both outputBytesCap and disableOutputCap"));
    }
    if params.timeout_ms.is_some() && params.disable_timeout {
        return Err(ErrorObject::contradiction("command/exec cannot set both timeoutMs and disableTimeout"));
    }
    if let Some(ms) = params.timeout_ms.filter(|ms| *ms < 0) {
        let message = format!("command/exec timeoutMs must be non-negative, got {ms}");
        return Err(ErrorObject::contradiction(message));
    }
    if params.permission_profile.is_some() {
        let message = "permission profiles are not supported; use `sandboxPolicy`";
        return Err(ErrorObject::invalid_request(message).kind(ErrorKind::NotSupported));
    }
    size.map(terminal_size).transpose()?;
    if process_id.is_none() && (*tty || *stream_stdin || *stream_stdout_stderr) {
        let message = "command/exec tty or streaming requires a client-supplied processId";
        return Err(ErrorObject::invalid_request(message));
    }
    Ok(())
}

/// A size that a terminal can have.
pub(super) fn terminal_size(size: CommandExecTerminalSize) -> Result<Size, ErrorObject> {
    let CommandExecTerminalSize { rows, cols } = size;
    if rows == 0 || cols == 0 {
        return Err(ErrorObject::contradiction("command/exec size rows and cols must be greater than 0"));
    }
    Ok(Size { rows, cols })
}

fn spec(context: &Context, params: CommandExecParams) -> Result<Spec, ErrorObject> {
    let config = &context.host.config;
    let here = std::env::current_dir();
    let here = here.map_err(|error| ErrorObject::internal(format!("the host has no working directory: {error}")))?;
    let cwd = here.join(params.cwd.as_deref().map_or(Path::new(""), Path::new));
    let policy = params.sandbox_policy.unwrap_or_else(|| config.sandbox_policy());
    let stdio = match params.tty {
        true => Stdio::Pty(params.size.map(terminal_size).transpose()?.unwrap_or(SIZE)),
        false => Stdio::Pipes { stdin: params.stream_stdin },
    };
    Ok(Spec {
        argv: params.command.into_iter().map(Into::into).collect(),
        sandbox: sandbox(&policy, &cwd, config),
        env: environment(&config.keys.shell_environment_policy, params.tty, params.env.unwrap_or_default()),
        cwd,
        stdio,
    })
}

fn environment(
    policy: &EnvironmentPolicy,
    tty: bool,
    changes: BTreeMap<String, Option<String>>,
) -> BTreeMap<OsString, OsString> {
    let mut variables = policy.environment();
    if tty {
        variables.entry("TERM".into()).or_insert_with(|| TERMINAL.into());
    }
    for (name, value) in changes {
        match value {
            Some(value) => variables.insert(name.into(), value.into()),
            None => variables.remove(&OsString::from(name)),
        };
    }
    variables
}

fn refusal(error: &SpawnError) -> ErrorObject {
    let refusal = ErrorObject::internal(format!("failed to spawn command: {error}"));
    match error {
        SpawnError::Invalid(_) => refusal.kind(ErrorKind::InvalidParams),
        SpawnError::Cwd { .. } => refusal.kind(ErrorKind::FileSystem),
        SpawnError::Sandbox(_) | SpawnError::Unsupported(_) => refusal.kind(ErrorKind::NotSupported),
        SpawnError::Io(_) => refusal,
    }
}
