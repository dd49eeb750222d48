//! The limits of each account, put together from what its responses and the backend's usage have told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use valet_auth::{Account, Identity, Mode};
use valet_protocol::v2::RateLimitSnapshot;

/// What is known of the limits of every account. It goes with the account.
#[derive(Default)]
pub(crate) struct Meters(Mutex<Vec<Meter>>);

struct Meter {
    account: Weak<Account>,
    /// Whose limits these are: a refresh may bring another account.
    identity: Option<Identity>,
    limits: BTreeMap<String, RateLimitSnapshot>,
}

impl Meters {
    /// Adds what a response has told to what was known, and returns both.
    pub(crate) fn add(&self, account: &Arc<Account>, told: RateLimitSnapshot) -> RateLimitSnapshot {
        let plan = account.snapshot().profile.plan.clone().filter(|_| account.mode() != Mode::ApiKey);
        let mut meters = self.meters();
        let limits = limits(&mut meters, account);
        let id = told.limit_id.clone().unwrap_or_default();
        let mut whole = merged(limits.remove(&id).unwrap_or_default(), told);
        whole.plan_type = whole.plan_type.or_else(|| plan.map(|plan| super::plan(Some(&plan))));
        limits.insert(id, whole.clone());
        whole
    }

    /// The backend has told everything.
    pub(crate) fn set(&self, account: &Arc<Account>, all: BTreeMap<String, RateLimitSnapshot>) {
        *limits(&mut self.meters(), account) = all;
    }

    fn meters(&self) -> MutexGuard<'_, Vec<Meter>> {
        // Nothing under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn limits<'a>(meters: &'a mut Vec<Meter>, account: &Arc<Account>) -> &'a mut BTreeMap<String, RateLimitSnapshot> {
    // What was known of an account that is gone is forgotten.
    meters.retain(|meter| meter.account.strong_count() > 0);
    let here = meters.iter().position(|meter| std::ptr::eq(meter.account.as_ptr(), Arc::as_ptr(account)));
    let position = here.unwrap_or_else(|| {
        meters.push(Meter { account: Arc::downgrade(account), identity: None, limits: BTreeMap::new() });
        meters.len() - 1
    });
    let meter = &mut meters[position];
    let identity = account.snapshot().identity.clone();
    if meter.identity != identity {
        meter.limits.clear();
        meter.identity = identity;
    }
    &mut meter.limits
}

/// A null is "not told". Only what stops turns is told by each response: one that was given was not stopped.
fn merged(known: RateLimitSnapshot, told: RateLimitSnapshot) -> RateLimitSnapshot {
    RateLimitSnapshot {
        limit_id: told.limit_id,
        limit_name: told.limit_name.or(known.limit_name),
        normal_model_slug: told.normal_model_slug.or(known.normal_model_slug),
        primary: told.primary.or(known.primary),
        secondary: told.secondary.or(known.secondary),
        credits: told.credits.or(known.credits),
        individual_limit: told.individual_limit.or(known.individual_limit),
        spend_control_reached: told.spend_control_reached.or(known.spend_control_reached),
        plan_type: told.plan_type.or(known.plan_type),
        rate_limit_reached_type: told.rate_limit_reached_type,
    }
}
