//! How much of each account is used, and how seldom anybody is asked.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::time::Instant;
use valet_auth::Rules;
use valet_auth::store::{CredentialStore, Locked, Login, Memory, StoreError};
use valet_protocol::v2::{RateLimitSnapshot, RateLimitWindow};
use valet_sim::{Endpoint, Script, TokenPolicy};
use valet_switch::meters::{Meters, RECENT, Standing};

use super::{Desk, FIRST, SECOND};

const NOW: i64 = 1_800_000_000;

fn used(percent: f64) -> Value {
    json!({ "plan_type": "plus", "rate_limit": { "allowed": true, "primary_window": {
        "used_percent": percent, "limit_window_seconds": 18_000, "reset_at": NOW + 3600,
    } } })
}

fn script() -> Script {
    let mut script = Script::new();
    script.usage_of = [("acct-1".to_owned(), used(10.0)), ("acct-2".to_owned(), used(62.5))].into();
    script
}

/// Meters whose clock is set by hand.
fn meters(desk: &Desk) -> (Meters, Arc<AtomicI64>) {
    let clock = Arc::new(AtomicI64::new(NOW));
    let meters = Meters::new(desk.wallet(), &desk.sim.chatgpt_base_url());
    let now = Arc::clone(&clock);
    (meters.with_clock(move || now.load(Ordering::Relaxed)), clock)
}

fn fetches(desk: &Desk) -> usize {
    desk.sim.requests().iter().filter(|request| request.path.ends_with("/wham/usage")).count()
}

fn percent(standing: &Standing) -> Option<f64> {
    standing.windows.first().map(|window| window.used_percent)
}

#[tokio::test]
async fn each_account_is_asked_for_under_its_own_login_once_in_a_while() {
    let desk = Desk::open(script()).await;
    let (meters, clock) = meters(&desk);
    let names = [FIRST.to_owned(), SECOND.to_owned()];
    assert!(meters.standings(&names).iter().all(|standing| standing.learned_at.is_none()));
    let all = || async { meters.all_fresh(&names, RECENT).await.iter().map(percent).collect::<Vec<_>>() };
    // Everybody who comes meanwhile waits for the same answer.
    let (one, two) = tokio::join!(all(), all());
    assert_eq!((one, two, fetches(&desk)), (vec![Some(10.0), Some(62.5)], vec![Some(10.0), Some(62.5)], 2));
    let asked =
        desk.sim.requests().into_iter().filter_map(|request| request.headers.get("chatgpt-account-id").cloned());
    let mut asked: Vec<String> = asked.collect();
    asked.sort();
    assert_eq!(asked, ["acct-1", "acct-2"]);
    clock.fetch_add(RECENT.as_secs() as i64 - 1, Ordering::Relaxed);
    all().await;
    assert_eq!(fetches(&desk), 2);
    clock.fetch_add(1, Ordering::Relaxed);
    all().await;
    assert_eq!(fetches(&desk), 4);
    assert_eq!(meters.standing(FIRST).plan.as_deref(), Some("plus"));
}

#[tokio::test]
async fn what_the_session_is_told_costs_no_fetch() {
    let desk = Desk::open(script()).await;
    let (meters, _) = meters(&desk);
    let mut changes = meters.changes();
    let window = RateLimitWindow { used_percent: 99, window_duration_mins: Some(300), resets_at: Some(NOW + 60) };
    meters.told(FIRST, &RateLimitSnapshot { primary: Some(window), ..RateLimitSnapshot::default() });
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert_eq!(percent(&meters.fresh(FIRST, RECENT).await), Some(99.0));
    meters.limit_hit(FIRST, Some(NOW + 90));
    assert!(changes.has_changed().unwrap());
    let standing = meters.fresh(FIRST, RECENT).await;
    assert_eq!((standing.is_limited(), standing.back_at(), fetches(&desk)), (true, Some(NOW + 90), 0));
    let standing = meters.fresh(FIRST, Duration::ZERO).await;
    assert_eq!((standing.is_limited(), percent(&standing), fetches(&desk)), (false, Some(10.0), 1));
}

