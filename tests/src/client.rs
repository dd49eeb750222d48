//! A client that sees every message, and can say anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use valet_protocol::methods as m;
use valet_protocol::{ClientRequestMethod, ServerNotificationMethod, v2};
use valet_sim::{IssuedToken, Sim, TokenRequest};
use valet_transport::{Close, Link, Outbox};

use crate::record::{Direction, Record};

/// How long anything awaited may take before the test fails.
const LIMIT: Duration = Duration::from_secs(20);

/// A request that the host refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The code.
    pub code: i64,
    /// The words.
    pub message: String,
    /// `data.kind`.
    pub kind: Option<String>,
    /// `data`, whole.
    pub data: Value,
}

/// A request of the host that waits for the test's answer.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The id.
    pub id: Value,
    /// The method.
    pub method: String,
    /// The parameters.
    pub params: Value,
}

/// A turn that has ended.
#[derive(Debug)]
pub struct TestTurn {
    /// As `turn/completed` told it.
    pub turn: v2::Turn,
    /// The methods and parameters told since `turn/start`, in order.
    pub told: Vec<(String, Value)>,
}

impl TestTurn {
    /// The text of all message deltas.
    pub fn streamed_text(&self) -> String {
        let deltas = self.told.iter().filter(|(method, _)| method == m::AgentMessageDelta::METHOD);
        deltas.map(|(_, params)| params["delta"].as_str().expect("a delta is a text")).collect()
    }

    /// The names of what was told, runs of the same name folded into one.
    pub fn story(&self) -> Vec<&str> {
        let mut story: Vec<&str> = self.told.iter().map(|(method, _)| method.as_str()).collect();
        story.dedup();
        story
    }

    /// The parameters of each notification of type `N`.
    pub fn all<N: ServerNotificationMethod>(&self) -> Vec<N::Params> {
        let told = self.told.iter().filter(|(method, _)| method == N::METHOD);
        told.map(|(_, params)| serde_json::from_value(params.clone()).expect("a notification fits its type")).collect()
    }
}

/// A connection to a host.
pub struct TestClient {
    outbox: Outbox,
    shared: Arc<Shared>,
    told: mpsc::UnboundedReceiver<(String, Value)>,
    asked: mpsc::UnboundedReceiver<Asked>,
    sim: Sim,
    next_id: i64,
}

struct Shared {
    record: Mutex<Record>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Value>>>,
    /// Whom refreshes are answered for; none: the test answers.
    answers: Mutex<Option<TokenRequest>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

impl TestClient {
    pub(crate) fn new(link: Link, sim: Sim) -> Self {
        let shared =
            Arc::new(Shared { record: Mutex::default(), waiting: Mutex::default(), answers: Mutex::default() });
        let (told_sender, told) = mpsc::unbounded_channel();
        let (asked_sender, asked) = mpsc::unbounded_channel();
        let reader = Reader {
            outbox: link.outbox.clone(),
            shared: Arc::clone(&shared),
            told: told_sender,
            asked: asked_sender,
            sim: sim.clone(),
        };
        tokio::spawn(reader.run(link.inbox));
        Self { outbox: link.outbox, shared, told, asked, sim, next_id: 0 }
    }

    /// Sends any text.
    pub fn send_text(&self, text: &str) {
        if let Ok(message) = serde_json::from_str(text) {
            lock(&self.shared.record).push(Direction::ToServer, message);
        }
        self.outbox.push(text.to_owned().into());
    }

    /// Sends any request, and waits for its answer, whole.
    pub async fn ask(&mut self, message: Value) -> Value {
        self.sent(&message).await
    }

    /// Sends any request at once; what comes back is the wait for its answer.
    fn sent(&self, message: &Value) -> impl Future<Output = Value> + use<> {
        let (sender, answer) = oneshot::channel();
        lock(&self.shared.waiting).insert(message["id"].to_string(), sender);
        self.send_text(&message.to_string());
        async { in_time("an answer", answer).await.expect("the connection stands") }
    }

    /// Sends a request of any method.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, Refusal> {
        self.begin(method, params).await
    }

