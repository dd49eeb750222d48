//! The way into a command, and the terminal that it may have.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::Mutex;

use crate::spec::Size;

/// What end-of-file looks like to a terminal: Ctrl-D.
const END_OF_TRANSMISSION: &[u8] = &[4];

/// What can be written to.
#[derive(Debug)]
pub(crate) struct Input {
    /// The writing end, until it is closed.
    sender: Mutex<Option<pipe::Sender>>,
    /// The host's end of the terminal, if there is one.
    terminal: Option<OwnedFd>,
}

impl Input {
    /// A way in that is closed already.
    pub(crate) fn none() -> Self {
        Self { sender: Mutex::new(None), terminal: None }
    }

    pub(crate) fn pipe(sender: pipe::Sender) -> Self {
        Self { sender: Mutex::new(Some(sender)), terminal: None }
    }

    /// Opens a terminal: the way in, the way out and the command's end.
    pub(crate) fn terminal(size: Size) -> io::Result<(Self, pipe::Receiver, OwnedFd)> {
        let host = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        rustix::io::fcntl_setfd(&host, rustix::io::FdFlags::CLOEXEC)?;
        rustix::pty::grantpt(&host)?;
        rustix::pty::unlockpt(&host)?;
        let name = rustix::pty::ptsname(&host, Vec::new())?;
        let command = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        resize(&host, size)?;
        rustix::fs::fcntl_setfl(&host, rustix::fs::fcntl_getfl(&host)? | OFlags::NONBLOCK)?;
        // Not pipes; but they are read, written and waited for like pipes, and nothing else is done with them.
        let sender = pipe::Sender::from_owned_fd_unchecked(host.try_clone()?)?;
        let receiver = pipe::Receiver::from_owned_fd_unchecked(host.try_clone()?)?;
        Ok((Self { sender: Mutex::new(Some(sender)), terminal: Some(host) }, receiver, command))
    }

    /// Writes all of it; what others write comes before or after.
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.sender.lock().await.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(bytes).await
    }

    pub(crate) async fn close(&self) -> io::Result<()> {
        if self.terminal.is_some() {
            return self.write(END_OF_TRANSMISSION).await;
        }
        *self.sender.lock().await = None;
        Ok(())
    }

    pub(crate) fn resize(&self, size: Size) -> io::Result<()> {
        resize(self.terminal.as_ref().ok_or(io::ErrorKind::Unsupported)?, size)
    }
}

fn resize(terminal: &OwnedFd, Size { rows, cols }: Size) -> io::Result<()> {
    let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(rustix::termios::tcsetwinsize(terminal, size)?)
}
