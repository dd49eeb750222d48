//! Decisions, one by one and in long sequences.

use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::{Decision, ENOUGH, History, Move, Policy, Question, REST_S};
use crate::meters::{Failure, Reached, Standing, Window};

const NOW: i64 = 1_800_000_000;
const HOUR: i64 = 3600;

fn standing(name: &str, used_percent: f64, resets_in: i64) -> Standing {
    let window = Window { used_percent, length_s: Some(5 * HOUR), resets_at: Some(NOW + resets_in) };
    Standing { name: name.to_owned(), windows: vec![window], learned_at: Some(NOW), ..Standing::default() }
}

fn unknown(name: &str) -> Standing {
    Standing { name: name.to_owned(), ..Standing::default() }
}

fn lost(name: &str) -> Standing {
    let failure = Some(Failure { message: "spent".to_owned(), is_final: true });
    Standing { failure, ..standing(name, 0.0, HOUR) }
}

fn decide(policy: Policy, standings: &[Standing]) -> Decision {
    let history = History::default();
    Question { policy, standings, current: "a", order: &[], history: &history, now: NOW }.decide()
}

fn goes_to(decision: &Decision) -> &str {
    match decision {
        Decision::Switch(Move { to, .. }) => to,
        other => panic!("no switch: {other:?}"),
    }
}

#[test]
fn each_policy_has_its_own_choice_when_an_account_is_at_its_limit() {
    let standings = [standing("a", 100.0, HOUR), standing("b", 80.0, 3 * HOUR), standing("c", 20.0, 4 * HOUR)];
    let with = |standing: Standing| [&standings[..], &[standing]].concat();
    assert_eq!(goes_to(&decide(Policy::Priority, &standings)), "b");
    assert_eq!(goes_to(&decide(Policy::Headroom, &standings)), "c");
    assert_eq!(goes_to(&decide(Policy::SoonestReset, &with(standing("d", 50.0, HOUR)))), "d");
    assert!(matches!(decide(Policy::Tell, &standings), Decision::Tell(told) if told.to == "c"));
    let question = Question {
        policy: Policy::Priority,
        standings: &standings,
        current: "a",
        order: &["c".to_owned()],
        history: &History::default(),
        now: NOW,
    };
    assert_eq!(goes_to(&question.decide()), "c", "the order counts before the place in the list");
}

#[test]
fn nothing_is_done_while_there_is_room_or_nothing_is_known() {
    for (_, policy) in Policy::ALL {
        let rest = [standing("b", 0.0, HOUR), standing("c", 0.0, HOUR)];
        for current in [standing("a", 99.0, HOUR), unknown("a"), lost("a")] {
            assert_eq!(decide(policy, &[&[current], &rest[..]].concat()), Decision::Stay);
        }
        assert_eq!(decide(policy, &rest), Decision::Stay, "of an account that is not there nothing is known");
    }
}

#[test]
fn what_is_known_goes_before_what_is_not_and_a_login_that_is_spent_never_comes() {
    let limited = standing("a", 100.0, HOUR);
    for policy in [Policy::Priority, Policy::Headroom, Policy::SoonestReset] {
        let known = [limited.clone(), unknown("b"), standing("c", 90.0, HOUR), lost("d")];
        assert_eq!(goes_to(&decide(policy, &known)), "c");
        let decision = decide(policy, &[limited.clone(), unknown("b"), standing("c", 91.0, HOUR)]);
        assert_eq!(goes_to(&decision), "b", "there is no other");
        assert!(decision.words(NOW).unwrap().ends_with("nothing is known of the limits of b"));
        assert!(matches!(decide(policy, &[limited.clone(), lost("b")]), Decision::Nobody { .. }));
    }
}

#[test]
fn when_nobody_is_left_the_one_that_comes_back_first_is_named() {
    let mut credits = standing("c", 30.0, HOUR);
    credits.reached = Some(Reached { until: None });
    let standings = [standing("a", 100.0, 3 * HOUR), standing("b", 95.0, 2 * HOUR), credits, lost("d")];
    let expected = Decision::Nobody {
        current: "a".to_owned(),
        until: Some(NOW + 3 * HOUR),
        first: Some(("b".to_owned(), NOW + 2 * HOUR)),
    };
    assert_eq!(decide(Policy::Headroom, &standings), expected);
    let nobody = decide(Policy::Tell, &standings[2..]);
    assert_eq!(nobody, Decision::Stay, "a is not among them");
    let mut alone = standing("a", 10.0, HOUR);
    alone.reached = Some(Reached { until: None });
    let words = decide(Policy::Tell, &[alone]).words(NOW);
    assert_eq!(words.as_deref(), Some("no account is left, and nobody knows when one comes back"));
}