    /// Sends a request of any method at once; what comes back is the wait for its answer.
    pub fn begin(&mut self, method: &str, params: Value) -> impl Future<Output = Result<Value, Refusal>> + use<> {
        self.next_id += 1;
        let answer = self.sent(&json!({ "id": self.next_id, "method": method, "params": params }));
        async { outcome(&answer.await) }
    }

    /// Sends a request that is expected to be carried out.
    pub async fn request<M: ClientRequestMethod>(&mut self, params: M::Params) -> M::Response {
        let params = serde_json::to_value(params).expect("parameters serialise");
        let result = self.call(M::METHOD, params).await;
        let result = result.unwrap_or_else(|refusal| panic!("{} was refused: {refusal:?}", M::METHOD));
        serde_json::from_value(result).expect("a result fits its type")
    }

    /// Sends a request that is expected to be refused.
    pub async fn refused(&mut self, method: &str, params: Value) -> Refusal {
        match self.call(method, params).await {
            Err(refusal) => refusal,
            Ok(result) => panic!("{method} was carried out: {result}"),
        }
    }

    /// Opens the connection, with the experimental methods.
    pub async fn initialize(&mut self) -> Value {
        self.initialize_with(json!({ "experimentalApi": true })).await
    }

    /// Opens the connection with these capabilities.
    pub async fn initialize_with(&mut self, capabilities: Value) -> Value {
        let client_info = json!({ "name": "test_client", "version": "1.0" });
        let params = json!({ "clientInfo": client_info, "capabilities": capabilities });
        let result = self.call("initialize", params).await.expect("initialize is carried out");
        // The last of what every newcomer is told, but for the account.
        self.wait_for::<m::RemoteControlStatusChanged>().await;
        result
    }

    /// Answers each refresh from now on with a new token of whoever is asked for.
    pub fn answer_refreshes(&mut self) {
        *lock(&self.shared.answers) = Some(TokenRequest::default());
    }

    /// Leaves refreshes to the test again.
    pub fn stop_answering(&mut self) {
        *lock(&self.shared.answers) = None;
    }

    /// Gets a token from the issuer.
    pub fn token(&self, request: TokenRequest) -> IssuedToken {
        self.sim.tokens().issue(request)
    }

    /// Lends a new token, and waits until that was told.
    pub async fn lend(&mut self, request: TokenRequest) -> IssuedToken {
        let token = self.token(request);
        self.call("account/login/start", login(&token)).await.expect("the token is taken");
        self.wait_for::<m::AccountUpdated>().await;
        token
    }

    /// Starts a thread.
    pub async fn thread(&mut self) -> String {
        self.request::<m::ThreadStart>(v2::ThreadStartParams::default()).await.thread.id
    }

    /// Starts a turn, and returns its id.
    pub async fn start_turn(&mut self, thread_id: &str, text: &str) -> String {
        let input = vec![v2::UserInput::Text { text: text.to_owned(), text_elements: Vec::new() }];
        let params = v2::TurnStartParams { thread_id: thread_id.to_owned(), input, ..Default::default() };
        self.request::<m::TurnStart>(params).await.turn.id
    }

    /// Carries a turn through to its end. What was told before is passed over.
    pub async fn turn(&mut self, thread_id: &str, text: &str) -> TestTurn {
        while self.told.try_recv().is_ok() {}
        let turn_id = self.start_turn(thread_id, text).await;
        self.end_of(&turn_id).await
    }

    /// Waits for the end of a turn.
    pub async fn end_of(&mut self, turn_id: &str) -> TestTurn {
        let mut told = Vec::new();
        loop {
            let (method, params) = self.next().await;
            told.push((method.clone(), params.clone()));
            if method == m::TurnCompleted::METHOD && params["turn"]["id"] == turn_id {
                let turn = serde_json::from_value(params["turn"].clone()).expect("a turn fits its type");
                return TestTurn { turn, told };
            }
        }
    }

    /// The next thing told.
    pub async fn next(&mut self) -> (String, Value) {
        in_time("a notification", self.told.recv()).await.expect("the connection stands")
    }

