//! How the parent is asked for a new token: one request, to whoever lent the old one. Only when the lender
//! is gone, those who watch the waiting turns are asked in its place, one at a time. In strict mode everybody is asked.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use valet_auth::{
    AccessToken, Account, Caller, Claims, ExternalAuth, ExternalTokens, OwnerId, RefreshFailure, RefreshRequest,
    Renewed, Snapshot,
};
use valet_protocol::RequestId;
use valet_protocol::methods::{ChatgptAuthTokensRefresh, ServerRequestResolved};
use valet_protocol::v2::{
    ChatgptAuthTokensRefreshParams, ChatgptAuthTokensRefreshReason, ChatgptAuthTokensRefreshResponse,
    ServerRequestResolvedNotification, ValetRefreshInfo,
};
use valet_transport::Answer;

use super::AccountsState;
use crate::connection::{Connection, ConnectionId, Connections};
use crate::metrics::Metrics;
use crate::outgoing::{OutgoingMessageSender, Target};
use crate::owners::Owners;
use crate::threads::Threads;

/// The least time that somebody in the lender's place gets.
const STAND_IN_LEAST: Duration = Duration::from_secs(2);

/// Where a parent can be found.
#[derive(Clone)]
pub(crate) struct Whereabouts {
    pub(crate) outgoing: OutgoingMessageSender,
    pub(crate) connections: Arc<Connections>,
    pub(crate) owners: Arc<Owners>,
    pub(crate) threads: Arc<Threads>,
    pub(crate) metrics: Metrics,
}

/// The parent, through the connections.
#[derive(Clone)]
pub(super) struct Parent(Arc<Inner>);

struct Inner {
    whereabouts: Whereabouts,
    deadline: Duration,
    strict: bool,
    /// The question that stands open, by flight.
    open: Mutex<HashMap<u64, Question>>,
    /// Who is to be told of new credentials.
    accounts: OnceLock<Weak<AccountsState>>,
}

/// A question that somebody was asked.
#[derive(Clone)]
struct Question {
    to: Target,
    id: RequestId,
    /// A thread that waited for the answer when it was asked.
    thread: Option<Arc<str>>,
    /// Whether an answer is still waited for.
    stands: bool,
    /// Whether what came of it is counted. A late answer does not change that.
    counted: bool,
}

impl Parent {
    pub(super) fn new(whereabouts: Whereabouts, deadline: Duration, strict: bool) -> Self {
        let (open, accounts) = (Mutex::default(), OnceLock::new());
        Self(Arc::new(Inner { whereabouts, deadline, strict, open, accounts }))
    }

    /// Says who is to be told of new credentials.
    pub(super) fn report_to(&self, accounts: &Arc<AccountsState>) {
        let _ = self.0.accounts.set(Arc::downgrade(accounts));
    }
}

