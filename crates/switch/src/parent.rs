//! The parent of a session's app server: it lends the token of the active account, and puts another account in its place
//! when that is at its limit. It has a connection of its own, so that clients see none of it. How it answers when the app
//! server wants another token is in `lender`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::mpsc;
use tokio::time::Instant;
use valet_client::{Client, Handlers, Notification, Notifications, RequestError};
use valet_protocol::{Secret, methods as m, v2};
use valet_transport::Link;

use crate::lender::{Lender, LentTokens, account_id};
use crate::meters::{Meters, RECENT};
use crate::policy::{Decision, History, Move, Policy, Question};
use crate::session::{Heard, News, Session, Whose};
use crate::wallet::{Wallet, WalletError};
use crate::watch::Watch;

/// How long the app server may take to answer a request of ours.
const ANSWER: Duration = Duration::from_secs(20);
/// How long turns are held back until those that run have ended, for an app server that would break them off.
const BOUNDARY: Duration = Duration::from_secs(25);
/// How long before its expiry a token is replaced.
const RELEND_BEFORE_S: i64 = 240;
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(60);
/// How long the backend may take to say how much is left of the accounts.
const STANDINGS: Duration = Duration::from_secs(10);

/// Why an account cannot be lent.
#[derive(Debug, thiserror::Error)]
pub enum LendError {
    /// There is no token of it.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The app server has refused it.
    #[error("the app server refuses the login: {0}")]
    Refused(#[from] RequestError),
    /// The app server is silent.
    #[error("the app server does not answer")]
    Silent,
}

/// What the person wants of a session.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// What becomes of an account that is at its limit.
    pub policy: Policy,
    /// The accounts, preferred first.
    pub order: Vec<String>,
    /// Whether a turn that a limit has stopped before it did anything is begun once more under another account.
    pub repeat: bool,
}

/// See the head of this file.
pub(crate) struct Parent {
    client: Client,
    notifications: Notifications,
    /// Whether turns that run survive a change of the account.
    keeps_turns: bool,
    session: Arc<Session>,
    wallet: Arc<Wallet>,
    meters: Arc<Meters>,
    wishes: Wishes,
    history: History,
    lent_tokens: Arc<LentTokens>,
    /// Threads with a turn that runs.
    busy: HashSet<String>,
    /// What is to be done as soon as nothing runs.
    waiting: Option<Change>,
    /// What was told last, so that it is told once.
    said: String,
    /// When the token that is lent is replaced by a fresh one.
    relend_at: Instant,
}

/// A change of the account.
struct Change {
    /// To which.
    name: String,
    /// What the person is told when it has happened.
    words: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusChanged {
    thread_id: String,
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "type")]
    kind: String,
}

impl Parent {
    /// Lends the app server behind a link the active account.
    pub(crate) async fn open(
        link: Link,
        session: Arc<Session>,
        wallet: Arc<Wallet>,
        meters: Arc<Meters>,
        wishes: Wishes,
    ) -> Result<Self, ConnectError> {
        let lent_tokens = Arc::<LentTokens>::default();
        let lender = Lender { wallet: Arc::clone(&wallet), lent_tokens: Arc::clone(&lent_tokens) };
        let handlers = Handlers::new().on::<m::ChatgptAuthTokensRefresh, _>(move |params| {
            let lender = lender.clone();
            async move { lender.answer(params.previous_account_id).await }
        });
        let (client, notifications) = Client::new(link, handlers);
        let opened = client.initialize("valet-run", env!("CARGO_PKG_VERSION"), true).await?;
        let keeps_turns = opened.valet.is_some();
        let mut parent = Self {
            client,
            notifications,
            keeps_turns,
            session,
            wallet,
            meters,
            wishes,
            history: History::default(),
            lent_tokens,
            busy: HashSet::new(),
            waiting: None,
            said: String::new(),
            relend_at: Instant::now(),
        };
        let active = parent.wallet.active().map_err(LendError::from)?;
        parent.lend(&active).await?;
        Ok(parent)
    }

