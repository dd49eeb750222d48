//! One connection: what it asks, what it is told and asked, and how it answers. Whatever breaks a rule of the wire
//! (an answer too many, something told of a turn after its end) is a fault here; what turns come to is judged
//! elsewhere.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use valet_protocol::RequestId;
use valet_protocol::jsonrpc::Message;
use valet_store::generator::Dice;

use crate::plan::{Leave, Lending, one_of};
use crate::stage::{Place, Stage};
use crate::tokens::account_name;

/// No single thing takes longer.
const LIMIT: Duration = Duration::from_secs(60);
/// The deadline that parents ask for, and an answer after it.
const DEADLINE_MS: u64 = 1000;
const LATE: Duration = Duration::from_millis(1200);

/// What is counted where the host has too much to do.
pub(crate) const OVERLOADED: &str = "clients: request refused as overloaded";

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The client wanted it so.
    Left,
    /// The host was killed, or there was a fault, which is on record.
    Lost,
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) status: String,
    /// The message of the error, and its kind.
    pub(crate) reason: Option<(String, String)>,
}

impl End {
    /// Of a turn on the wire; none while it runs.
    pub(crate) fn of(turn: &Value) -> Option<Self> {
        let status = turn["status"].as_str().filter(|status| *status != "inProgress")?.to_owned();
        let text = |name: &str| turn["error"][name].as_str().unwrap_or_default().to_owned();
        let reason = turn["error"].is_object().then(|| (text("message"), text("additionalDetails")));
        Some(Self { status, reason })
    }
}

/// What was told on a connection, by the ids of turns.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) ends: HashMap<String, End>,
    /// Turns with an `item/completed`.
    pub(crate) items: HashSet<String>,
    /// Turns with output of a command.
    pub(crate) output: HashSet<String>,
}

/// A result, or an error.
pub(crate) type Answer = Result<Value, Value>;

/// A connection of an account.
pub(crate) struct Peer {
    stage: Arc<Stage>,
    pub(crate) place: Place,
    account: usize,
    dice: Dice,
    socket: WebSocketStream<TcpStream>,
    /// It answers well, and stays.
    pub(crate) steady: bool,
    last_id: i64,
    open: HashSet<i64>,
    answers: HashMap<i64, Answer>,
    pub(crate) seen: Seen,
    late: VecDeque<(Instant, String)>,
    /// The code it was closed with.
    pub(crate) closed: Option<CloseCode>,
    /// It has taken leave, and answers nothing any more.
    leaving: bool,
}

impl Peer {
    /// Connects to the host, as soon as there is one, and lends it a token.
    pub(crate) async fn connect(stage: &Arc<Stage>, account: usize, seed: u64) -> Result<Self, Over> {
        let place = stage.place().await;
        let opened = async {
            let stream = TcpStream::connect(&place.address).await?;
            stream.set_nodelay(true)?;
            let (socket, _) = tokio_tungstenite::client_async(format!("ws://{}/", place.address), stream).await?;
            anyhow::Ok(socket)
        };
        let socket = match tokio::time::timeout(LIMIT, opened).await {
            Ok(Ok(socket)) => socket,
            failed => {
                if !stage.was_killed(place.generation) {
                    stage.fault(format!("no connection: {:?}", failed.map(|opened| opened.map(|_| ()))));
                }
                return Err(Over::Lost);
            }
        };
        stage.connect();
        let mut peer = Self {
            stage: Arc::clone(stage),
            place,
            account,
            dice: Dice(seed),
            socket,
            steady: false,
            last_id: 0,
            open: HashSet::new(),
            answers: HashMap::new(),
            seen: Seen::default(),
            late: VecDeque::new(),
            closed: None,
            leaving: false,
        };
        peer.open().await?;
        Ok(peer)
    }

    async fn open(&mut self) -> Result<(), Over> {
        let mut valet = json!({ "refreshTimeoutMs": DEADLINE_MS });
        if self.dice.one_in(2) {
            // Whoever comes later is asked for what the earlier one has lent.
            valet["ownerKey"] = format!("nobody guesses the key of {}", self.account).into();
        }
        let capabilities = json!({ "experimentalApi": true, "valet": valet });
        let params = json!({ "clientInfo": { "name": "soak", "version": "1" }, "capabilities": capabilities });
        self.carry_out("initialize", params).await?;
        self.say(json!({ "method": "initialized" }).to_string()).await?;
        let token = self.stage.tokens.issue(self.account, false);
        let account = account_name(self.account);
        let login = json!({ "type": "chatgptAuthTokens", "accessToken": token, "chatgptAccountId": account });
        self.carry_out("account/login/start", login).await?;
        Ok(())
    }

