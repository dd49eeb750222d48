//! What the headers of a response say about the account's limits.

use reqwest::header::HeaderMap;

/// The state of the limits that apply to turns. What a response does not say is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// The short window.
    pub primary: Option<LimitWindow>,
    /// The long window.
    pub secondary: Option<LimitWindow>,
    /// Paid credits.
    pub credits: Option<Credits>,
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
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self { primary: window(headers, "primary"), secondary: window(headers, "secondary"), credits: credits(headers) }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn window(headers: &HeaderMap, name: &str) -> Option<LimitWindow> {
    let used: f64 = text(headers, &format!("x-codex-{name}-used-percent"))?.parse().ok()?;
    let number = |what: &str| text(headers, &format!("x-codex-{name}-{what}"))?.parse().ok();
    Some(LimitWindow {
        used_percent: used.round() as i32,
        window_minutes: number("window-minutes"),
        resets_at: number("reset-at"),
    })
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

    #[test]
    fn used_percent_is_rounded_and_what_is_missing_is_none() {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-codex-primary-used-percent"), HeaderValue::from_static("7.6"));
        headers.insert(HeaderName::from_static("x-codex-primary-window-minutes"), HeaderValue::from_static("300"));
        let primary = LimitWindow { used_percent: 8, window_minutes: Some(300), resets_at: None };
        assert_eq!(RateLimits::of(&headers), RateLimits { primary: Some(primary), ..RateLimits::default() });
        assert_eq!(RateLimits::of(&HeaderMap::new()), RateLimits::default());
    }
}
