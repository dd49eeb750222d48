//! Who gets in, and that frames come through as they are.

use futures_util::{SinkExt, StreamExt};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use valet_protocol::v2::{LoginAccountParams, TurnStatus};
use valet_protocol::{Secret, methods as m};
use valet_sim::{Response, Script};

use super::{Session, Stage, TOKEN, app_servers, of};
use crate::support::{Socket, in_time};

/// Names and values.
type Headers<'a> = &'a [(&'static str, &'a str)];

pub(super) async fn socket(session: &Session, headers: Headers<'_>) -> Result<Socket, Box<Error>> {
    let mut request = format!("ws://{}/any/path", session.address).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    Ok(in_time(tokio_tungstenite::connect_async(request)).await.map_err(Box::new)?.0)
}

pub(super) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

async fn ask(socket: &mut Socket, message: &str) -> Value {
    socket.send(Message::text(message)).await.unwrap();
    loop {
        let text = match in_time(socket.next()).await.unwrap().unwrap() {
            Message::Text(text) => text,
            other => panic!("{other:?}"),
        };
        let message: Value = serde_json::from_str(&text).unwrap();
        if message.get("id").is_some() {
            return message;
        }
    }
}

const INITIALIZE: &str =
    r#"{ "id": "one", "method": "initialize", "params": { "clientInfo": { "name": "raw", "version": "1" } } }"#;

#[tokio::test]
async fn whoever_has_not_the_token_stays_outside() {
    let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
    let session = stage.session(&[]).await;
    let (good, bad) = (bearer(TOKEN), bearer("another"));
    let rows: [(Headers<'_>, u16, &str); 4] = [
        (&[], 401, "missing websocket bearer token"),
        (&[("authorization", &bad)], 401, "invalid websocket bearer token"),
        (&[("authorization", "Basic x")], 401, "invalid authorization header"),
        (&[("authorization", &good), ("origin", "https://example.com")], 403, ""),
    ];
    for (headers, status, words) in rows {
        let Err(refused) = socket(&session, headers).await else { panic!("let in with {headers:?}") };
        let Error::Http(response) = *refused else { panic!("{refused:?}") };
        let body = String::from_utf8(response.body().clone().unwrap_or_default()).unwrap();
        assert_eq!((response.status().as_u16(), body.as_str()), (status, words), "{headers:?}");
    }
    assert!(socket(&session, &[("authorization", &good)]).await.is_ok());
    session.end().await;
}

#[tokio::test]
async fn messages_pings_and_close_codes_come_through_as_they_are() {
    for server in app_servers() {
        let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
        let args: Vec<&str> = server.iter().map(String::as_str).collect();
        let session = stage.session(&args).await;
        let bearer = bearer(TOKEN);
        let mut socket = socket(&session, &[("authorization", &bearer)]).await.unwrap();
        assert_eq!(ask(&mut socket, INITIALIZE).await["id"], "one");
        // What is no message is the app server's to judge, which drops it; what comes behind it is answered.
        socket.send(Message::text("no message")).await.unwrap();
        let answer = ask(&mut socket, r#"{"id":7,"method":"no/such"}"#).await;
        assert!(answer["error"]["message"].as_str().unwrap().contains("unknown variant `no/such`"), "{answer}");
        socket.send(Message::Ping("a ping".into())).await.unwrap();
        let pong = in_time(async {
            loop {
                if let Message::Pong(data) = socket.next().await.unwrap().unwrap() {
                    return data;
                }
            }
        });
        assert_eq!(pong.await, "a ping");
        session.end_with(socket, CloseCode::Away).await;
    }
}

/// How a client is told that it is over. None: the connection is gone without a word.
pub(super) async fn farewell(mut socket: Socket) -> Option<CloseFrame> {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(words) = message {
            return words;
        }
    }
    None
}

impl Session {
    /// Ends, and looks how a client is told.
    async fn end_with(self, socket: Socket, code: CloseCode) {
        let closed = tokio::spawn(farewell(socket));
        self.end().await;
        let words = in_time(closed).await.unwrap();
        // The reference ends without a word, and its clients are told so.
        assert!(words.as_ref().is_some_and(|words| [code, CloseCode::Error].contains(&words.code)), "{words:?}");
    }
}

#[tokio::test]
async fn a_long_message_arrives_whole_in_either_direction() {
    let stage = Stage::open(Script::new().rule(of("acct-1").respond(Response::from("fine"))), &["acct-1"]).await;
    let session = stage.session(&[]).await;
    let bearer = bearer(TOKEN);
    let mut socket = socket(&session, &[("authorization", &bearer)]).await.unwrap();
    ask(&mut socket, INITIALIZE).await;
    // More than a frame may have: it goes in two.
    let path = stage.path("long");
    let data = "A".repeat(20 << 20);
    let write =
        json!({ "id": 1, "method": "fs/writeFile", "params": { "path": path, "dataBase64": data } }).to_string();
    let (first, second) = write.split_at(10 << 20);
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    let piece = |text: &str, code, last| Message::Frame(Frame::message(text.to_owned(), OpCode::Data(code), last));
    socket.send(piece(first, Data::Text, false)).await.unwrap();
    let answer = ask_frame(&mut socket, piece(second, Data::Continue, true)).await;
    assert_eq!(answer["result"], json!({}));
    assert_eq!(path.metadata().unwrap().len(), (15 << 20));
    let read = json!({ "id": 2, "method": "fs/readFile", "params": { "path": path } }).to_string();
    let answer = ask(&mut socket, &read).await;
    assert_eq!(answer["result"]["dataBase64"].as_str().unwrap().len(), data.len());
    drop(socket);
    session.end().await;
}

async fn ask_frame(socket: &mut Socket, frame: Message) -> Value {
    socket.send(frame).await.unwrap();
    loop {
        if let Message::Text(text) = in_time(socket.next()).await.unwrap().unwrap() {
            let message: Value = serde_json::from_str(&text).unwrap();
            if message.get("id").is_some() {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn clients_neither_log_in_nor_out_and_hear_of_no_login_but_the_account() {
    for server in app_servers() {
        let stage = Stage::open(Script::new().rule(of("acct-1").respond("fine")), &["acct-1", "acct-2"]).await;
        let args: Vec<&str> = server.iter().map(String::as_str).collect();
        let session = stage.session(&args).await;
        let mut guest = session.guest().await;
        let login = LoginAccountParams::ApiKey { api_key: Secret::new("sk-1") };
        let refused = in_time(guest.client.request::<m::AccountLoginStart>(login)).await.unwrap_err().to_string();
        assert!(refused.contains("is not for clients of `valet run`"), "{refused}");
        assert!(in_time(guest.client.request::<m::AccountLogout>(Default::default())).await.is_err());
        let read = in_time(guest.client.request_part::<m::AccountRead, Value>(Default::default())).await.unwrap();
        assert_eq!(read["account"]["email"], "user@example.com", "{server:?}");

        assert_eq!(stage.valet(&["accounts", "use", "acct-2"]).await.0, 0);
        stage.sim.tokens().expire_all();
        let turn = guest.begin("hello").await;
        let mut heard = Vec::new();
        let ended = loop {
            let told = in_time(guest.told.next()).await.unwrap();
            if let Some(ended) = told.read::<m::TurnCompleted>().filter(|ended| ended.turn.id == turn) {
                break ended.turn.status;
            }
            heard.push(told.method);
        };
        assert_eq!(ended, TurnStatus::Completed, "{server:?}");
        assert!(!heard.iter().any(|method| method == "account/login/completed"), "{heard:?}");
        session.end().await;
    }
}