#[tokio::test]
async fn an_account_that_fails_says_why_and_hides_no_other() {
    let tokens = TokenPolicy { refuse_everywhere: true, ..TokenPolicy::default() };
    let desk = Desk::open(script().tokens(tokens)).await;
    let (meters, clock) = meters(&desk);
    desk.sim.tokens().revoke(&desk.waiting(SECOND));
    let names = [FIRST.to_owned(), SECOND.to_owned(), "nobody".to_owned()];
    let all = meters.all_fresh(&names, RECENT).await;
    assert_eq!(all.iter().map(percent).collect::<Vec<_>>(), [Some(10.0), None, None]);
    let words: Vec<_> = all.iter().map(|standing| standing.failure.clone()).collect();
    let [None, Some(revoked), Some(nobody)] = &words[..] else { panic!("{words:?}") };
    assert!(revoked.is_final && revoked.message.contains("sign in again"), "{revoked:?}");
    assert!(nobody.is_final && nobody.message.contains("no ChatGPT login is called `nobody`"), "{nobody:?}");
    assert_eq!(all[1].plan.as_deref(), Some("pro"), "the token says that");

    // The backend is down: what was known is known, and it is not asked at each turn.
    desk.sim.replace_script(Script::new().endpoint("GET /backend-api/wham/usage", Endpoint::new(503, json!({}))));
    let before = fetches(&desk);
    clock.fetch_add(RECENT.as_secs() as i64, Ordering::Relaxed);
    for _ in 0..3 {
        let standing = meters.fresh(FIRST, RECENT).await;
        let failure = standing.failure.as_ref().unwrap();
        assert!(!failure.is_final && failure.message.contains("503"), "{failure:?}");
        assert_eq!((percent(&standing), standing.learned_at), (Some(10.0), Some(NOW)));
    }
    assert_eq!(fetches(&desk), before + 1);
    desk.sim.replace_script(script());
    clock.fetch_add(60, Ordering::Relaxed);
    assert_eq!(meters.fresh(FIRST, RECENT).await.failure, None);
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_on_the_way() {
    let desk = Desk::open(script().tokens(TokenPolicy { refuse_everywhere: true, ..TokenPolicy::default() })).await;
    let (meters, _) = meters(&desk);
    desk.sim.tokens().expire_all();
    let (first, second) = (desk.used(), desk.waiting(SECOND));
    let all = meters.all_fresh(&[FIRST.to_owned(), SECOND.to_owned()], RECENT).await;
    assert_eq!(all.iter().map(percent).collect::<Vec<_>>(), [Some(10.0), Some(62.5)]);
    assert!(desk.used() != first && desk.waiting(SECOND) != second);
    desk.no_token_was_spent_twice();
}

/// Notes when it is read.
#[derive(Default)]
struct Noting(Memory, Mutex<Vec<Instant>>);

impl CredentialStore for Noting {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        self.1.lock().unwrap().push(Instant::now());
        self.0.load()
    }

    fn lock(&self, patience: Duration) -> Result<Box<dyn Locked + '_>, StoreError> {
        self.0.lock(patience)
    }
}

#[tokio::test]
async fn nobody_is_asked_at_once_and_then_about_once_an_hour() {
    let desk = Desk { home: tempfile::tempdir().unwrap(), sim: valet_sim::Sim::start(script()).await.unwrap() };
    tokio::time::pause();
    let store = Arc::new(Noting::default());
    let wallet = desk.wallet_of(store.clone(), Rules::default());
    let begun = Instant::now();
    let meters = Meters::new(wallet, &desk.sim.chatgpt_base_url());
    let _ = tokio::time::timeout(Duration::from_secs(100 * 3600), meters.rounds()).await;
    let rounds = store.1.lock().unwrap().clone();
    let minutes = |from: Instant, to: Instant| (to - from).as_secs() / 60;
    assert!((5..=15).contains(&minutes(begun, rounds[0])));
    let pauses: Vec<u64> = rounds.windows(2).map(|pair| minutes(pair[0], pair[1])).collect();
    assert!(pauses.iter().all(|pause| (45..=75).contains(pause)) && pauses.len() >= 78, "{pauses:?}");
    assert!(pauses.iter().any(|pause| *pause != pauses[0]), "not in step with others: {pauses:?}");
}