impl ExternalAuth for Parent {
    fn refresh(&self, request: RefreshRequest) -> BoxFuture<'static, Result<Renewed, RefreshFailure>> {
        let inner = Arc::clone(&self.0);
        let ask = async move {
            let mut asking = Asking { inner: &inner, flight: request.flight, outcome: None };
            let answer = if inner.strict { inner.ask_everybody(&request).await } else { inner.find(&request).await };
            let answer = match answer {
                Err(RefreshFailure::Gone) => Err(inner.unanswered(request.flight)),
                answer => answer,
            };
            asking.outcome = Some(outcome(answer.as_ref().err()));
            answer
        };
        ask.boxed()
    }

    fn time_limit(&self, owner: OwnerId) -> Duration {
        let connection = self.0.owner(owner);
        let asked_for = connection.and_then(|connection| connection.session()?.refresh_timeout);
        asked_for.unwrap_or(self.0.deadline)
    }

    fn given_up(&self, request: &RefreshRequest) -> RefreshFailure {
        self.0.withdraw(request);
        self.0.count_unanswered(request.flight);
        self.0.unanswered(request.flight)
    }

    fn renewed(&self, before: &Snapshot, after: &Snapshot) {
        let differs = before.identity.as_ref().map(|identity| &identity.account_id)
            != after.identity.as_ref().map(|identity| &identity.account_id)
            || before.profile.plan != after.profile.plan;
        if differs
            && !self.0.strict
            && let Some(accounts) = self.0.accounts.get().and_then(Weak::upgrade)
        {
            accounts.tell_renewed(before, after);
        }
    }

    fn taken_up(&self, account: &Account) {
        if let Some(accounts) = self.0.accounts.get().and_then(Weak::upgrade) {
            accounts.tell_taken_up(account);
        }
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Question>> {
        // Nothing under this lock can panic half-way.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owner(&self, owner: OwnerId) -> Option<Arc<Connection>> {
        self.whereabouts.connections.get(self.whereabouts.owners.connection(owner)?)
    }

    /// The reference's way: everybody is asked, and the first answer counts.
    async fn ask_everybody(&self, request: &RefreshRequest) -> Result<Renewed, RefreshFailure> {
        match self.ask(request, Target::Everybody, None).await.1 {
            None => Err(RefreshFailure::Gone),
            Some(answer) => decode(&answer).map(|tokens| Renewed { tokens, may_switch: false }),
        }
    }

    /// The lender, if it is there. Else those who watch the waiting turns, one at a time, until the lender
    /// comes back. Nobody is asked after the deadline; what was asked before may be answered later.
    async fn find(&self, request: &RefreshRequest) -> Result<Renewed, RefreshFailure> {
        let mut tried = HashSet::new();
        let mut asked_before = None;
        let mut refusal = None;
        while Instant::now() < request.deadline && !self.whereabouts.outgoing.is_closed() {
            let news = self.news(request);
            if let Some(owner) = self.owner(request.owner) {
                let (id, answer) = self.ask(request, Target::One(owner.id), asked_before.take()).await;
                asked_before = id;
                if let Some(answer) = answer {
                    let may_switch = owner.session().is_some_and(|session| session.allow_account_switch);
                    return decode(&answer).map(|tokens| Renewed { tokens, may_switch });
                }
                // It left while it was asked.
                continue;
            }
            let candidates = self.stand_ins(request, &tried);
            let Some(stand_in) = candidates.first() else {
                match refusal {
                    Some(code) => return Err(RefreshFailure::Rejected(code)),
                    None => tokio::time::timeout_at(request.deadline, news).await.unwrap_or_default(),
                }
                continue;
            };
            tried.insert(stand_in.id);
            let left = request.deadline.saturating_duration_since(Instant::now());
            let share = match u32::try_from(candidates.len()) {
                // Whoever waits keeps the deadline, and a late answer of the last one is still of use.
                Ok(1) => Duration::MAX,
                shares => STAND_IN_LEAST.max(left / shares.unwrap_or(u32::MAX)),
            };
            match self.ask_stand_in(request, stand_in, share).await {
                Ok(tokens) => return Ok(Renewed { tokens, may_switch: false }),
                // Silence is no refusal: if nobody refuses, somebody may still come.
                Err(RefreshFailure::Gone | RefreshFailure::Silent) => {}
                Err(RefreshFailure::Rejected(code)) => refusal = Some(code),
                Err(RefreshFailure::Malformed) => refusal = Some(None),
            }
        }
        Err(RefreshFailure::Gone)
    }

    /// Why a flight has no answer: whoever was asked for it is silent, or there was nobody to ask.
    fn unanswered(&self, flight: u64) -> RefreshFailure {
        if self.open().contains_key(&flight) { RefreshFailure::Silent } else { RefreshFailure::Gone }
    }

    /// The time is up for the question of a flight. The flight itself may go on, for a late answer.
    fn count_unanswered(&self, flight: u64) {
        let counted = self.open().get_mut(&flight).map(|question| std::mem::replace(&mut question.counted, true));
        if counted == Some(false) {
            self.whereabouts.metrics.refresh(outcome(Some(&RefreshFailure::Silent)));
        }
    }

    /// Resolves when there may be somebody to ask who was not there at this call, and when nobody ever will be.
    fn news(&self, request: &RefreshRequest) -> impl Future<Output = ()> {
        let (arrival, joined) = (self.whereabouts.owners.arrival(), request.waiters.joined());
        async move {
            tokio::select! {
                () = arrival => {}
                () = joined => {}
                () = self.whereabouts.outgoing.closed() => {}
            }
        }
    }

    /// Resolves when the lender is there.
    async fn owner_is_back(&self, owner: OwnerId) {
        loop {
            let arrival = self.whereabouts.owners.arrival();
            if self.owner(owner).is_some() {
                return;
            }
            arrival.await;
        }
    }

    /// Those who watch the waiting turns, opted into what is experimental and were not asked yet.
    fn stand_ins(&self, request: &RefreshRequest, tried: &HashSet<ConnectionId>) -> Vec<Arc<Connection>> {
        let mut candidates: Vec<Arc<Connection>> = Vec::new();
        for caller in request.waiters.now() {
            match caller {
                Caller::Thread(id) => {
                    let thread = self.whereabouts.threads.get(&id);
                    candidates.extend(thread.into_iter().flat_map(|thread| thread.shared.listeners()));
                }
                Caller::Connection(id) => candidates.extend(self.whereabouts.connections.get(ConnectionId(id))),
                Caller::Program => {}
            }
        }
        candidates.retain(|connection| {
            !tried.contains(&connection.id) && connection.session().is_some_and(|session| session.experimental)
        });
        candidates.sort_by_key(|connection| connection.id);
        candidates.dedup_by_key(|connection| connection.id);
        candidates
    }

    async fn ask_stand_in(
        &self,
        request: &RefreshRequest,
        stand_in: &Connection,
        share: Duration,
    ) -> Result<ExternalTokens, RefreshFailure> {
        let asked = tokio::select! {
            (_, answer) = self.ask(request, Target::One(stand_in.id), None) => Some(answer),
            () = tokio::time::sleep(share) => None,
            () = self.owner_is_back(request.owner) => None,
        };
        let Some(answer) = asked else {
            self.withdraw(request);
            return Err(RefreshFailure::Gone);
        };
        let tokens = decode(&answer.ok_or(RefreshFailure::Gone)?)?;
        let usable = tokens.account_id == request.account_id && Claims::of(tokens.access_token.expose()).is_ok();
        if usable { Ok(tokens) } else { Err(RefreshFailure::Malformed) }
    }

    /// Asks, and notes the question as open until it is answered. Returns the id that it was asked with.
    async fn ask(
        &self,
        request: &RefreshRequest,
        to: Target,
        again: Option<RequestId>,
    ) -> (Option<RequestId>, Option<Answer>) {
        let params = ChatgptAuthTokensRefreshParams {
            reason: ChatgptAuthTokensRefreshReason::Unauthorized,
            previous_account_id: Some(request.account_id.clone()),
            valet: request.ahead.then_some(ValetRefreshInfo { proactive: true }),
        };
        let sent = self.whereabouts.outgoing.send::<ChatgptAuthTokensRefresh>(to, params, again.clone()).await;
        let Some(pending) = sent else { return (again, None) };
        let id = pending.id.clone();
        let thread = self.waiting_thread(request);
        {
            let mut open = self.open();
            let counted = open.get(&request.flight).is_some_and(|before| before.counted);
            open.insert(request.flight, Question { to, id: id.clone(), thread, stands: true, counted });
        }
        (Some(id), pending.answer().await)
    }

    /// The first thread that waits.
    fn waiting_thread(&self, request: &RefreshRequest) -> Option<Arc<str>> {
        request.waiters.now().into_iter().find_map(|caller| match caller {
            Caller::Thread(id) => self.whereabouts.threads.get(&id).map(|_| id),
            Caller::Connection(_) | Caller::Program => None,
        })
    }

    /// Tells whoever is asked that no answer is needed any more.
    fn withdraw(&self, request: &RefreshRequest) {
        let question = self.open().get_mut(&request.flight).map(|question| {
            let stood = std::mem::take(&mut question.stands);
            (question.clone(), stood)
        });
        let Some((question, stood)) = question else { return };
        // Those who wait may have heard before this that they need not.
        let thread = self.waiting_thread(request).or(question.thread);
        if let (Target::One(asked), Some(thread), true) = (question.to, thread, stood)
            && let Some(connection) = self.whereabouts.connections.get(asked)
        {
            connection.notify::<ServerRequestResolved>(&ServerRequestResolvedNotification {
                thread_id: thread.to_string(),
                request_id: question.id,
            });
        }
    }
}

