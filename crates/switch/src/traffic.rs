//! What passes between one client and the app server, and what becomes of each message: nearly all go on as they are.
//! Only envelopes are parsed, and the parameters of the few messages that matter here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use valet_protocol::jsonrpc::{self, Message, RequestId};
use valet_protocol::v2::{
    AccountLoginCompletedNotification, AccountRateLimitsUpdatedNotification, CodexErrorInfo, ErrorNotification,
};
use valet_protocol::{ClientRequestMethod, ErrorObject, ServerNotificationMethod, ServerRequestMethod, methods as m};

use crate::gate::Starting;
use crate::session::Session;

/// Not one of ours, but of the reference.
const REVIEW_START: &str = "review/start";

/// Requests that begin a turn.
const BEGIN: [&str; 4] =
    [m::TurnStart::METHOD, REVIEW_START, m::ThreadCompactStart::METHOD, m::ThreadShellCommand::METHOD];

/// What the parent does, and clients must not.
const RESERVED: [&str; 3] = [m::AccountLoginStart::METHOD, m::AccountLoginCancel::METHOD, m::AccountLogout::METHOD];

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on as it is.
    Pass,
    /// It is not for the other side.
    Drop,
    /// It goes no further; whoever sent it gets this.
    Answer(Utf8Bytes),
}

/// One client's connection.
pub(crate) struct Traffic {
    session: Arc<Session>,
    /// To the app server, beside what the client sends.
    to_server: mpsc::UnboundedSender<Utf8Bytes>,
    /// To the client, beside what the app server sends.
    to_client: mpsc::UnboundedSender<Utf8Bytes>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Requests that are not answered yet.
    open: HashMap<RequestId, Open>,
    /// Turns that this client has begun.
    turns: HashMap<String, Turn>,
}

enum Open {
    Initialize,
    Begin {
        _starting: Starting,
        /// The parameters, if it may be begun once more.
        params: Option<Box<RawValue>>,
    },
}

/// A turn that runs.
struct Turn {
    /// What it was begun with, as long as nothing has come of it.
    params: Option<Box<RawValue>>,
    /// The account that it runs under.
    account: Option<String>,
    /// Whether it has ended at the limit of that account.
    limited: bool,
}

#[derive(Deserialize)]
struct Begun {
    turn: TurnId,
}

