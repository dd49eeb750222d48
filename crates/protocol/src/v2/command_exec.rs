//! `command/exec`: programs that a client runs by itself, outside of any thread.
//!
//! A process belongs to the connection that started it, by a name that the connection chose. It ends with the
//! connection.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::SandboxPolicy;
use crate::open_enum::open_enum;

/// `command/exec`: run a program and wait for its end.
///
/// The answer comes when the program has ended, after all its `command/exec/outputDelta`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct CommandExecParams {
    /// The program and its arguments. No shell looks at them. Not empty.
    pub command: Vec<String>,
    /// A name for the process that no other running process of this connection has. Needed for `tty`,
    /// `streamStdin` and `streamStdoutStderr`.
    pub process_id: Option<String>,
    /// Run it in a terminal. Implies `streamStdin` and `streamStdoutStderr`; all output is `stdout`.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub tty: bool,
    /// Leave its input open for `command/exec/write`. Else it is empty.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub stream_stdin: bool,
    /// Tell its output by `command/exec/outputDelta`, and not in the answer.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub stream_stdout_stderr: bool,
    /// How many bytes of each stream to keep or tell; the rest is thrown away. Else a mebibyte. Not with
    /// `disableOutputCap`.
    pub output_bytes_cap: Option<u64>,
    /// Keep or tell all output.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub disable_output_cap: bool,
    /// Let it run for as long as it likes.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub disable_timeout: bool,
    /// End it after so many milliseconds, not negative. Else after ten seconds. Not with `disableTimeout`.
    pub timeout_ms: Option<i64>,
    /// The working directory. Else that of the host.
    pub cwd: Option<String>,
    /// Changes to the environment that programs get: that of the host without what looks like a secret. Null takes a
    /// variable away.
    pub env: Option<BTreeMap<String, Option<String>>>,
    /// The first size of the terminal. Only with `tty`. Else 24 rows of 80.
    pub size: Option<CommandExecTerminalSize>,
    /// What it may do. Else what the configuration says.
    pub sandbox_policy: Option<SandboxPolicy>,
    /// What it may do, by the name of a profile. No host has profiles yet: refused.
    pub permission_profile: Option<String>,
}

/// The answer to `command/exec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct CommandExecResponse {
    /// 124 when it was ended for taking too long (what it had printed is there), 127 when there is no such program, 128 and the signal when a
    /// signal ended it.
    pub exit_code: i32,
    /// Its standard output; what is no UTF-8 is replaced. Empty when it was streamed.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct CommandExecTerminalSize {
    /// Its height.
    pub rows: u16,
    /// Its width.
    pub cols: u16,
}

/// `command/exec/write`: input for a program, or the end of its input, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct CommandExecWriteParams {
    /// The name that the process was given.
    pub process_id: String,
    /// The bytes, in base64.
    pub delta_base64: Option<String>,
    /// End the input after them.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub close_stdin: bool,
}

/// The answer to `command/exec/write`: the program's pipe or terminal has taken the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct CommandExecWriteResponse {}

/// `command/exec/resize`: the terminal of a program has a new size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct CommandExecResizeParams {
    /// The name that the process was given. It must run in a terminal.
    pub process_id: String,
    /// The size.
    pub size: CommandExecTerminalSize,
}

/// The answer to `command/exec/resize`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct CommandExecResizeResponse {}

/// `command/exec/terminate`: end a program and all that it started. They are asked (SIGTERM), and killed a second later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct CommandExecTerminateParams {
    /// The name that the process was given.
    pub process_id: String,
}

/// The answer to `command/exec/terminate`. That to `command/exec` follows when the program has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct CommandExecTerminateResponse {}

/// `command/exec/outputDelta`: a program of this connection has printed something. Sent to it alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct CommandExecOutputDeltaNotification {
    /// The name that the process was given.
    pub process_id: String,
    /// Where it printed.
    pub stream: CommandExecOutputStream,
    /// The bytes, in base64.
    pub delta_base64: String,
    /// Whether this is the last of the stream because `outputBytesCap` is reached.
    pub cap_reached: bool,
}

open_enum! {
    /// Where a program prints.
    pub enum CommandExecOutputStream in "v2/" {
        /// Standard output, or the terminal.
        Stdout = "stdout",
        /// Standard error.
        Stderr = "stderr",
    }
}