    /// Follows until the app server has ended.
    pub(crate) async fn run(mut self, mut news: mpsc::UnboundedReceiver<News>, mut watch: Watch) {
        let meters = Arc::clone(&self.meters);
        let mut learned = meters.changes();
        let acts = self.wishes.policy.acts();
        let rounds = async { if !acts { std::future::pending().await } else { meters.rounds().await } };
        tokio::pin!(rounds);
        loop {
            tokio::select! {
                told = self.notifications.next() => match told {
                    Some(told) => self.note(&told),
                    None => return,
                },
                Some(news) = news.recv() => self.hear(news).await,
                () = watch.changed() => self.follow().await,
                Ok(()) = learned.changed() => self.decide(false).await,
                () = tokio::time::sleep_until(self.relend_at) => self.relend().await,
                never = &mut rounds => match never {},
            }
            self.change_late().await;
        }
    }

    /// Lends the token of an account. Turns begin under it from the answer on.
    async fn lend(&mut self, name: &str) -> Result<(), LendError> {
        let account = self.wallet.account(name).await?;
        let snapshot = account.snapshot();
        self.lent_tokens.note(name, &snapshot);
        let params = v2::LoginAccountParams::ChatgptAuthTokens {
            id_token: None,
            access_token: Secret::new(snapshot.token.expose()),
            chatgpt_account_id: Some(account_id(&snapshot)),
            chatgpt_plan_type: snapshot.profile.plan.clone(),
        };
        let asked = self.client.request::<m::AccountLoginStart>(params);
        tokio::time::timeout(ANSWER, asked).await.map_err(|_elapsed| LendError::Silent)??;
        self.session.set_lent(name);
        self.relend_at = Instant::now() + relend_in(snapshot.profile.expires_at, self.meters.now());
        Ok(())
    }

    /// Puts another account in force: at once where turns that run keep theirs, else when none runs.
    async fn change_to(&mut self, change: Change) {
        if self.waiting.as_ref().is_some_and(|waiting| waiting.name == change.name) {
            return;
        }
        // Whatever else was wanted before is wanted no more.
        self.waiting = None;
        let name = &*change.name;
        // The token first: no turn waits for the issuer.
        if let Err(error) = self.wallet.account(name).await {
            return self.say(format!("{name} cannot be used: {error}"));
        }
        let _hold = self.session.gate.close();
        // A turn that is never answered holds nobody up for ever.
        let _ = tokio::time::timeout(ANSWER, self.session.gate.settled()).await;
        if !self.keeps_turns && !self.nothing_runs().await {
            self.waiting = Some(change);
            return;
        }
        let before = self.session.lent();
        if let Err(error) = self.lend(name).await {
            return self.say(format!("{name} cannot be used: {error}"));
        }
        tracing::info!(account = name, "the account was changed");
        if let Some(before) = before {
            self.history.switched(&self.meters.standing(&before), self.meters.now());
        }
        if let Some(words) = change.words {
            self.say(words);
        }
    }

    /// Makes the change that has waited for the turns that ran.
    async fn change_late(&mut self) {
        if self.busy.is_empty()
            && let Some(change) = self.waiting.take()
        {
            self.change_to(change).await;
        }
    }

    /// Waits until no turn runs, for as long as turns may be held back.
    async fn nothing_runs(&mut self) -> bool {
        // What was begun before this answer is told before it.
        let asked = self.client.request_part::<m::ThreadLoadedList, IgnoredAny>(Default::default());
        let _ = tokio::time::timeout(ANSWER, asked).await;
        while let Some(Some(told)) = self.notifications.next().now_or_never() {
            self.note(&told);
        }
        let deadline = Instant::now() + BOUNDARY;
        while !self.busy.is_empty() {
            match tokio::time::timeout_at(deadline, self.notifications.next()).await {
                Ok(Some(told)) => self.note(&told),
                Ok(None) | Err(_) => return false,
            }
        }
        true
    }