/// Forgets the question of a flight however the flight ends, and counts what came of it, unless its time was up before.
struct Asking<'a> {
    inner: &'a Inner,
    flight: u64,
    /// None: whoever waited has given up.
    outcome: Option<&'static str>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let given_up = self.inner.unanswered(self.flight);
        let question = self.inner.open().remove(&self.flight);
        if question.is_none_or(|question| !question.counted) {
            self.inner.whereabouts.metrics.refresh(self.outcome.unwrap_or(outcome(Some(&given_up))));
        }
    }
}

/// What came of a refresh, as the metrics name it.
fn outcome(failure: Option<&RefreshFailure>) -> &'static str {
    match failure {
        None => "renewed",
        Some(RefreshFailure::Rejected(_)) => "rejected",
        Some(RefreshFailure::Malformed) => "malformed",
        Some(RefreshFailure::Silent) => "unanswered",
        Some(RefreshFailure::Gone) => "gone",
    }
}

fn decode(answer: &Answer) -> Result<ExternalTokens, RefreshFailure> {
    let result = match answer {
        Answer::Error(error) => return Err(RefreshFailure::Rejected(code(error))),
        Answer::Result(result) => result,
    };
    let answer: ChatgptAuthTokensRefreshResponse =
        serde_json::from_str(result.get()).map_err(|_| RefreshFailure::Malformed)?;
    Ok(ExternalTokens {
        access_token: AccessToken::new(answer.access_token.expose()),
        account_id: answer.chatgpt_account_id,
        plan: answer.chatgpt_plan_type,
    })
}

/// The code of an error in whatever shape it came. An error without one is an error all the same.
fn code(error: &RawValue) -> Option<i64> {
    #[derive(Deserialize)]
    struct Coded {
        code: i64,
    }
    serde_json::from_str::<Coded>(error.get()).ok().map(|coded| coded.code)
}

#[cfg(test)]
mod tests {
    use super::code;
    use pretty_assertions::assert_eq;
    use serde_json::value::RawValue;

    #[test]
    fn x_18_an_error_of_any_shape_is_understood() {
        let code_of = |text: &str| code(&RawValue::from_string(text.to_owned()).unwrap());
        assert_eq!(code_of(r#"{"code":-32000,"message":"no"}"#), Some(-32000));
        assert_eq!(code_of(r#"{"message":"no"}"#), None);
        assert_eq!(code_of(r#"{"code":"E_NO"}"#), None);
        assert_eq!(code_of(r#""just words""#), None);
    }
}
