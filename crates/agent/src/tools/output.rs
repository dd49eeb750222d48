//! What the model is told of a command.

use std::time::Duration;

use uuid::Uuid;
use valet_exec::Truncated;

/// How far a command is.
pub(super) enum Standing {
    Exited(i32),
    /// The session that it goes on in.
    Running(i32),
}

/// The text, in the form that the models are used to.
pub(super) fn text(wall_time: Duration, standing: &Standing, output: &Truncated) -> String {
    let chunk = Uuid::new_v4().simple().to_string();
    let standing = match standing {
        Standing::Exited(code) => format!("Process exited with code {code}"),
        Standing::Running(session) => format!("Process running with session ID {session}"),
    };
    format!(
        "Chunk ID: {}\nWall time: {:.4} seconds\n{standing}\nOriginal token count: {}\nOutput:\n{}",
        &chunk[..6],
        wall_time.as_secs_f64(),
        output.original_tokens,
        output.text,
    )
}
