//! How much of each account is used: what the running session is told anyway, and beside that a few fetches. Whom to
//! switch to is decided in [`policy`](crate::policy).

mod forecast;
mod standing;

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use futures_util::future::join_all;
use reqwest::{Method, Request, StatusCode, Url};
use tokio::sync::watch;
use valet_auth::usage::{self, Usage};
use valet_auth::{Caller, HttpError, SendError, send_authorized};
use valet_protocol::v2;

use crate::wallet::{Wallet, WalletError};
pub use forecast::Forecast;
use standing::Known;
pub(crate) use standing::stops_turns;
pub use standing::{Failure, Reached, Standing, Window};

/// What is younger than this need not be fetched again for a decision.
pub const RECENT: Duration = Duration::from_secs(5 * 60);

/// How long a failure is believed.
const RETRY: Duration = Duration::from_secs(60);

/// How long the backend may take to answer with headers, and a fetch with everything.
const HEADERS: Duration = Duration::from_secs(15);
const FETCH: Duration = Duration::from_secs(30);

/// Minutes until the first round of fetches, and from one to the next.
const FIRST_ROUND: RangeInclusive<u64> = 5..=15;
const NEXT_ROUND: RangeInclusive<u64> = 45..=75;

/// What is known of the limits of the accounts in a wallet.
pub struct Meters {
    wallet: Arc<Wallet>,
    url: String,
    /// Unix seconds.
    clock: Box<dyn Fn() -> i64 + Send + Sync>,
    known: Mutex<HashMap<String, Entry>>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Entry {
    known: Known,
    /// Held while the account's usage is fetched.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

impl Meters {
    /// Nothing is known yet. The backend is found below that URL.
    pub fn new(wallet: Arc<Wallet>, chatgpt_base_url: &str) -> Self {
        Self {
            wallet,
            url: format!("{chatgpt_base_url}{}", usage::PATH),
            clock: Box::new(|| Utc::now().timestamp()),
            known: Mutex::default(),
            changed: watch::Sender::default(),
        }
    }

    /// The same, with another clock: one of unix seconds.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self { clock: Box::new(clock), ..self }
    }

    /// The time by the clock that all of this goes by, in unix seconds.
    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Marked whenever something was learned.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// A turn under that account was told this.
    pub fn told(&self, name: &str, snapshot: &v2::RateLimitSnapshot) {
        self.learn(name, |known, now| known.told(snapshot, now));
    }

    /// A turn under that account failed on its limit. `until` is in unix seconds.
    pub fn limit_hit(&self, name: &str, until: Option<i64>) {
        self.learn(name, |known, now| known.hit(until, now));
    }

    /// What is known now. Nobody is asked.
    pub fn standing(&self, name: &str) -> Standing {
        let now = self.now();
        self.known().entry(name.to_owned()).or_default().known.at(name, now)
    }

    /// The same for several accounts.
    pub fn standings(&self, names: &[String]) -> Vec<Standing> {
        names.iter().map(|name| self.standing(name)).collect()
    }

    /// What is known after a fetch; without one, if what is known is younger than `max_age`. Whoever comes while one is
    /// under way waits for that one.
    pub async fn fresh(&self, name: &str, max_age: Duration) -> Standing {
        let (fetching, fetches) = {
            let mut entries = self.known();
            let entry = entries.entry(name.to_owned()).or_default();
            (Arc::clone(&entry.fetching), entry.known.fetches)
        };
        if self.is_due(name, max_age) {
            let _fetching = fetching.lock().await;
            if self.known().get(name).is_some_and(|entry| entry.known.fetches == fetches) {
                self.fetch(name).await;
            }
        }
        self.standing(name)
    }

    /// The same for several accounts at once.
    pub async fn all_fresh(&self, names: &[String], max_age: Duration) -> Vec<Standing> {
        join_all(names.iter().map(|name| self.fresh(name, max_age))).await
    }

    /// Looks after all accounts of the wallet once in a while, for as long as this is polled.
    pub async fn rounds(&self) -> Infallible {
        let mut pause = FIRST_ROUND;
        loop {
            tokio::time::sleep(some_minutes(pause)).await;
            match self.wallet.names() {
                Ok(names) => drop(self.all_fresh(&names, RECENT).await),
                Err(error) => tracing::warn!(%error, "the accounts are not known"),
            }
            pause = NEXT_ROUND;
        }
    }

    fn is_due(&self, name: &str, max_age: Duration) -> bool {
        let now = self.now();
        let is_recent = |at: Option<i64>, age: Duration| {
            at.is_some_and(|at| u64::try_from(now.saturating_sub(at)).is_ok_and(|ago| ago < age.as_secs()))
        };
        let entries = self.known();
        let Some(Entry { known, .. }) = entries.get(name) else { return true };
        let failed = known.failure.is_some() && is_recent(known.tried_at, RETRY.min(max_age));
        !failed && !is_recent(known.learned_at, max_age)
    }

    async fn fetch(&self, name: &str) {
        let fetched = tokio::time::timeout(FETCH, self.usage(name)).await;
        let fetched = fetched.unwrap_or_else(|_elapsed| Err(transient("the backend did not answer in time")));
        self.learn(name, |known, now| {
            known.fetches += 1;
            known.tried_at = Some(now);
            match fetched {
                Ok(usage) => known.fetched(usage, now),
                Err(failure) => known.failure = Some(failure),
            }
        });
    }

    async fn usage(&self, name: &str) -> Result<Usage, Failure> {
        let account = self.wallet.account(name).await?;
        let plan = account.snapshot().profile.plan.clone();
        self.learn(name, |known, _| known.plan_of_token(plan.as_deref()));
        let url = Url::parse(&self.url).map_err(transient)?;
        let client = self.wallet.http().get().map_err(transient)?;
        let request = Request::new(Method::GET, url);
        let sent = send_authorized(client, Some(&account), &Caller::Program, request, HEADERS).await;
        let response = match sent {
            Ok(response) => response,
            Err(SendError::Auth(failure)) => return Err(WalletError::from(failure).into()),
            Err(error) => return Err(transient(error)),
        };
        match response.status() {
            status if status.is_success() => {}
            // After all that could be done about the token.
            StatusCode::UNAUTHORIZED => {
                return Err(Failure { message: "the backend refuses the login".to_owned(), is_final: true });
            }
            status => return Err(transient(format_args!("the backend says {status}"))),
        }
        let body = response.bytes().await.map_err(|error| transient(HttpError::from(error)))?;
        serde_json::from_slice(&body).map_err(|error| transient(format_args!("the backend's answer: {error}")))
    }

    fn learn(&self, name: &str, learn: impl FnOnce(&mut Known, i64)) {
        let now = self.now();
        learn(&mut self.known().entry(name.to_owned()).or_default().known, now);
        self.changed.send_replace(());
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // Nothing under this lock can panic half-way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<WalletError> for Failure {
    fn from(error: WalletError) -> Self {
        Self { message: error.to_string(), is_final: error.is_final() }
    }
}

fn transient(message: impl std::fmt::Display) -> Failure {
    Failure { message: message.to_string(), is_final: false }
}

/// So that the accounts of many people are not asked for in the same minute.
fn some_minutes(range: RangeInclusive<u64>) -> Duration {
    let [from, to] = [range.start(), range.end()].map(|minutes| Duration::from_secs(minutes * 60));
    // Without chance it is the middle.
    let chance = getrandom::u32().map_or(0.5, |chance| f64::from(chance) / f64::from(u32::MAX));
    from + (to - from).mul_f64(chance)
}
