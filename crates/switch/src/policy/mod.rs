//! Whom to switch to. Nothing here asks anybody or does anything: from what is known of the accounts, and what was done
//! before, comes a decision, and the words for it.

mod words;

pub use words::clock;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::str::FromStr;

use crate::meters::{Standing, Window};

/// An account that has less than that left of a window is not switched to: it would be left again at once.
const ENOUGH: f64 = 10.0;

/// For so long after a switch there is no other, unless the account is at its limit. In seconds.
const REST_S: i64 = 10 * 60;

/// How an account is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// It is not: somebody is told which one has the most left.
    #[default]
    Tell,
    /// The first one in an order that a person gave.
    Priority,
    /// The one that has the most left.
    Headroom,
    /// The one that starts anew first: what is left of it would be lost.
    SoonestReset,
}

impl Policy {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 4] = [
        ("tell", Self::Tell),
        ("priority", Self::Priority),
        ("headroom", Self::Headroom),
        ("soonest-reset", Self::SoonestReset),
    ];

    /// Whether a limit changes the account, and is not only told of.
    pub(crate) fn acts(self) -> bool {
        self != Self::Tell
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, policy)| policy).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            format!("`{text}` is no policy; there are {names}")
        })
    }
}

/// What was done before, so that nothing goes to and fro.
#[derive(Clone, Debug, Default)]
pub struct History {
    switched_at: Option<i64>,
    /// Accounts that were left, and when they have started anew. None: nobody knows.
    left: HashMap<String, Option<i64>>,
}

impl History {
    /// Work has moved away from an account, by a policy or because somebody wanted it.
    pub fn switched(&mut self, from: &Standing, now: i64) {
        let anew = if from.is_limited() {
            from.back_at()
        } else {
            from.windows.iter().filter_map(|window| window.resets_at).min()
        };
        self.switched_at = Some(now);
        self.left.insert(from.name.clone(), anew);
    }

    fn is_rested(&self, now: i64) -> bool {
        self.switched_at.is_none_or(|at| now.saturating_sub(at) >= REST_S)
    }

    /// Whether an account has started anew since it was left.
    fn is_anew(&self, name: &str, now: i64) -> bool {
        self.left.get(name).is_none_or(|anew| anew.is_some_and(|anew| anew <= now))
    }
}

/// What a decision is made of.
pub struct Question<'a> {
    /// How an account is chosen.
    pub policy: Policy,
    /// All accounts.
    pub standings: &'a [Standing],
    /// The name of the one that is used.
    pub current: &'a str,
    /// Names, the preferred one first. Who is not among them comes after.
    pub order: &'a [String],
    /// What was done before.
    pub history: &'a History,
    /// In unix seconds.
    pub now: i64,
}

/// What is to be done. [`words`](Self::words) says it to people.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing.
    Stay,
    /// Nothing, but somebody should know that the account is at its limit, and of a better one.
    Tell(Move),
    /// To switch: at once where turns keep their account, else when no turn runs.
    Switch(Move),
    /// Nothing can be done: the account is at its limit, and there is no other.
    Nobody {
        /// The account.
        current: String,
        /// When it comes back, in unix seconds, where that is known.
        until: Option<i64>,
        /// Which account comes back first, and when.
        first: Option<(String, i64)>,
    },
}

/// From one account to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The one that is used.
    pub from: String,
    /// When it comes back, in unix seconds, where that is known.
    pub until: Option<i64>,
    /// The other one.
    pub to: String,
    /// Percent that are left of it. None: not known.
    pub left: Option<f64>,
    /// The first one is not at its limit: the other one is preferred, and has started anew.
    pub back: bool,
}