    /// Which threads have a turn that runs.
    fn note(&mut self, told: &Notification) {
        let Some(StatusChanged { thread_id, status }) = told.read_part::<m::ThreadStatusChanged, _>() else { return };
        if status.kind == "active" {
            self.busy.insert(thread_id);
        } else {
            self.busy.remove(&thread_id);
        }
    }

    /// Somebody has changed the accounts, perhaps the active one.
    async fn follow(&mut self) {
        let active = match self.wallet.active() {
            Ok(active) => active,
            Err(error) => return self.say(format!("This session goes on as before, though {error}")),
        };
        if self.session.lent().as_ref() != Some(&active) {
            let words = Some(format!("From now on turns run as {active}."));
            return self.change_to(Change { name: active, words }).await;
        }
        self.waiting = None;
        if let Ok(account) = self.wallet.account(&active).await
            && !self.lent_tokens.holds(&account)
        {
            // Another process has renewed it, or somebody has logged in again.
            self.relend().await;
        }
    }

    /// Replaces the token that is lent by a fresh one of the same account.
    async fn relend(&mut self) {
        let Some(name) = self.session.lent() else { return };
        if let Err(error) = self.lend(&name).await {
            tracing::warn!(%error, "the token was not replaced ahead of its expiry");
            self.relend_at = Instant::now() + AGAIN;
        }
    }

    async fn hear(&mut self, news: News) {
        let name = match news.whose {
            Whose::Name(name) => Some(name),
            Whose::Id(id) => self.lent_tokens.name(&id),
        };
        let Some(name) = name else { return };
        match news.what {
            Heard::Limits(limits) => self.meters.told(&name, &limits),
            Heard::Refused => self.meters.limit_hit(&name, None),
        }
        if self.session.lent() == Some(name.clone()) {
            self.decide(self.meters.standing(&name).is_limited()).await;
        }
        // Only now: turns that wait begin under the account that was decided on.
        drop(news.hold);
    }

    /// Does what the policy says, or tells what could be done. Whether the backend is asked about the others depends on
    /// whether it matters now.
    async fn decide(&mut self, limited: bool) {
        let (Some(current), Ok(names)) = (self.session.lent(), self.wallet.names()) else { return };
        let mut standings = self.meters.standings(&names);
        if limited {
            let fresh = tokio::time::timeout(STANDINGS, self.meters.all_fresh(&names, RECENT)).await;
            standings = fresh.unwrap_or(standings);
        }
        let question = Question {
            policy: self.wishes.policy,
            standings: &standings,
            current: &current,
            order: &self.wishes.order,
            history: &self.history,
            now: self.meters.now(),
        };
        let decision = question.decide();
        let words = decision.words(self.meters.now());
        if let Decision::Switch(Move { to: name, .. }) = decision {
            let (wallet, chosen) = (Arc::clone(&self.wallet), name.clone());
            match tokio::task::spawn_blocking(move || wallet.activate(&chosen)).await {
                Ok(Ok(_activated)) => self.change_to(Change { name, words }).await,
                Ok(Err(error)) => self.say(format!("{name} cannot be used: {error}")),
                Err(error) => self.say(format!("{name} cannot be used: {error}")),
            }
        } else if let Some(words) = words {
            self.say(words);
        }
    }

    /// Tells the person, unless that was told last.
    fn say(&mut self, words: String) {
        if self.said != words {
            self.session.tell(words.clone());
            self.said = words;
        }
    }
}

/// Why there is no parent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The app server lets nobody in.
    #[error(transparent)]
    Connect(#[from] valet_client::ConnectError),
    /// It does not answer.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The active account cannot be lent.
    #[error(transparent)]
    Lend(#[from] LendError),
}

fn relend_in(expires_at: Option<i64>, now: i64) -> Duration {
    let Some(expires_at) = expires_at else { return Duration::from_secs(24 * 3600) };
    AGAIN.max(Duration::from_secs(u64::try_from(expires_at - now - RELEND_BEFORE_S).unwrap_or_default()))
}

#[cfg(test)]
mod tests;
