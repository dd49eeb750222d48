//! The process's own stdin and stdout, on a thread each: blocking reads of a pipe cost least there, and
//! neither thread can hold up the runtime when the process ends.

use std::io::{BufRead, Write};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::lines::{LineBuffer, MAX_LINE_BYTES, join};
use crate::link::{Link, OutboxLimits, Outlet, link};

/// Serves a link over stdin and stdout. To be called once, inside a runtime.
pub fn connect(limits: OutboxLimits) -> std::io::Result<Link> {
    let (link, sender, outlet) = link(limits);
    let runtime = Handle::current();
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || read(&sender))?;
    std::thread::Builder::new().name("stdout".to_owned()).spawn(move || write(&runtime, outlet))?;
    Ok(link)
}

fn read(sender: &mpsc::Sender<Bytes>) {
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
            && sender.blocking_send(message).is_err()
        {
            return;
        }
    }
    if let Some(message) = line.finish() {
        let _ = sender.blocking_send(message);
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
