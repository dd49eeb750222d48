//! What is known of one account's limits, and what that comes to at a moment.

use valet_auth::usage::{self, Usage};
use valet_protocol::v2;

/// All that a window has.
const FULL: f64 = 100.0;

/// One window of a limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// 0 to 100.
    pub used_percent: f64,
    /// Its length in seconds.
    pub length_s: Option<i64>,
    /// When it starts anew, in unix seconds. None: not told, or it has, and nothing of it was used since.
    pub resets_at: Option<i64>,
}

impl Window {
    /// Whether nothing is left of it.
    pub fn is_full(&self) -> bool {
        self.used_percent >= FULL
    }

    /// Percent that are left.
    pub fn left(&self) -> f64 {
        (FULL - self.used_percent).clamp(0.0, FULL)
    }

    fn at(&self, now: i64) -> Self {
        let over = self.resets_at.is_some_and(|resets_at| resets_at <= now);
        if over { Self { used_percent: 0.0, resets_at: None, ..self.clone() } } else { self.clone() }
    }
}

/// What is known of an account's limits at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// The account.
    pub name: String,
    /// Its plan, in the backend's words.
    pub plan: Option<String>,
    /// The short one first. None were told for plans that have none.
    pub windows: Vec<Window>,
    /// Somebody was told that it is at its limit.
    pub reached: Option<Reached>,
    /// When anything was learned last, in unix seconds. None: nothing is known.
    pub learned_at: Option<i64>,
    /// Why the last fetch brought nothing.
    pub failure: Option<Failure>,
}

/// A limit that stops turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// In unix seconds, where that is known.
    pub until: Option<i64>,
}

/// Why a fetch brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For people.
    pub message: String,
    /// Nothing but a person can help.
    pub is_final: bool,
}

impl Standing {
    /// Whether no turn is to be had.
    pub fn is_limited(&self) -> bool {
        self.reached.is_some() || self.windows.iter().any(Window::is_full)
    }

    /// Percent that are left of the tightest window. None: not known.
    pub fn headroom(&self) -> Option<f64> {
        self.learned_at?;
        let tightest = self.windows.iter().map(Window::left).fold(FULL, f64::min);
        Some(if self.is_limited() { 0.0 } else { tightest })
    }

    /// When it is not limited any more, in unix seconds. None: it is not now, or nobody knows.
    pub fn back_at(&self) -> Option<i64> {
        latest(self.reached.iter().map(|reached| reached.until).chain(resets_of(&self.windows, Window::is_full)))
    }
}

/// The latest of all, if all are known.
fn latest(times: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    times.collect::<Option<Vec<_>>>()?.into_iter().max()
}

fn resets_of(windows: &[Window], which: impl Fn(&Window) -> bool) -> impl Iterator<Item = Option<i64>> {
    windows.iter().filter(move |window| which(window)).map(|window| window.resets_at)
}

/// What was learned of an account so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    plan: Option<String>,
    short: Option<Window>,
    long: Option<Window>,
    /// The backend says that it is at its limit.
    stopped: Option<Reached>,
    /// A turn failed on the limit. Only the backend's usage, or time, says that this is over: what other turns are told
    /// may have been on its way before.
    hit: Option<Reached>,
    pub(super) learned_at: Option<i64>,
    pub(super) tried_at: Option<i64>,
    pub(super) failure: Option<Failure>,
    /// How many fetches have ended.
    pub(super) fetches: u64,
}

/// Whether a response tells of the limit of turns, and not of another one.
fn is_of_turns(snapshot: &v2::RateLimitSnapshot) -> bool {
    snapshot.limit_id.as_deref().is_none_or(|id| id == usage::TURNS)
}

/// Whether no turn is to be had any more after what a response has told.
pub(crate) fn stops_turns(snapshot: &v2::RateLimitSnapshot) -> bool {
    let mut windows = [&snapshot.primary, &snapshot.secondary].into_iter().flatten();
    is_of_turns(snapshot)
        && (snapshot.rate_limit_reached_type.is_some()
            || snapshot.spend_control_reached == Some(true)
            || windows.any(|window| f64::from(window.used_percent) >= FULL))
}

impl Known {
    /// What a response has told. A null is "not told", except for what stops turns: one that was given was not stopped.
    pub(super) fn told(&mut self, snapshot: &v2::RateLimitSnapshot, now: i64) {
        let stopped = stops_turns(snapshot);
        let anything = snapshot.primary.is_some() || snapshot.secondary.is_some() || stopped;
        if !is_of_turns(snapshot) || !anything {
            return;
        }
        let window = |window: &v2::RateLimitWindow| Window {
            used_percent: f64::from(window.used_percent),
            length_s: window.window_duration_mins.map(|minutes| minutes.saturating_mul(60)),
            resets_at: window.resets_at,
        };
        self.short = snapshot.primary.as_ref().map(window).or_else(|| self.short.take());
        self.long = snapshot.secondary.as_ref().map(window).or_else(|| self.long.take());
        self.stopped = stopped.then(|| self.reached(None));
        self.learned_at = Some(now);
    }

    /// What the backend's usage says: everything.
    pub(super) fn fetched(&mut self, usage: Usage, now: i64) {
        let window = |window: usage::Window| Window {
            used_percent: window.used_percent,
            length_s: window.limit_window_seconds.filter(|seconds| *seconds > 0),
            resets_at: window.reset_at,
        };
        let spent = usage.spend_control.is_some_and(|control| control.reached == Some(true));
        let mut stopped = spent || usage.rate_limit_reached_type.is_some();
        (self.short, self.long) = (None, None);
        if let Some(limit) = usage.rate_limit {
            (self.short, self.long) = (limit.primary_window.map(window), limit.secondary_window.map(window));
            stopped |= limit.allowed == Some(false);
        }
        self.plan = usage.plan_type.or_else(|| self.plan.take());
        self.stopped = stopped.then(|| self.reached(None));
        (self.hit, self.failure, self.learned_at) = (None, None, Some(now));
    }

    pub(super) fn hit(&mut self, until: Option<i64>, now: i64) {
        self.hit = Some(self.reached(until));
        self.learned_at = Some(now);
    }

    /// What the token says, while nobody knows better.
    pub(super) fn plan_of_token(&mut self, plan: Option<&str>) {
        if self.plan.is_none() {
            self.plan = plan.map(str::to_owned);
        }
    }

    /// Until the windows that are full start anew, if nobody says it.
    fn reached(&self, until: Option<i64>) -> Reached {
        let windows: Vec<Window> = [&self.short, &self.long].into_iter().flatten().cloned().collect();
        Reached { until: until.or_else(|| latest(resets_of(&windows, Window::is_full))) }
    }

    pub(super) fn at(&self, name: &str, now: i64) -> Standing {
        let holds = |reached: &&Reached| reached.until.is_none_or(|until| until > now);
        let reached: Vec<Reached> = [&self.stopped, &self.hit].into_iter().flatten().filter(holds).copied().collect();
        Standing {
            name: name.to_owned(),
            plan: self.plan.clone(),
            windows: [&self.short, &self.long].into_iter().flatten().map(|window| window.at(now)).collect(),
            reached: (!reached.is_empty()).then(|| Reached { until: latest(reached.iter().map(|one| one.until)) }),
            learned_at: self.learned_at,
            failure: self.failure.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