#[derive(Deserialize)]
struct TurnId {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemStarted {
    turn_id: String,
    item: ItemKind,
}

#[derive(Deserialize)]
struct ItemKind {
    #[serde(rename = "type")]
    kind: String,
}

impl Traffic {
    pub(crate) fn new(
        session: Arc<Session>,
        to_server: mpsc::UnboundedSender<Utf8Bytes>,
        to_client: mpsc::UnboundedSender<Utf8Bytes>,
    ) -> Arc<Self> {
        Arc::new(Self { session, to_server, to_client, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of a message of the client's. One that begins a turn waits here until turns may begin.
    pub(crate) async fn client_says(&self, text: &str) -> Verdict {
        // What is no message is the app server's to judge; so is an answer.
        let Ok(Message::Request { id, method, params }) = Message::parse(text.as_bytes()) else { return Verdict::Pass };
        let method = &*method;
        if RESERVED.contains(&method) {
            let error = ErrorObject::invalid_request(format!(
                "{method} is not for clients of `valet run`, which logs in itself: see `valet accounts`"
            ));
            return answer(jsonrpc::write_error(Some(&id), &error));
        }
        if method == m::Initialize::METHOD {
            self.state().open.insert(id, Open::Initialize);
        } else if BEGIN.contains(&method) {
            let starting = self.session.gate.enter().await;
            let may_repeat = self.session.repeat && method == m::TurnStart::METHOD;
            let params = params.filter(|_| may_repeat).map(RawValue::to_owned);
            self.state().open.insert(id, Open::Begin { _starting: starting, params });
        }
        Verdict::Pass
    }

    /// What becomes of a message of the app server's.
    pub(crate) fn server_says(self: &Arc<Self>, text: &str) -> Verdict {
        match Message::parse(text.as_bytes()) {
            Ok(Message::Response { id, outcome }) => self.answered(&id, outcome.ok()),
            // The reference asks everybody; the parent alone answers.
            Ok(Message::Request { method, .. }) if method == m::ChatgptAuthTokensRefresh::METHOD => Verdict::Drop,
            Ok(Message::Notification { method, params: Some(params) }) => self.told(&method, params.get()),
            _ => Verdict::Pass,
        }
    }

    fn answered(&self, id: &RequestId, result: Option<&RawValue>) -> Verdict {
        let open = self.state().open.remove(id);
        match open {
            Some(Open::Initialize) if result.is_some() => self.session.join(self.to_client.clone()),
            Some(Open::Begin { params, .. }) => {
                if let Some(Begun { turn }) = result.and_then(|result| serde_json::from_str(result.get()).ok()) {
                    let account = self.session.turn_begins(&turn.id);
                    // What is said to a turn that runs is answered with that turn: it goes on as what it is.
                    self.state().turns.entry(turn.id).or_insert(Turn { params, account, limited: false });
                }
            }
            _ => {}
        }
        if self.session.is_ours(id) { Verdict::Drop } else { Verdict::Pass }
    }

    fn told(self: &Arc<Self>, method: &str, params: &str) -> Verdict {
        match method {
            m::AccountRateLimitsUpdated::METHOD => {
                if let Ok(told) = serde_json::from_str::<AccountRateLimitsUpdatedNotification>(params) {
                    let account_id = told.valet.and_then(|valet| valet.account_id);
                    self.session.hear_limits(account_id, told.rate_limits);
                }
            }
            m::Error::METHOD => {
                if let Ok(told) = serde_json::from_str::<ErrorNotification>(params)
                    && !told.will_retry
                    && is_limit(&told)
                {
                    self.session.hear_refusal(&told.turn_id);
                    self.state().turns.entry(told.turn_id).and_modify(|turn| turn.limited = true);
                }
            }
            m::ItemStarted::METHOD if self.session.repeat => {
                if let Ok(ItemStarted { turn_id, item }) = serde_json::from_str(params)
                    && item.kind != "userMessage"
                {
                    self.state().turns.entry(turn_id).and_modify(|turn| turn.params = None);
                }
            }
            m::TurnCompleted::METHOD => {
                if let Ok(Begun { turn }) = serde_json::from_str(params) {
                    self.turn_ended(&turn.id);
                }
            }
            // A login of the parent's: clients hear of the account by `account/updated`.
            m::AccountLoginCompleted::METHOD => {
                let lent = serde_json::from_str::<AccountLoginCompletedNotification>(params)
                    .is_ok_and(|told| told.login_id.is_none());
                if lent {
                    return Verdict::Drop;
                }
            }
            _ => {}
        }
        Verdict::Pass
    }

    fn turn_ended(self: &Arc<Self>, turn_id: &str) {
        self.session.turn_ends(turn_id);
        let ended = self.state().turns.remove(turn_id);
        if let Some(Turn { params: Some(params), account: Some(account), limited: true }) = ended {
            tokio::spawn(Arc::clone(self).begin_again(params, account));
        }
    }

    /// Begins a turn once more, if there is another account by then. Its end is its end.
    async fn begin_again(self: Arc<Self>, params: Box<RawValue>, limited: String) {
        let starting = self.session.gate.enter().await;
        if self.session.lent().is_none_or(|lent| lent == limited) {
            return;
        }
        let id = self.session.new_id();
        let Ok(text) = jsonrpc::write_request(m::TurnStart::METHOD, &id, &params) else { return };
        let Ok(text) = Utf8Bytes::try_from(text) else { return };
        self.state().open.insert(id, Open::Begin { _starting: starting, params: None });
        // A client that has left takes its turns along.
        let _ = self.to_server.send(text);
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.turns.keys().for_each(|turn_id| self.session.turn_ends(turn_id));
    }
}

/// Whether a turn has failed at a limit. Older app servers only say so in words.
fn is_limit(told: &ErrorNotification) -> bool {
    match &told.error.codex_error_info {
        Some(CodexErrorInfo::UsageLimitExceeded) => true,
        Some(_) => false,
        None => told.error.message.to_lowercase().contains("usage limit"),
    }
}

fn answer(text: Vec<u8>) -> Verdict {
    Utf8Bytes::try_from(text).map_or(Verdict::Drop, Verdict::Answer)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};
    use tokio::sync::mpsc;

    use super::{Traffic, Verdict};
    use crate::session::{Session, Whose};

    #[tokio::test]
    async fn a_turn_that_goes_on_under_its_account_is_not_booked_on_the_one_that_is_lent_since() {
        let (news, mut heard) = mpsc::unbounded_channel();
        let (to_server, mut sent) = mpsc::unbounded_channel();
        let (to_client, _told) = mpsc::unbounded_channel();
        let session = Arc::new(Session::new(false, true, "secret", news));
        let traffic = Traffic::new(Arc::clone(&session), to_server, to_client);
        let server_tells = |method: &str, params: Value| {
            traffic.server_says(&json!({ "method": method, "params": params }).to_string());
        };
        for (account, item) in [("first", "agentMessage"), ("second", "userMessage")] {
            session.set_lent(account);
            // The second time the turn runs, and only hears more.
            let begin = json!({ "id": account, "method": "turn/start", "params": { "threadId": "one" } });
            traffic.client_says(&begin.to_string()).await;
            traffic.server_says(&json!({ "id": account, "result": { "turn": { "id": "one" } } }).to_string());
            server_tells("item/started", json!({ "turnId": "one", "item": { "type": item } }));
        }
        let error = json!({ "message": "no more", "codexErrorInfo": "usageLimitExceeded", "additionalDetails": null });
        server_tells("error", json!({ "threadId": "one", "turnId": "one", "willRetry": false, "error": error }));
        assert_eq!(heard.recv().await.unwrap().whose, Whose::Name("first".to_owned()));
        server_tells("turn/completed", json!({ "turn": { "id": "one" } }));
        drop(traffic);
        assert!(sent.recv().await.is_none(), "a turn that has done something is not begun again");
    }

    #[tokio::test]
    async fn every_turn_that_the_same_limit_has_stopped_is_begun_once_more() {
        let (news, _heard) = mpsc::unbounded_channel();
        let (to_server, mut sent) = mpsc::unbounded_channel();
        let (to_client, _told) = mpsc::unbounded_channel();
        let session = Arc::new(Session::new(false, true, "secret", news));
        session.set_lent("first");
        let traffic = Traffic::new(Arc::clone(&session), to_server, to_client);
        let turns = ["one", "two"];
        for turn in turns {
            let begin = json!({ "id": turn, "method": "turn/start", "params": { "threadId": turn } });
            assert_eq!(traffic.client_says(&begin.to_string()).await, Verdict::Pass);
            let begun = json!({ "id": turn, "result": { "turn": { "id": turn } } });
            assert_eq!(traffic.server_says(&begun.to_string()), Verdict::Pass);
        }
        for turn in turns {
            let error = json!({
                "threadId": turn, "turnId": turn, "willRetry": false,
                "error": { "message": "no more", "codexErrorInfo": "usageLimitExceeded", "additionalDetails": null },
            });
            traffic.server_says(&json!({ "method": "error", "params": error }).to_string());
            let ended = json!({ "method": "turn/completed", "params": { "turn": { "id": turn } } });
            // Another account is there before the second one has ended.
            session.set_lent("second");
            traffic.server_says(&ended.to_string());
        }
        drop(traffic);
        for turn in turns {
            let begun: Value = serde_json::from_str(&sent.recv().await.unwrap()).unwrap();
            assert_eq!((&begun["method"], &begun["params"]["threadId"]), (&json!("turn/start"), &json!(turn)));
        }
    }
}
