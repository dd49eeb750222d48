//! What the model is told of a command.

use std::time::Duration;

use uuid::Uuid;
use valet_exec::Truncated;

/// How far a command is.
pub(super) enum Progress {
    Exited(i32),
    /// The session that it goes on in.
    Running(i32),
}

/// The text, in the form that the models are used to.
pub(super) fn text(wall_time: Duration, progress: &Progress, output: &Truncated) -> String {
    let chunk = Uuid::new_v4().simple().to_string();
    let progress = match progress {
        Progress::Exited(code) => format!("Process exited with code {code}"),
        Progress::Running(session) => format!("Process running with session ID {session}"),
    };
    format!(
        "Chunk ID: {}\nWall time: {:.4} seconds\n{progress}\nOriginal token count: {}\nOutput:\n{}",
        &chunk[..6],
        wall_time.as_secs_f64(),
        output.original_tokens,
        output.text,
    )
}
