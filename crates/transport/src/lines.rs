//! One JSON text per line, over any pair of byte streams: the pipes of a child process, a socket.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use crate::inbox::Inlet;
use crate::link::{Link, link};
use crate::outbox::{OutboxLimits, Outlet};

/// The longest line that is read. In the place of a longer one, an empty text is passed on.
pub const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;

/// Serves a link over two byte streams until either ends.
pub fn connect<R, W>(reader: R, writer: W, limits: OutboxLimits) -> Link
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (link, inlet, outlet) = link(limits);
    tokio::spawn(read(BufReader::new(reader), inlet));
    tokio::spawn(write(writer, outlet));
    link
}

async fn read<R: AsyncRead + Unpin>(mut reader: BufReader<R>, inlet: Inlet) {
    let mut line = LineBuffer::new(MAX_LINE_BYTES);
    loop {
        let chunk = match reader.fill_buf().await {
            Ok([]) | Err(_) => break,
            Ok(chunk) => chunk,
        };
        let (taken, whole) = line.take(chunk);
        reader.consume(taken);
        if let Some(message) = whole
            && inlet.send(message).await.is_err()
        {
            return;
        }
    }
    if let Some(message) = line.finish() {
        let _ = inlet.send(message).await;
    }
}

async fn write<W: AsyncWrite + Unpin>(mut writer: W, mut outlet: Outlet) {
    let mut buffer = Vec::new();
    while let Ok(messages) = outlet.next().await {
        join(&messages, &mut buffer);
        let written = async {
            writer.write_all(&buffer).await?;
            writer.flush().await
        };
        tokio::select! {
            written = written => if written.is_err() { return },
            () = outlet.overloaded() => return,
        }
    }
    let _ = writer.shutdown().await;
}

/// Puts messages into `buffer`, a line each. The buffer's memory is used again, unless a burst made it
/// large.
pub(crate) fn join<'a>(messages: impl IntoIterator<Item = &'a Bytes>, buffer: &mut Vec<u8>) {
    const KEPT_BYTES: usize = 64 * 1024;
    buffer.clear();
    buffer.shrink_to(KEPT_BYTES);
    for message in messages {
        buffer.extend_from_slice(message);
        buffer.push(b'\n');
    }
}

/// Puts lines together from chunks. Empty lines are left out, and so is the carriage return of CRLF.
///
/// A line past the limit is not kept: an empty text, which is no message, stands for it, so that whoever
/// deals with text that is no message deals with it too.
#[derive(Debug)]
pub struct LineBuffer {
    limit: usize,
    /// What is kept of the line so far.
    partial: BytesMut,
    /// How long the line is so far, kept or not.
    length: usize,
}

impl LineBuffer {
    /// Keeps lines of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, partial: BytesMut::new(), length: 0 }
    }

    /// Takes from `chunk` up to the end of a line. Returns how much was taken, and the line if it is whole.
    pub fn take(&mut self, chunk: &[u8]) -> (usize, Option<Bytes>) {
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(chunk.len(), |end| end + 1);
        let part = &chunk[..end.unwrap_or(chunk.len())];
        self.length += part.len();
        if self.length > self.limit {
            self.partial = BytesMut::new();
        } else {
            self.partial.extend_from_slice(part);
        }
        (taken, end.and_then(|_| self.finish()))
    }

    /// What is there as a line; at the end of the stream, a line without a line break.
    pub fn finish(&mut self) -> Option<Bytes> {
        let mut line = std::mem::take(&mut self.partial).freeze();
        let length = std::mem::take(&mut self.length);
        if length > self.limit {
            tracing::warn!(bytes = length, limit = self.limit, "a line is too long, an empty text stands for it");
            return Some(Bytes::new());
        }
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        (!line.is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::LineBuffer;
    use pretty_assertions::assert_eq;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut buffer = LineBuffer::new(10);
        let mut lines = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while !rest.is_empty() {
                let (taken, line) = buffer.take(rest);
                lines.extend(line);
                rest = &rest[taken..];
            }
        }
        lines.extend(buffer.finish());
        lines.into_iter().map(|line| String::from_utf8(line.to_vec()).unwrap()).collect()
    }

    #[test]
    fn lines_are_put_together_from_any_chunks() {
        assert_eq!(lines(&[b"{\"a\":", b"1}\n{\"b\"", b":2}\n"]), ["{\"a\":1}", "{\"b\":2}"]);
    }

    #[test]
    fn crlf_empty_lines_and_a_missing_last_line_break_do_no_harm() {
        assert_eq!(lines(&[b"{}\r\n\r\n\n[]"]), ["{}", "[]"]);
    }

    #[test]
    fn an_empty_text_stands_for_a_line_that_is_too_long_and_the_next_one_is_read() {
        assert_eq!(lines(&[b"0123456789\n0123456789", b"0\n{}\n"]), ["0123456789", "", "{}"]);
        assert_eq!(lines(&[b"01234567890"]), [""], "at the end of the stream, too");
    }
}
