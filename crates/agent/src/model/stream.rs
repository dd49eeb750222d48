//! The bytes of a response as events: server-sent events with a limit on silence and on size.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use sse_stream::{Sse, SseStream};

use super::wire::Wire;
use crate::failure::Failure;

/// The largest event that is read.
const MAX_EVENT_BYTES: usize = 64 * 1024 * 1024;

/// Why the bytes ended early.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Transport(reqwest::Error),
    #[error("idle timeout waiting for SSE")]
    Idle,
    #[error("an event is larger than {MAX_EVENT_BYTES} bytes")]
    TooLarge,
}

/// The events of one response.
pub(crate) struct EventStream {
    events: Pin<Box<dyn Stream<Item = Result<sse_stream::Sse, sse_stream::Error>> + Send>>,
    /// Bytes that came since the last whole event.
    pending: Arc<AtomicUsize>,
}

impl EventStream {
    /// The events of a response. In chat completions a body that is JSON is one: not every server streams when it is
    /// asked to.
    pub(crate) fn of(response: Response, wire: Wire, idle: Duration) -> Self {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_json = kind.trim_start().to_ascii_lowercase().starts_with("application/json");
        let bytes = response.bytes_stream();
        if is_json && wire == Wire::Chat { Self::whole(bytes, idle) } else { Self::new(bytes, idle) }
    }

    /// Any byte ends the silence, comments included.
    pub(crate) fn new(bytes: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static, idle: Duration) -> Self {
        let pending = Arc::new(AtomicUsize::new(0));
        let bytes = limited(bytes, idle, Arc::clone(&pending));
        Self { events: SseStream::from_bytes_stream(bytes).boxed(), pending }
    }

    /// All bytes as one event.
    fn whole(bytes: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static, idle: Duration) -> Self {
        let pending = Arc::new(AtomicUsize::new(0));
        let bytes = limited(bytes, idle, Arc::clone(&pending));
        let event = async move {
            let body = bytes.try_fold(Vec::new(), |mut body, chunk| async move {
                body.extend_from_slice(&chunk);
                Ok(body)
            });
            let body = body.await.map_err(|broken| sse_stream::Error::Body(Box::new(broken)))?;
            Ok(Sse::default().data(String::from_utf8_lossy(&body).into_owned()))
        };
        Self { events: stream::once(event).boxed(), pending }
    }

    /// The same as [`EventStream::next`], if that would not have to wait.
    pub(crate) fn next_now(&mut self) -> Option<Result<Option<String>, Failure>> {
        // Whatever is dropped here has taken nothing out of the stream yet.
        self.next().now_or_never()
    }

    /// The data of the next event; none at the end of the stream. Events without data are passed over.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Failure> {
        while let Some(event) = self.events.next().await {
            self.pending.store(0, Ordering::Relaxed);
            match event {
                Ok(event) => {
                    if let Some(data) = event.data {
                        return Ok(Some(data));
                    }
                }
                Err(error) => return Err(Failure::disconnected(&reason(&error))),
            }
        }
        Ok(None)
    }
}

fn limited(
    bytes: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
    idle: Duration,
    pending: Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Bytes, Broken>> + Send {
    let bytes = Box::pin(bytes);
    stream::try_unfold((bytes, pending), move |(mut bytes, pending)| async move {
        match tokio::time::timeout(idle, bytes.next()).await {
            Err(_elapsed) => Err(Broken::Idle),
            Ok(None) => Ok(None),
            Ok(Some(Err(error))) => Err(Broken::Transport(error.without_url())),
            Ok(Some(Ok(chunk))) => {
                if pending.fetch_add(chunk.len(), Ordering::Relaxed) > MAX_EVENT_BYTES {
                    return Err(Broken::TooLarge);
                }
                Ok(Some((chunk, (bytes, pending))))
            }
        }
    })
}

/// The cause behind the parser's error, in words.
fn reason(error: &sse_stream::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(cause) = source.source() {
        source = cause;
    }
    source.to_string()
}