impl Question<'_> {
    /// The decision.
    pub fn decide(&self) -> Decision {
        let Some(current) = self.standings.iter().find(|standing| standing.name == self.current) else {
            return Decision::Stay;
        };
        if !current.is_limited() {
            return self.preferred().map_or(Decision::Stay, |to| Decision::Switch(self.to(current, to)));
        }
        match self.best() {
            Some(to) if !self.policy.acts() => Decision::Tell(self.to(current, to)),
            Some(to) => Decision::Switch(self.to(current, to)),
            None => {
                Decision::Nobody { current: current.name.clone(), until: current.back_at(), first: self.first_back() }
            }
        }
    }

    fn to(&self, from: &Standing, to: &Standing) -> Move {
        Move {
            from: from.name.clone(),
            until: from.back_at(),
            to: to.name.clone(),
            left: to.headroom(),
            back: !from.is_limited(),
        }
    }

    /// One that the order puts before the current account, and that has started anew since it was left.
    fn preferred(&self) -> Option<&Standing> {
        if self.policy != Policy::Priority || !self.history.is_rested(self.now) {
            return None;
        }
        let known = self.others().filter(|standing| standing.headroom().is_some());
        let better = known.filter(|standing| {
            self.rank(&standing.name) < self.rank(self.current) && self.history.is_anew(&standing.name, self.now)
        });
        better.min_by_key(|standing| self.rank(&standing.name))
    }

    /// The best one that can be used. Nothing is known of some, and that is not the same as much.
    fn best(&self) -> Option<&Standing> {
        let (known, unknown): (Vec<_>, Vec<_>) = self.others().partition(|standing| standing.headroom().is_some());
        let candidates = if known.is_empty() { unknown } else { known };
        candidates.into_iter().min_by(|one, two| {
            let by_policy = match self.policy {
                Policy::Priority => Ordering::Equal,
                Policy::Tell | Policy::Headroom => {
                    two.headroom().partial_cmp(&one.headroom()).unwrap_or(Ordering::Equal)
                }
                Policy::SoonestReset => soonest_reset(one).cmp(&soonest_reset(two)),
            };
            by_policy.then_with(|| self.rank(&one.name).cmp(&self.rank(&two.name)))
        })
    }

    /// The other accounts that can be used, as far as anybody knows.
    fn others(&self) -> impl Iterator<Item = &Standing> {
        self.standings.iter().filter(|standing| {
            standing.name != self.current
                && !is_lost(standing)
                && !standing.is_limited()
                && standing.headroom().is_none_or(|left| left >= ENOUGH)
        })
    }

    /// The place in the order. Who is not in it comes after, in the order of the standings.
    fn rank(&self, name: &str) -> usize {
        let in_order = self.order.iter().position(|preferred| preferred == name);
        let after = || self.standings.iter().position(|standing| standing.name == name).unwrap_or(self.standings.len());
        in_order.unwrap_or_else(|| self.order.len() + after())
    }

    /// Who can be used first again, and when.
    fn first_back(&self) -> Option<(String, i64)> {
        let known = self.standings.iter().filter(|standing| !is_lost(standing));
        let back = known.filter_map(|standing| Some((standing.name.clone(), usable_at(standing)?)));
        back.min_by_key(|(name, at)| (*at, self.rank(name)))
    }
}

/// Whether no turn can be had before a person has logged in again.
fn is_lost(standing: &Standing) -> bool {
    standing.failure.as_ref().is_some_and(|failure| failure.is_final)
}

/// A time after all others: not known.
fn soonest_reset(standing: &Standing) -> i64 {
    standing.windows.iter().filter_map(|window| window.resets_at).min().unwrap_or(i64::MAX)
}

/// When an account has enough left again of everything, in unix seconds.
fn usable_at(standing: &Standing) -> Option<i64> {
    let scarce = standing.windows.iter().filter(|window| window.left() < ENOUGH);
    let scarce = scarce.map(|window: &Window| window.resets_at).collect::<Option<Vec<_>>>()?.into_iter().max();
    let limited = if standing.is_limited() { Some(standing.back_at()?) } else { None };
    scarce.max(limited)
}

#[cfg(test)]
mod tests;
