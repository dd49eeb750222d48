//! How long a window lasts, if it is used on as it was so far.

use super::Window;

/// Before so much of a window has passed nobody can say how it goes on.
const EARLY: f64 = 0.05;

/// What becomes of a window at this pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forecast {
    /// It starts anew before it is used up.
    Lasts,
    /// It is used up then, in unix seconds.
    UsedUpAt(i64),
}

impl Window {
    /// What becomes of it, seen from the time at which it was learned, in unix seconds. None: it had only just begun, it
    /// was used up, or nobody knows when it began.
    pub fn forecast(&self, now: i64) -> Option<Forecast> {
        let (length, resets_at) = (self.length_s?, self.resets_at?);
        let left = resets_at.saturating_sub(now);
        let passed = length.saturating_sub(left);
        if self.is_full() || left <= 0 || (passed as f64) < EARLY * length as f64 {
            return None;
        }
        // How long the rest takes, if what is used took as long as has passed. Of nothing it is for ever.
        let lasts = self.left() * passed as f64 / self.used_percent.max(f64::MIN_POSITIVE);
        Some(if lasts < left as f64 { Forecast::UsedUpAt(now + lasts as i64) } else { Forecast::Lasts })
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::{Forecast, Window};

    const HOUR: i64 = 3600;
    const NOW: i64 = 1_800_000_000;

    /// A window of ten hours, of which so many have passed.
    fn window(used_percent: f64, passed: i64) -> Window {
        Window { used_percent, length_s: Some(10 * HOUR), resets_at: Some(NOW + 10 * HOUR - passed) }
    }

    #[test]
    fn a_window_that_is_used_too_fast_ends_before_it_starts_anew() {
        assert_eq!(window(60.0, 3 * HOUR).forecast(NOW), Some(Forecast::UsedUpAt(NOW + 2 * HOUR)));
        assert_eq!(window(99.0, 9 * HOUR).forecast(NOW), Some(Forecast::UsedUpAt(NOW + 9 * HOUR / 99)));
        assert_eq!(window(50.0, 5 * HOUR).forecast(NOW), Some(Forecast::Lasts), "just so");
        assert_eq!(window(0.0, 5 * HOUR).forecast(NOW), Some(Forecast::Lasts));
    }

    #[test]
    fn nothing_is_said_early_in_a_window_or_of_one_that_is_used_up_or_unknown() {
        assert_eq!(window(90.0, HOUR / 2 - 1).forecast(NOW), None);
        assert_eq!(window(90.0, HOUR / 2).forecast(NOW), Some(Forecast::UsedUpAt(NOW + HOUR / 18)));
        assert_eq!(window(100.0, 5 * HOUR).forecast(NOW), None);
        assert_eq!(window(90.0, 10 * HOUR).forecast(NOW), None);
        assert_eq!(window(90.0, -HOUR).forecast(NOW), None, "it ends later than it could");
        for (length_s, resets_at) in [(None, Some(NOW + HOUR)), (Some(HOUR), None)] {
            assert_eq!(Window { used_percent: 50.0, length_s, resets_at }.forecast(NOW), None);
        }
    }
}