    /// Asks, and does not wait. Returns the id.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Result<i64, Over> {
        self.last_id += 1;
        self.open.insert(self.last_id);
        self.say(json!({ "id": self.last_id, "method": method, "params": params }).to_string()).await?;
        Ok(self.last_id)
    }

    /// Asks, and waits for the answer. When the host is overloaded, asks again.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Result<Answer, Over> {
        loop {
            let id = self.ask(method, params.clone()).await?;
            self.until(method, |peer| peer.answers.contains_key(&id)).await?;
            let answer = self.answers.remove(&id).unwrap_or(Ok(Value::Null));
            let Err(error) = &answer else { return Ok(answer) };
            if !is_overloaded(error) {
                return Ok(answer);
            }
            self.stage.count(OVERLOADED);
            self.rest(Duration::from_millis(100)).await?;
        }
    }

    /// Asks what must not be refused.
    pub(crate) async fn carry_out(&mut self, method: &str, params: Value) -> Result<Value, Over> {
        self.request(method, params).await?.map_err(|error| {
            self.stage.fault(format!("{method} was refused: {error}"));
            Over::Lost
        })
    }

    /// The answers that nobody has waited for.
    pub(crate) fn take_answer(&mut self, id: i64) -> Option<Answer> {
        self.answers.remove(&id)
    }

    /// Reads for a time.
    pub(crate) async fn rest(&mut self, time: Duration) -> Result<(), Over> {
        let reads = async {
            loop {
                self.pump().await?;
            }
        };
        tokio::time::timeout(time, reads).await.unwrap_or(Ok(()))
    }

    /// Reads until it is so.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), Over> {
        let limit = Instant::now() + LIMIT;
        while !is_so(self) {
            let Ok(read) = tokio::time::timeout_at(limit, self.pump()).await else {
                self.stage.fault(format!("waited in vain for {what}"));
                return Err(Over::Lost);
            };
            read?;
        }
        Ok(())
    }

    /// Reads until this turn has ended.
    pub(crate) async fn ended(&mut self, turn: &str) -> Result<(), Over> {
        self.until(&format!("the end of turn {turn}"), |peer| peer.seen.ends.contains_key(turn)).await
    }

    async fn say(&mut self, text: String) -> Result<(), Over> {
        if self.leaving {
            return Ok(());
        }
        let said = tokio::time::timeout(LIMIT, self.socket.send(tungstenite::Message::text(text))).await;
        if !matches!(said, Ok(Ok(()))) {
            return self.broken(&format!("{said:?}"));
        }
        Ok(())
    }

    /// What a connection that nobody closed comes to.
    fn broken<T>(&self, how: &str) -> Result<T, Over> {
        if self.closed.is_none() && !self.stage.was_killed(self.place.generation) {
            self.stage.fault(format!("a connection broke: {how}"));
        }
        Err(Over::Lost)
    }

    /// Takes one message.
    pub(crate) async fn pump(&mut self) -> Result<(), Over> {
        let frame = loop {
            let Some((due, _)) = self.late.front() else { break self.socket.next().await };
            tokio::select! {
                frame = self.socket.next() => break frame,
                () = tokio::time::sleep_until(*due) => {}
            }
            if let Some((_, text)) = self.late.pop_front() {
                self.say(text).await?;
            }
        };
        let text = match frame {
            Some(Ok(tungstenite::Message::Text(text))) => text,
            Some(Ok(tungstenite::Message::Close(frame))) => {
                self.closed = frame.map(|frame| frame.code);
                return Err(Over::Left);
            }
            Some(Ok(_)) => return Ok(()),
            other => return self.broken(&format!("{other:?}")),
        };
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request { id: RequestId::Integer(id), method, params }) => {
                return self.asked(id, &method, &value(params)).await;
            }
            Ok(Message::Response { id: RequestId::Integer(id), outcome }) => {
                self.answered(id, outcome.map(|result| value(Some(result))).map_err(|error| value(Some(error))));
            }
            Ok(Message::Notification { method, params }) => self.told(&method, &value(params)),
            other => self.stage.fault(format!("nobody can know {other:?}")),
        }
        Ok(())
    }

    fn answered(&mut self, id: i64, answer: Answer) {
        if self.open.remove(&id) {
            self.answers.insert(id, answer);
        } else {
            self.stage.fault(format!("request {id} was answered once too often"));
        }
    }

    fn told(&mut self, method: &str, params: &Value) {
        let Some(turn) = params["turnId"].as_str().or(params["turn"]["id"].as_str()) else { return };
        // Whoever comes later is told what the last turn has used.
        if method != "thread/tokenUsage/updated" && self.seen.ends.contains_key(turn) {
            self.stage.fault(format!("{method} was told of turn {turn} after its end"));
        }
        match method {
            "turn/completed" => match End::of(&params["turn"]) {
                Some(end) => _ = self.seen.ends.insert(turn.to_owned(), end),
                None => self.stage.fault(format!("turn/completed without an end: {params}")),
            },
            "item/completed" => _ = self.seen.items.insert(turn.to_owned()),
            "item/commandExecution/outputDelta" => _ = self.seen.output.insert(turn.to_owned()),
            _ => {}
        }
    }

    async fn asked(&mut self, id: i64, method: &str, params: &Value) -> Result<(), Over> {
        match method {
            "account/chatgptAuthTokens/refresh" => self.lend(id, params).await,
            "item/commandExecution/requestApproval" => self.decide(id).await,
            _ => {
                self.stage.fault(format!("nobody knows the request {method}"));
                let error = json!({ "code": -32601, "message": "not known" });
                self.say(json!({ "id": id, "error": error }).to_string()).await
            }
        }
    }

    async fn lend(&mut self, id: i64, params: &Value) -> Result<(), Over> {
        if params["previousAccountId"] != account_name(self.account) {
            self.stage.fault(format!("account {} was asked for {}", self.account, params["previousAccountId"]));
        }
        let lending = if self.steady { Lending::Good } else { Lending::draw(&mut self.dice) };
        let proactive = params["valet"]["proactive"] == true;
        self.stage.count(format!("refresh{}: {lending:?}", if proactive { " ahead" } else { "" }));
        let tokens = &self.stage.tokens;
        let account = if lending == Lending::Other { self.account + 1_000_000 } else { self.account };
        let token = match lending {
            Lending::Expired => tokens.issue_expired(account),
            _ => tokens.issue(account, lending == Lending::Short),
        };
        let result = json!({ "accessToken": token, "chatgptAccountId": account_name(account) });
        let good = json!({ "id": id, "result": result }).to_string();
        match lending {
            Lending::Good | Lending::Short | Lending::Expired | Lending::Other => self.say(good).await,
            Lending::Late => {
                self.late.push_back((Instant::now() + LATE, good));
                Ok(())
            }
            Lending::Refused => {
                let error = json!({ "code": -32000, "message": "signed out" });
                self.say(json!({ "id": id, "error": error }).to_string()).await
            }
            Lending::Malformed => self.say(json!({ "id": id, "result": { "accessToken": 1 } }).to_string()).await,
            Lending::Never => Ok(()),
            Lending::Leaves => Err(Over::Left),
        }
    }

    async fn decide(&mut self, id: i64) -> Result<(), Over> {
        let decisions =
            [("accept", 50), ("decline", 20), ("cancel", 10), ("acceptForSession", 5), ("error", 5), ("leaves", 10)];
        let decision = if self.steady { "accept" } else { one_of(&mut self.dice, &decisions) };
        self.stage.count(format!("approval: {decision}"));
        match decision {
            "leaves" => Err(Over::Left),
            "error" => {
                let error = json!({ "code": -32000, "message": "no" });
                self.say(json!({ "id": id, "error": error }).to_string()).await
            }
            _ => self.say(json!({ "id": id, "result": { "decision": decision } }).to_string()).await,
        }
    }

    /// Goes away. What was told comes back.
    pub(crate) async fn leave(mut self, how: Leave) -> Seen {
        self.stage.count(format!("left: {how:?}"));
        match how {
            Leave::Closed => {
                self.late.clear();
                self.leaving = true;
                let _ = self.socket.close(None).await;
                let answered = async { while let Ok(()) = self.pump().await {} };
                if tokio::time::timeout(LIMIT, answered).await.is_err() {
                    self.stage.fault("a close frame was not answered".to_owned());
                }
            }
            Leave::Dropped => {}
            Leave::Reset => _ = self.socket.get_ref().set_zero_linger(),
            Leave::Silent => self.stage.keep_silent(self.socket),
        }
        self.seen
    }
}

/// Whether the host has too much to do, and may be asked again.
pub(crate) fn is_overloaded(error: &Value) -> bool {
    error["code"] == -32001
}

fn value(raw: Option<&RawValue>) -> Value {
    raw.map(|raw| serde_json::from_str(raw.get()).unwrap_or_default()).unwrap_or_default()
}
