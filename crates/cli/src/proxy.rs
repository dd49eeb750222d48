//! `valet app-server proxy`: bytes of stdin to a socket, and bytes of the socket to stdout, for programs that can start
//! a child and not open a socket. What the bytes mean is between the two ends.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow};

/// Returns when the app server has closed the connection; the end of stdin is passed on to it.
pub(crate) fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let socket = UnixStream::connect(path).map_err(|error| {
        anyhow!("cannot connect to {}: {error}; is there a `valet app-server --listen unix://`?", path.display())
    })?;
    let to_socket = socket.try_clone()?;
    std::thread::spawn(move || {
        let _ = carry(std::io::stdin().lock(), &to_socket);
        // The other side may have gone already.
        let _ = to_socket.shutdown(Shutdown::Write);
    });
    carry(&socket, std::io::stdout().lock()).context("the connection broke")?;
    Ok(ExitCode::SUCCESS)
}

/// Passes on each piece as it comes.
fn carry(mut from: impl Read, mut to: impl Write) -> std::io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                to.write_all(&buffer[..length])?;
                to.flush()?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
