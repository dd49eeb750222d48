//! The process's own stdin and stdout, on a thread each: blocking reads of a pipe cost least there, and
//! neither thread can hold up the runtime when the process ends.

use std::io::{BufRead, Write};

use tokio::runtime::Handle;

use crate::inbox::Inlet;
use crate::lines::{LineBuffer, MAX_LINE_BYTES, join};
use crate::link::{Link, link};
use crate::outbox::{OutboxLimits, Outlet};

/// Serves a link over stdin and stdout. To be called once, inside a runtime.
pub fn connect(limits: OutboxLimits) -> std::io::Result<Link> {
    let (link, inlet, outlet) = link(limits);
    let (runtime, stdin_runtime) = (Handle::current(), Handle::current());
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || read(&stdin_runtime, &inlet))?;
    std::thread::Builder::new().name("stdout".to_owned()).spawn(move || write(&runtime, outlet))?;
    Ok(link)
}

fn read(runtime: &Handle, inlet: &Inlet) {
    let mut stdin = std::io::stdin().lock();
    let mut line = LineBuffer::new(MAX_LINE_BYTES);
    loop {
        let chunk = match stdin.fill_buf() {
            Ok([]) => break,
            Ok(chunk) => chunk,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let (taken, whole) = line.take(chunk);
        stdin.consume(taken);
        if let Some(message) = whole
            && inlet.blocking_send(runtime, message).is_err()
        {
            return;
        }
    }
    if let Some(message) = line.finish() {
        let _ = inlet.blocking_send(runtime, message);
    }
}

fn write(runtime: &Handle, mut outlet: Outlet) {
    let mut stdout = std::io::stdout().lock();
    let mut buffer = Vec::new();
    while let Ok(messages) = runtime.block_on(outlet.next()) {
        // One write per batch: stdout is line-buffered, and passes on whole lines at once.
        join(&messages, &mut buffer);
        if stdout.write_all(&buffer).is_err() || stdout.flush().is_err() {
            return;
        }
    }
}
