//! A stream that does not end abruptly. Who closes a socket while data comes in makes the system reset the
//! connection, and a reset can overtake the last words: a close frame, the body of a refusal.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::runtime::Handle;

/// How long the other side may go on talking after we have hung up.
const LIMIT: Duration = Duration::from_secs(2);

/// Dropped, it ends its own direction, and reads what still comes until the other side ends, too.
pub(super) struct Lingering<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> {
    /// There until the drop.
    stream: Option<S>,
    /// Whether the other side has ended: nothing can be reset any more.
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Lingering<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream: Some(stream), ended: false }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut S>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncRead for Lingering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.remaining();
        let read = ready!(self.stream()?.poll_read(cx, buffer));
        self.ended = read.is_err() || (before > 0 && buffer.remaining() == before);
        Poll::Ready(read)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Drop for Lingering<S> {
    fn drop(&mut self) {
        let Some(mut stream) = self.stream.take().filter(|_| !self.ended) else { return };
        // Without a runtime the process ends, and the system does what it does.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(tokio::time::timeout(LIMIT, async move {
            let _ = stream.shutdown().await;
            let mut unread = vec![0; 8 * 1024];
            while matches!(stream.read(&mut unread).await, Ok(bytes) if bytes > 0) {}
        }));
    }
}
