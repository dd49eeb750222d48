//! From the start of a program to its end: its output goes to the client or into the answer, its input to it, and
//! when its time is over it is ended.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::OptionFuture;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;
use valet_exec::{Chunk, Output, Stream};
use valet_protocol::ErrorObject;
use valet_protocol::methods::CommandExecOutputDelta;
use valet_protocol::v2::{
    CommandExecOutputDeltaNotification, CommandExecOutputStream, CommandExecResponse, CommandExecWriteResponse,
};

use crate::connection::Connection;
use crate::processes::{Capture, Process, Write, not_running};

/// How long what a program has left behind may go on to print, before it is ended.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// The exit code of a program whose time was over.
const TIMED_OUT: i32 = 124;

/// All that one who attends to a process has to do with.
pub(crate) struct Attendance {
    pub(crate) process: Arc<Process>,
    pub(crate) connection: Arc<Connection>,
    /// The name of the process; empty when it has none.
    pub(crate) name: String,
    pub(crate) output: Output,
    /// Whether output is told as it comes. Else it is kept for the answer.
    pub(crate) streams: bool,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    /// Input that comes, where there may be any.
    pub(crate) writes: Option<UnboundedReceiver<Write>>,
    /// How long it may take; none: as long as it likes.
    pub(crate) limit: Option<Duration>,
}

impl Attendance {
    /// Returns when nothing is left of the program, all its output was told and all its input answered.
    pub(crate) async fn run(mut self) -> CommandExecResponse {
        let (process, name) = (Arc::clone(&self.process), self.name.clone());
        let writes = self.writes.take();
        let feeding = async {
            if let Some(writes) = writes {
                feed(&process, writes, &name).await;
            }
        };
        let watching = async {
            let exit_code = self.watch().await;
            process.over.cancel();
            exit_code
        };
        let (exit_code, ()) = tokio::join!(watching, feeding);
        CommandExecResponse { exit_code, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    /// Says how it ended.
    async fn watch(&mut self) -> i32 {
        let process = Arc::clone(&self.process);
        let timed_out = self.until_exit(&process).await;
        // What it has started may still print, as the end of a pipeline does.
        let rest = timeout(AFTERWARDS, async { while self.next().await {} });
        process.over.run_until_cancelled(rest).await;
        let exit = process.running.end().await;
        // All is gone, and what it has written can still be read. Only who escaped could hold the pipe open now.
        loop {
            self.room().await;
            if timeout(AFTERWARDS, self.take()).await != Ok(true) {
                return if timed_out { TIMED_OUT } else { exit.shell_code() };
            }
        }
    }

    /// Says whether its time was over.
    async fn until_exit(&mut self, process: &Process) -> bool {
        let (mut timed_out, mut open) = (false, true);
        let mut time = pin!(OptionFuture::from(self.limit.map(tokio::time::sleep)));
        loop {
            tokio::select! {
                more = self.next(), if open => open = more,
                _exit = process.running.wait() => return timed_out,
                Some(()) = &mut time, if !timed_out => {
                    if process.running.has_ended().await {
                        return false;
                    }
                    timed_out = true;
                    process.running.terminate();
                }
                () = process.over.cancelled() => return timed_out,
            }
        }
    }

    /// Takes in the next piece of output as soon as there is room for it; until then the program is held back. False:
    /// there is no more.
    async fn next(&mut self) -> bool {
        self.room().await;
        self.take().await
    }

    async fn room(&self) {
        if self.streams {
            self.connection.room().await;
        }
    }

    async fn take(&mut self) -> bool {
        let Some(Chunk { stream, bytes }) = self.output.recv().await else { return false };
        let (capture, stream) = match stream {
            Stream::Stdout => (&mut self.stdout, CommandExecOutputStream::Stdout),
            Stream::Stderr => (&mut self.stderr, CommandExecOutputStream::Stderr),
        };
        if !self.streams {
            capture.keep(&bytes);
        } else if let Some((piece, cap_reached)) = capture.admit(&bytes) {
            let (process_id, delta_base64) = (self.name.clone(), STANDARD.encode(piece));
            let delta = CommandExecOutputDeltaNotification { process_id, stream, delta_base64, cap_reached };
            self.connection.notify::<CommandExecOutputDelta>(&delta);
        }
        true
    }
}

/// Gives a program its input, in order and at its pace. Whatever it does not get is answered, too.
async fn feed(process: &Process, mut writes: UnboundedReceiver<Write>, name: &str) {
    let over = &process.over;
    while let Some(write) = over.run_until_cancelled(writes.recv()).await.flatten() {
        let written = match over.run_until_cancelled(write.carry_out(process)).await {
            Some(Ok(())) => Ok(CommandExecWriteResponse {}),
            Some(Err(_)) => Err(ErrorObject::invalid_request("stdin is already closed")),
            None => Err(not_running(name)),
        };
        write.responder.respond(written);
    }
    writes.close();
    while let Ok(write) = writes.try_recv() {
        write.responder.respond(Err(not_running(name)));
    }
}

impl Write {
    async fn carry_out(&self, process: &Process) -> io::Result<()> {
        if !self.bytes.is_empty() {
            process.running.write(&self.bytes).await?;
        }
        if self.close {
            process.running.close_stdin().await?;
        }
        Ok(())
    }
}
