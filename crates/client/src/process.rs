//! An app server as a child process, spoken to over its stdin and stdout.

use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Child;
use valet_transport::{Link, OutboxLimits, lines};

/// A running app server. It is killed when this is dropped; see [`AppServerProcess::wait`] for a gentler end.
#[derive(Debug)]
pub struct AppServer {
    /// To be given to [`crate::Client::new`]. When it is dropped, the server sees the end of its input.
    pub link: Link,
    /// The process.
    pub process: AppServerProcess,
}

/// The process of an app server.
#[derive(Debug)]
pub struct AppServerProcess(Child);

impl AppServer {
    /// Starts `command` with pipes. Its stderr is inherited, unless the caller has set it.
    pub fn spawn(command: &mut Command) -> std::io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let command = std::mem::replace(command, Command::new(""));
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::Error::other("the child has no pipes"));
        };
        let link = lines::connect(stdout, stdin, OutboxLimits::default());
        Ok(Self { link, process: AppServerProcess(child) })
    }
}

impl AppServerProcess {
    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.0.id()
    }

    /// Waits for the end, which comes by itself once the client is dropped; kills after `limit`.
    pub async fn wait(mut self, limit: Duration) -> std::io::Result<ExitStatus> {
        match tokio::time::timeout(limit, self.0.wait()).await {
            Ok(status) => status,
            Err(_elapsed) => {
                self.0.kill().await?;
                self.0.wait().await
            }
        }
    }
}