#[test]
fn a_preferred_account_is_used_again_when_it_has_started_anew_and_not_before() {
    let mut history = History::default();
    let full = standing("a", 100.0, HOUR);
    history.switched(&full, NOW);
    let at = |now: i64, first: f64, policy: Policy| {
        let standings = [standing("a", first, HOUR), standing("b", 50.0, 9 * HOUR)];
        Question { policy, standings: &standings, current: "b", order: &[], history: &history, now }.decide()
    };
    assert_eq!(at(NOW + HOUR - 1, 0.0, Policy::Priority), Decision::Stay, "somebody must be mistaken");
    assert_eq!(at(NOW + HOUR, 95.0, Policy::Priority), Decision::Stay);
    let back = at(NOW + HOUR, 0.0, Policy::Priority);
    assert!(matches!(&back, Decision::Switch(Move { back: true, to, .. }) if to == "a"), "{back:?}");
    assert_eq!(back.words(NOW).unwrap(), "a has started anew, and is used instead of b; a has 100 % left");
    for policy in [Policy::Tell, Policy::Headroom, Policy::SoonestReset] {
        assert_eq!(at(NOW + HOUR, 0.0, policy), Decision::Stay);
    }
}

#[test]
fn whom_a_person_has_left_is_not_come_back_to_at_once() {
    let mut history = History::default();
    history.switched(&standing("a", 20.0, HOUR), NOW);
    let standings = [standing("a", 20.0, HOUR), standing("b", 50.0, 9 * HOUR)];
    let at = |now| {
        Question { policy: Policy::Priority, standings: &standings, current: "b", order: &[], history: &history, now }
            .decide()
    };
    assert_eq!(at(NOW + REST_S), Decision::Stay);
    assert_eq!(goes_to(&at(NOW + HOUR)), "a");
    let mut history = History::default();
    history.switched(&unknown("a"), NOW);
    let later = NOW + 1000 * HOUR;
    let question = Question {
        policy: Policy::Priority,
        standings: &standings,
        current: "b",
        order: &[],
        history: &history,
        now: later,
    };
    assert_eq!(question.decide(), Decision::Stay, "nobody knows when");
}

#[test]
fn after_a_switch_there_is_none_by_policy_for_a_while_and_one_by_need_at_once() {
    let mut history = History::default();
    history.switched(&standing("c", 100.0, HOUR), NOW);
    let decide = |used: f64, now: i64| {
        let standings = [standing("a", 0.0, HOUR), standing("b", used, HOUR), standing("c", 100.0, HOUR)];
        let question = Question {
            policy: Policy::Priority,
            standings: &standings,
            current: "b",
            order: &[],
            history: &history,
            now,
        };
        question.decide()
    };
    assert_eq!(decide(50.0, NOW + REST_S - 1), Decision::Stay);
    assert_eq!(goes_to(&decide(50.0, NOW + REST_S)), "a");
    assert_eq!(goes_to(&decide(100.0, NOW + 1)), "a");
}

#[test]
fn the_words_say_until_when_and_what_to_do() {
    let until = NOW + 60;
    let clock = |at: i64| super::clock(at, NOW).unwrap();
    let standings = [standing("a@b.c", 100.0, 60), standing("c@d.e", 19.5, HOUR)];
    let ask = |policy, current| {
        let question =
            Question { policy, standings: &standings, current, order: &[], history: &History::default(), now: NOW };
        question.decide().words(NOW)
    };
    assert_eq!(
        ask(Policy::Tell, "a@b.c").unwrap(),
        format!("a@b.c is at its limit until {}; c@d.e has 80 % left: `valet accounts use c@d.e`", clock(until))
    );
    assert_eq!(
        ask(Policy::Headroom, "a@b.c").unwrap(),
        format!("a@b.c is at its limit until {}; c@d.e is used from now on. c@d.e has 80 % left", clock(until))
    );
    assert_eq!(ask(Policy::Headroom, "c@d.e"), None);
    let alone = decide(Policy::Tell, &[standing("a", 100.0, 3 * 24 * HOUR)]);
    let date = clock(NOW + 3 * 24 * HOUR);
    assert_eq!(alone.words(NOW).unwrap(), format!("no account is left; a comes back first, at {date}"));
    assert_eq!(date.len(), "Mon 2027-01-18 09:00".len(), "another day is named");
}

#[test]
fn a_policy_is_known_by_its_name() {
    for (name, policy) in Policy::ALL {
        assert_eq!(name.parse(), Ok(policy));
    }
    let error = "roundrobin".parse::<Policy>().unwrap_err();
    assert_eq!(error, "`roundrobin` is no policy; there are tell, priority, headroom, soonest-reset");
    assert_eq!(Policy::default(), Policy::Tell);
}

