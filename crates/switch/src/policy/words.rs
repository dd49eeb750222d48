//! Decisions in words, for people.

use chrono::{DateTime, Local};

use super::{Decision, Move};

impl Decision {
    /// What a person is told; nothing when nothing is to be done. `now` is in unix seconds.
    pub fn words(&self, now: i64) -> Option<String> {
        match self {
            Self::Stay => None,
            Self::Tell(Move { from, until, to, left, .. }) => {
                let limited = limited(from, *until, now);
                Some(format!("{limited}; {}: `valet accounts use {to}`", room(to, *left)))
            }
            Self::Switch(Move { from, to, left, back: true, .. }) => {
                Some(format!("{to} has started anew, and is used instead of {from}; {}", room(to, *left)))
            }
            Self::Switch(Move { from, until, to, left, back: false }) => {
                Some(format!("{}; {to} is used from now on. {}", limited(from, *until, now), room(to, *left)))
            }
            Self::Nobody { first: Some((name, at)), .. } => {
                Some(format!("no account is left; {name} comes back first, at {}", said(*at, now)))
            }
            Self::Nobody { first: None, .. } => {
                Some("no account is left, and nobody knows when one comes back".to_owned())
            }
        }
    }
}

fn limited(name: &str, until: Option<i64>, now: i64) -> String {
    match until {
        Some(until) => format!("{name} is at its limit until {}", said(until, now)),
        None => format!("{name} is at its limit"),
    }
}

fn room(name: &str, left: Option<f64>) -> String {
    match left {
        Some(left) => format!("{name} has {:.0} % left", left.floor()),
        None => format!("nothing is known of the limits of {name}"),
    }
}

/// A time on the clock of this machine, with the day if that is not today. Both are in unix seconds; none if they are
/// beyond all calendars.
pub fn clock(at: i64, now: i64) -> Option<String> {
    let local = |seconds| DateTime::from_timestamp(seconds, 0).map(|time| time.with_timezone(&Local));
    let (at, now) = (local(at)?, local(now)?);
    let format = if at.date_naive() == now.date_naive() { "%H:%M" } else { "%a %Y-%m-%d %H:%M" };
    Some(at.format(format).to_string())
}

fn said(at: i64, now: i64) -> String {
    clock(at, now).unwrap_or_else(|| "a time unknown".to_owned())
}
