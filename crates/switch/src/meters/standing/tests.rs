//! What is made of what is told.

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_protocol::v2::{RateLimitReachedType, RateLimitSnapshot, RateLimitWindow};

use super::{Known, Reached, Standing, Window};

const NOW: i64 = 1_800_000_000;
const HOUR: i64 = 3600;

fn told(primary: Option<i32>, secondary: Option<i32>) -> RateLimitSnapshot {
    let window = |used_percent, minutes, resets_at| RateLimitWindow {
        used_percent,
        window_duration_mins: Some(minutes),
        resets_at: Some(resets_at),
    };
    RateLimitSnapshot {
        limit_id: Some("codex".to_owned()),
        primary: primary.map(|used| window(used, 300, NOW + HOUR)),
        secondary: secondary.map(|used| window(used, 10080, NOW + 24 * HOUR)),
        ..RateLimitSnapshot::default()
    }
}

fn of(snapshots: &[RateLimitSnapshot]) -> Known {
    let mut known = Known::default();
    snapshots.iter().for_each(|snapshot| known.told(snapshot, NOW));
    known
}

fn used(standing: &Standing) -> Vec<f64> {
    standing.windows.iter().map(|window| window.used_percent).collect()
}

fn usage(rate_limit: serde_json::Value) -> valet_auth::usage::Usage {
    serde_json::from_value(json!({ "plan_type": "pro", "rate_limit": rate_limit })).unwrap()
}

#[test]
fn what_is_not_told_is_not_cleared_and_of_nothing_nothing_is_learned() {
    let standing = of(&[told(Some(10), Some(20)), told(Some(12), None)]).at("a", NOW);
    assert_eq!((used(&standing), standing.headroom()), (vec![12.0, 20.0], Some(80.0)));
    let window = Window { used_percent: 12.0, length_s: Some(5 * HOUR), resets_at: Some(NOW + HOUR) };
    assert_eq!(standing.windows[0], window);
    let other = RateLimitSnapshot { limit_id: Some("reviews".to_owned()), ..told(Some(100), None) };
    let nothing = of(&[told(None, None), other]).at("a", NOW);
    assert_eq!((nothing.learned_at, nothing.headroom(), nothing.is_limited()), (None, None, false));
}

#[test]
fn a_window_whose_reset_is_past_is_fresh() {
    let known = of(&[told(Some(100), Some(40))]);
    let before = known.at("a", NOW + HOUR - 1);
    assert_eq!((before.is_limited(), before.back_at(), before.headroom()), (true, Some(NOW + HOUR), Some(0.0)));
    let after = known.at("a", NOW + HOUR);
    assert_eq!((after.is_limited(), after.back_at(), used(&after)), (false, None, vec![0.0, 40.0]));
    assert_eq!(after.windows[0].resets_at, None, "it begins when it is used");
    assert_eq!(used(&known.at("a", NOW + 24 * HOUR)), [0.0, 0.0]);
}

#[test]
fn a_reached_type_stops_until_a_response_comes_without_one() {
    let kind = Some(RateLimitReachedType::WorkspaceMemberCreditsDepleted);
    let stopped = RateLimitSnapshot { rate_limit_reached_type: kind, ..told(None, None) };
    let standing = of(&[told(Some(30), None), stopped.clone()]).at("a", NOW);
    assert_eq!((standing.reached, standing.back_at()), (Some(Reached { until: None }), None));
    assert!(!of(&[stopped.clone(), told(Some(30), None)]).at("a", NOW).is_limited());
    let full = RateLimitSnapshot { rate_limit_reached_type: stopped.rate_limit_reached_type, ..told(Some(100), None) };
    let known = of(&[full]);
    assert_eq!(known.at("a", NOW).back_at(), Some(NOW + HOUR), "the window says until when");
    assert!(!known.at("a", NOW + HOUR).is_limited());
}

#[test]
fn a_turn_that_failed_on_the_limit_counts_more_than_what_other_turns_are_told() {
    let mut known = of(&[told(Some(97), None)]);
    known.hit(Some(NOW + 2 * HOUR), NOW);
    known.told(&told(Some(98), None), NOW);
    assert_eq!(known.at("a", NOW).back_at(), Some(NOW + 2 * HOUR));
    assert!(!known.at("a", NOW + 2 * HOUR).is_limited());
    known.hit(None, NOW);
    assert_eq!((known.at("a", NOW).is_limited(), known.at("a", NOW).back_at()), (true, None));
    let free = json!({ "allowed": true, "primary_window": { "used_percent": 3.4, "limit_window_seconds": 18000 } });
    known.fetched(usage(free), NOW + 1);
    let standing = known.at("a", NOW + 1);
    assert_eq!((standing.is_limited(), used(&standing), standing.plan.as_deref()), (false, vec![3.4], Some("pro")));
}

#[test]
fn the_usage_of_the_backend_takes_the_place_of_all_that_was_told() {
    let mut known = of(&[told(Some(97), Some(97))]);
    known.fetched(
        usage(json!({ "allowed": true, "primary_window": { "used_percent": 50.0, "reset_at": NOW + 5 } })),
        NOW,
    );
    assert_eq!(used(&known.at("a", NOW)), [50.0]);
    known.fetched(usage(json!(null)), NOW);
    let standing = known.at("a", NOW);
    assert_eq!((standing.windows.len(), standing.headroom()), (0, Some(100.0)), "a plan without limits has none");
    let full = json!({ "used_percent": 100.0, "reset_at": NOW + 5 });
    known.fetched(usage(json!({ "allowed": false, "primary_window": full })), NOW);
    assert_eq!(known.at("a", NOW).back_at(), Some(NOW + 5));
    assert!(!known.at("a", NOW + 5).is_limited());
}
