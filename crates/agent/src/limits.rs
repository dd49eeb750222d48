//! What the headers of a response say about the account's limits.

use std::collections::BTreeSet;

use reqwest::header::HeaderMap;
use valet_auth::usage::TURNS;

const ACTIVE: &str = "x-codex-active-limit";
const REACHED: &str = "x-codex-rate-limit-reached-type";
const PROMO: &str = "x-codex-promo-message";

/// The state of one limit. What a response does not say is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Which limit; `codex` is the one of turns.
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// The short window.
    pub primary: Option<LimitWindow>,
    /// The long window.
    pub secondary: Option<LimitWindow>,
    /// Paid credits.
    pub credits: Option<Credits>,
    /// Why this limit has stopped the request, in the backend's words.
    pub reached: Option<String>,
}

/// One window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitWindow {
    /// 0 to 100, rounded.
    pub used_percent: i32,
    /// Minutes.
    pub window_minutes: Option<i64>,
    /// Unix seconds.
    pub resets_at: Option<i64>,
}

/// Paid credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credits {
    /// Whether there are any.
    pub has_credits: bool,
    /// Whether they never run out.
    pub unlimited: bool,
    /// The balance as the backend writes it.
    pub balance: Option<String>,
}

impl RateLimits {
    /// What a response that was given says: always something of the limit of turns, which comes first.
    pub(crate) fn all(headers: &HeaderMap) -> Vec<Self> {
        let others = others(headers).into_iter().map(|id| Self::of(headers, &id));
        let others = others.filter(|limit| limit.primary.is_some() || limit.secondary.is_some());
        [Self::of(headers, TURNS)].into_iter().chain(others).collect()
    }

    /// The same of a response that was refused. The limit that has stopped it comes last.
    pub(crate) fn at_a_limit(headers: &HeaderMap) -> Vec<Self> {
        let id = text(headers, ACTIVE).map_or_else(|| TURNS.to_owned(), limit_id);
        let reached = text(headers, REACHED).map(str::to_owned);
        let mut limits = Self::all(headers);
        limits.retain(|limit| limit.id != id);
        limits.push(Self { reached, ..Self::of(headers, &id) });
        limits
    }

    fn of(headers: &HeaderMap, id: &str) -> Self {
        let prefix = format!("x-{}", id.replace('_', "-"));
        Self {
            name: text(headers, &format!("{prefix}-limit-name")).map(str::to_owned),
            primary: window(headers, &format!("{prefix}-primary")),
            secondary: window(headers, &format!("{prefix}-secondary")),
            // These are of the account, and told once.
            credits: if id == TURNS { credits(headers) } else { None },
            reached: None,
            id: id.to_owned(),
        }
    }
}

/// What the backend wants to be said to whoever is at a limit.
pub(crate) fn promo(headers: &HeaderMap) -> Option<&str> {
    text(headers, PROMO)
}

/// The limits beside that of turns, in the order of their ids.
fn others(headers: &HeaderMap) -> BTreeSet<String> {
    let named =
        headers.keys().filter_map(|name| name.as_str().strip_prefix("x-")?.strip_suffix("-primary-used-percent"));
    named.map(limit_id).filter(|id| id != TURNS).collect()
}

fn limit_id(words: &str) -> String {
    words.to_ascii_lowercase().replace('-', "_")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim()).filter(|text| !text.is_empty())
}

/// None also for a window of which nothing is used and nothing is known.
fn window(headers: &HeaderMap, name: &str) -> Option<LimitWindow> {
    let used: f64 = text(headers, &format!("{name}-used-percent"))?.parse().ok()?;
    let number = |what: &str| text(headers, &format!("{name}-{what}"))?.parse().ok();
    let window = LimitWindow {
        used_percent: used.round() as i32,
        window_minutes: number("window-minutes"),
        resets_at: number("reset-at"),
    };
    let is_known = window.used_percent != 0 || window.window_minutes.unwrap_or(0) != 0 || window.resets_at.is_some();
    is_known.then_some(window)
}

fn credits(headers: &HeaderMap) -> Option<Credits> {
    let flag = |name: &str| text(headers, name).map(|value| value.eq_ignore_ascii_case("true") || value == "1");
    Some(Credits {
        has_credits: flag("x-codex-credits-has-credits")?,
        unlimited: flag("x-codex-credits-unlimited").unwrap_or_default(),
        balance: text(headers, "x-codex-credits-balance").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::{LimitWindow, RateLimits};
    use pretty_assertions::assert_eq;
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn limit(id: &str) -> RateLimits {
        RateLimits { id: id.to_owned(), ..RateLimits::default() }
    }

    fn used(used_percent: i32, window_minutes: Option<i64>) -> Option<LimitWindow> {
        Some(LimitWindow { used_percent, window_minutes, resets_at: None })
    }

    #[test]
    fn used_percent_is_rounded_and_what_is_missing_is_none() {
        let told = headers(&[("x-codex-primary-used-percent", "7.6"), ("x-codex-primary-window-minutes", "300")]);
        assert_eq!(RateLimits::all(&told), [RateLimits { primary: used(8, Some(300)), ..limit("codex") }]);
        assert_eq!(RateLimits::all(&HeaderMap::new()), [limit("codex")]);
    }

    #[test]
    fn every_limit_that_is_told_is_taken_and_an_empty_one_is_not() {
        let told = headers(&[
            ("x-codex-zzz-primary-used-percent", "1"),
            ("x-codex-other-primary-used-percent", "55"),
            ("x-codex-other-limit-name", "Other"),
            ("x-codex-empty-primary-used-percent", "0"),
            ("x-codex-primary-used-percent", "7"),
        ]);
        let other = RateLimits { name: Some("Other".to_owned()), primary: used(55, None), ..limit("codex_other") };
        let zzz = RateLimits { primary: used(1, None), ..limit("codex_zzz") };
        assert_eq!(RateLimits::all(&told), [RateLimits { primary: used(7, None), ..limit("codex") }, other, zzz]);
    }

    #[test]
    fn the_limit_that_stops_a_request_comes_last_and_says_why() {
        let told = headers(&[
            ("x-codex-active-limit", "premium"),
            ("x-premium-primary-used-percent", "100"),
            ("x-codex-zzz-primary-used-percent", "1"),
            ("x-codex-rate-limit-reached-type", "rate_limit_reached"),
        ]);
        let limits = RateLimits::at_a_limit(&told);
        let ids: Vec<_> = limits.iter().map(|limit| limit.id.as_str()).collect();
        assert_eq!(ids, ["codex", "codex_zzz", "premium"]);
        assert_eq!(limits[2].reached.as_deref(), Some("rate_limit_reached"));
        assert_eq!(limits[2].primary, used(100, None));
    }
}
