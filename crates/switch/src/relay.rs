//! A client and its connection to the app server: what one side sends is written to the other as it is, close codes and
//! pings included. Each side is read only as fast as the other one takes it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};
use valet_transport::MAX_FRAME_BYTES;

use crate::door::Socket;
use crate::session::Session;
use crate::traffic::{Traffic, Verdict};

/// How long a side may take to take its farewell.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// Where messages come from and go to.
struct Pump<'a> {
    from: SplitStream<Socket>,
    to: &'a mut SplitSink<Socket, Message>,
    /// What goes to the same side, and does not come from the other.
    beside: mpsc::UnboundedReceiver<Utf8Bytes>,
    /// To the side that messages come from.
    back: mpsc::UnboundedSender<Utf8Bytes>,
    direction: Direction,
    traffic: &'a Arc<Traffic>,
}

#[derive(Clone, Copy)]
enum Direction {
    ToServer,
    ToClient,
}

/// How it ended.
enum End {
    /// The side that messages come from has closed, with these words or none.
    Closed(Option<CloseFrame>),
    /// It has gone without a word.
    Broken,
    /// It has sent what nobody takes.
    Refused(CloseFrame),
    /// The side that messages go to takes none any more.
    Deaf,
}

/// Carries messages between a client and its own connection to the app server, until either has ended.
pub(crate) async fn run(client: Socket, server: Socket, session: &Arc<Session>) {
    let (to_client, for_client) = mpsc::unbounded_channel();
    let (to_server, for_server) = mpsc::unbounded_channel();
    let traffic = &Traffic::new(Arc::clone(session), to_server.clone(), to_client.clone());
    let (mut client, from_client) = client.split();
    let (mut server, from_server) = server.split();
    let up = Pump {
        from: from_client,
        to: &mut server,
        beside: for_server,
        back: to_client,
        direction: Direction::ToServer,
        traffic,
    };
    let down = Pump {
        from: from_server,
        to: &mut client,
        beside: for_client,
        back: to_server,
        direction: Direction::ToClient,
        traffic,
    };
    let (by_client, end) = tokio::select! {
        end = up.run() => (true, end),
        end = down.run() => (false, end),
    };
    let (near, far) = if by_client { (client, server) } else { (server, client) };
    // Neither can hold the other up.
    let _ = tokio::time::timeout(FAREWELL, part(end, near, far, by_client)).await;
}

/// Passes the end on. `near` is the side whose messages have ended.
async fn part(end: End, mut near: SplitSink<Socket, Message>, mut far: SplitSink<Socket, Message>, by_client: bool) {
    match end {
        // The answer to a close frame is there already, and waits for this.
        End::Closed(words) => {
            let _ = tokio::join!(far.send(Message::Close(words)), near.flush());
        }
        End::Refused(words) => {
            let _ = near.send(Message::Close(Some(words))).await;
        }
        // An app server that ends has ended for good, and clients are told. It hears of a client's end as it came.
        End::Broken if !by_client => {
            let _ = far.send(Message::Close(Some(gone()))).await;
        }
        End::Deaf if by_client => {
            let _ = near.send(Message::Close(Some(gone()))).await;
        }
        End::Broken | End::Deaf => {}
    }
}

impl Pump<'_> {
    async fn run(mut self) -> End {
        loop {
            let first = tokio::select! {
                message = self.from.next() => self.carry(message).await,
                Some(text) = self.beside.recv() => self.write(Message::Text(text)).await,
            };
            // What has come together goes on together.
            let mut carried = first;
            while carried.is_ok() {
                match self.from.next().now_or_never() {
                    Some(message) => carried = self.carry(message).await,
                    None => break,
                }
            }
            match carried {
                Ok(()) => {}
                Err(end) => return end,
            }
            if self.to.flush().await.is_err() {
                return End::Deaf;
            }
        }
    }

    async fn carry(&mut self, message: Option<Result<Message, Error>>) -> Result<(), End> {
        let message = match message {
            Some(Ok(Message::Close(words))) => return Err(End::Closed(words)),
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(refused(&error)),
            None => return Err(End::Broken),
        };
        let verdict = match &message {
            Message::Text(text) => self.judge(text).await?,
            _ => Verdict::Pass,
        };
        match verdict {
            Verdict::Pass => self.write(message).await,
            Verdict::Drop => Ok(()),
            Verdict::Answer(text) => {
                // The other pump lives as long as this one.
                let _ = self.back.send(text);
                Ok(())
            }
        }
    }

    async fn judge(&mut self, text: &str) -> Result<Verdict, End> {
        if let Direction::ToClient = self.direction {
            return Ok(self.traffic.server_says(text));
        }
        let traffic = self.traffic;
        let mut judged = pin!(traffic.client_says(text));
        if let Some(verdict) = judged.as_mut().now_or_never() {
            return Ok(verdict);
        }
        // It has to wait. What came before it does not.
        self.to.flush().await.map_err(|_error| End::Deaf)?;
        Ok(judged.await)
    }

    /// A message that is longer than a frame may be goes in several.
    async fn write(&mut self, message: Message) -> Result<(), End> {
        let written = match message {
            Message::Text(text) if text.len() > MAX_FRAME_BYTES => self.write_in_pieces(text.into()).await,
            message => self.to.feed(message).await,
        };
        written.map_err(|_error| End::Deaf)
    }

    async fn write_in_pieces(&mut self, text: Bytes) -> Result<(), Error> {
        for start in (0..text.len()).step_by(MAX_FRAME_BYTES) {
            let end = text.len().min(start + MAX_FRAME_BYTES);
            let code = OpCode::Data(if start == 0 { Data::Text } else { Data::Continue });
            let frame = Frame::message(text.slice(start..end), code, end == text.len());
            self.to.feed(Message::Frame(frame)).await?;
        }
        Ok(())
    }
}

/// What a side is told whose messages cannot be taken.
fn refused(error: &Error) -> End {
    let code = match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => CloseCode::Size,
        Error::Utf8(_) => CloseCode::Invalid,
        _ => return End::Broken,
    };
    End::Refused(CloseFrame { code, reason: error.to_string().into() })
}

/// Closes the door to a client whose app server cannot be reached.
pub(crate) async fn refuse(mut client: Socket) {
    let _ = tokio::time::timeout(FAREWELL, client.close(Some(gone()))).await;
}

/// What a client is told when there is no app server any more.
fn gone() -> CloseFrame {
    CloseFrame { code: CloseCode::Error, reason: Utf8Bytes::from_static("the app server has ended") }
}