    /// The next thing told that is of type `N`. Others are passed over.
    pub async fn wait_for<N: ServerNotificationMethod>(&mut self) -> N::Params {
        loop {
            let (method, params) = in_time(N::METHOD, self.told.recv()).await.expect("the connection stands");
            if method == N::METHOD {
                return serde_json::from_value(params).expect("a notification fits its type");
            }
        }
    }

    /// The next request of the host that the test is to answer.
    pub async fn asked(&mut self) -> Asked {
        in_time("a request of the host", self.asked.recv()).await.expect("the connection stands")
    }

    /// Whether the host has asked anything that the test has not seen.
    pub fn was_asked(&mut self) -> bool {
        !self.asked.is_empty()
    }

    /// Answers a request of the host.
    pub fn answer(&self, asked: &Asked, result: &Value) {
        self.send_text(&json!({ "id": asked.id, "result": result }).to_string());
    }

    /// Answers a request of the host with an error of any shape.
    pub fn refuse(&self, asked: &Asked, error: &Value) {
        self.send_text(&json!({ "id": asked.id, "error": error }).to_string());
    }

    /// Everything that has passed.
    pub fn record(&self) -> Record {
        lock(&self.shared.record).clone()
    }

    /// Waits until the host has closed the connection.
    pub async fn closed(&mut self) {
        let closed = async { while self.told.recv().await.is_some() {} };
        in_time("the end of the connection", closed).await;
    }
}

/// What an answer says.
fn outcome(answer: &Value) -> Result<Value, Refusal> {
    match answer.get("error") {
        None => Ok(answer["result"].clone()),
        Some(error) => Err(Refusal {
            code: error["code"].as_i64().expect("a code is an integer"),
            message: error["message"].as_str().expect("a message is a text").to_owned(),
            kind: error["data"]["kind"].as_str().map(str::to_owned),
            data: error["data"].clone(),
        }),
    }
}

/// The parameters that lend a token.
fn login(token: &IssuedToken) -> Value {
    json!({
        "type": "chatgptAuthTokens",
        "accessToken": token.access_token,
        "chatgptAccountId": token.account_id,
    })
}

impl Drop for TestClient {
    fn drop(&mut self) {
        self.outbox.close(Close::Gone);
        if std::thread::panicking() {
            return;
        }
        let faults = self.record().faults();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

struct Reader {
    outbox: Outbox,
    shared: Arc<Shared>,
    told: mpsc::UnboundedSender<(String, Value)>,
    asked: mpsc::UnboundedSender<Asked>,
    sim: Sim,
}

impl Reader {
    async fn run(self, mut inbox: valet_transport::Inbox) {
        while let Some(text) = inbox.next().await {
            let message: Value = serde_json::from_slice(&text).expect("the host sends JSON");
            lock(&self.shared.record).push(Direction::ToClient, message.clone());
            let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
            match (message.get("id").cloned(), method) {
                (None, Some(method)) => {
                    let _ = self.told.send((method, message["params"].clone()));
                }
                (Some(id), None) => {
                    let waiter = lock(&self.shared.waiting).remove(&id.to_string());
                    if let Some(waiter) = waiter {
                        let _ = waiter.send(message);
                    }
                }
                (Some(id), Some(method)) => self.asked(Asked { id, method, params: message["params"].clone() }),
                (None, None) => panic!("neither a request nor an answer: {message}"),
            }
        }
    }

    fn asked(&self, asked: Asked) {
        let answers = lock(&self.shared.answers).clone();
        let Some(request) = answers.filter(|_| asked.method == "account/chatgptAuthTokens/refresh") else {
            let _ = self.asked.send(asked);
            return;
        };
        let account = asked.params["previousAccountId"].as_str().unwrap_or_default().to_owned();
        let token = self.sim.tokens().issue(TokenRequest { account, ..request });
        let result = json!({ "accessToken": token.access_token, "chatgptAccountId": token.account_id });
        let message = json!({ "id": asked.id, "result": result });
        lock(&self.shared.record).push(Direction::ToServer, message.clone());
        self.outbox.push(message.to_string().into());
    }
}