/// An account about which anything may be known.
fn any_standing(name: &'static str) -> impl Strategy<Value = Standing> {
    let window = (0.0..120.0, prop::option::of(1..9 * HOUR)).prop_map(|(used_percent, resets_in)| Window {
        used_percent,
        length_s: Some(5 * HOUR),
        resets_at: resets_in.map(|resets_in| NOW + resets_in),
    });
    let reached = prop::option::weighted(0.2, prop::option::of(NOW + 1..NOW + 9 * HOUR));
    let failed = prop::option::weighted(0.2, any::<bool>());
    (prop::collection::vec(window, 0..3), reached, prop::bool::weighted(0.8), failed).prop_map(
        move |(windows, reached, known, failed)| Standing {
            name: name.to_owned(),
            plan: None,
            windows: if known { windows } else { Vec::new() },
            reached: reached.map(|until| Reached { until }),
            learned_at: (known || reached.is_some()).then_some(NOW),
            failure: failed.map(|is_final| Failure { message: "failed".to_owned(), is_final }),
        },
    )
}

fn any_policy() -> impl Strategy<Value = Policy> {
    prop::sample::select(Policy::ALL.map(|(_, policy)| policy).to_vec())
}

proptest! {
    #[test]
    fn nobody_is_sent_to_an_account_that_is_at_its_limit_or_nearly_so(
        policy in any_policy(),
        standings in (any_standing("a"), any_standing("b"), any_standing("c"), any_standing("d")),
    ) {
        let standings = <[Standing; 4]>::from(standings);
        let is_lost = |standing: &Standing| standing.failure.as_ref().is_some_and(|failure| failure.is_final);
        let usable = |standing: &&Standing| {
            standing.name != "a" && !standing.is_limited() && !is_lost(standing)
                && standing.headroom().is_none_or(|left| left >= ENOUGH)
        };
        match decide(policy, &standings) {
            Decision::Stay => prop_assert!(!standings[0].is_limited()),
            Decision::Tell(told) | Decision::Switch(told) => {
                prop_assert!(policy == Policy::Priority || standings[0].is_limited());
                let to = standings.iter().find(|standing| standing.name == told.to).unwrap();
                prop_assert!(usable(&to));
                let known = standings.iter().filter(usable).any(|standing| standing.headroom().is_some());
                prop_assert_eq!(to.headroom().is_some(), known);
            }
            Decision::Nobody { until, first, .. } => {
                prop_assert_eq!(standings.iter().filter(usable).count(), 0);
                prop_assert_eq!(until, standings[0].back_at());
                // Nobody whose return is known comes back earlier than who is named.
                let limited = standings.iter().filter(|standing| !is_lost(standing));
                let plain = limited.filter(|standing| standing.windows.iter().all(|window| window.left() >= ENOUGH));
                let earliest = plain.filter_map(Standing::back_at).min();
                prop_assert!(earliest.is_none_or(|at| first.as_ref().is_some_and(|(_, first)| *first <= at)));
                if let Some((name, at)) = first {
                    let named = standings.iter().find(|standing| standing.name == name).unwrap();
                    prop_assert!(named.back_at().is_none_or(|back| back <= at) && at > NOW && !is_lost(named));
                }
            }
        }
    }

    /// What is told of a limit goes up and down by a few percent, and is late. Nothing starts anew meanwhile.
    #[test]
    fn around_the_limit_each_account_is_left_once(
        policy in any_policy(),
        steps in prop::collection::vec((0.0..15.0, -4.0..4.0, 1..900_i64), 1..120),
    ) {
        let mut used = [0.0, 0.0, 0.0];
        let names = ["a", "b", "c"];
        let (mut current, mut history, mut now, mut left) = (0, History::default(), NOW, Vec::new());
        for (more, noise, seconds) in steps {
            used[current] = f64::min(used[current] + more, 104.0);
            now += seconds;
            let told = |index: usize| {
                let noise = if used[index] > 96.0 { noise } else { 0.0 };
                standing(names[index], used[index] + noise, 1000 * HOUR)
            };
            let standings = [told(0), told(1), told(2)];
            let question =
                Question { policy, standings: &standings, current: names[current], order: &[], history: &history, now };
            if let Decision::Switch(Move { to, back, .. }) = question.decide() {
                prop_assert!(!back, "nothing has started anew");
                prop_assert!(!left.contains(&current), "{} is left again", names[current]);
                left.push(current);
                history.switched(&standings[current], now);
                current = names.iter().position(|name| *name == to).unwrap();
            }
        }
    }
}
