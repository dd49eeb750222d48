//! When to try again: as often as the provider's configuration says, with growing pauses.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::failure::{Failure, FailureClass, RetryAdvice};
use crate::settings::Retries;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause that a backend is granted.
const LONGEST_WISH: Duration = Duration::from_secs(60);

/// The attempts of one request.
pub(crate) struct Attempts {
    retries: Retries,
    made: u32,
    /// Those since the last that was told.
    untold: u32,
    pauses: ExponentialBackoff,
}

/// Another attempt.
pub(crate) struct Again {
    pub(crate) after: Duration,
    /// Whether people hear of it.
    pub(crate) told: bool,
}

impl Attempts {
    pub(crate) fn new(retries: Retries) -> Self {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_jitter()
            .without_max_times()
            .build();
        Self { retries, made: 0, untold: 0, pauses }
    }

    /// The next attempt; none when there is to be no other. `began` says whether the stream had begun.
    pub(crate) fn next(&mut self, failure: &Failure, began: bool) -> Option<Again> {
        let RetryAdvice::Retry { after } = failure.retry_advice() else { return None };
        let told = match self.retries {
            Retries::Apart { .. } if matches!(failure.class(), FailureClass::TooManyAttempts(_)) => return None,
            Retries::Apart { requests, .. } => began || self.untold == requests,
            Retries::Together(_) => true,
        };
        if told && self.made == self.allowed() {
            return None;
        }
        (self.made, self.untold) = if told { (self.made + 1, 0) } else { (self.made, self.untold + 1) };
        let pause = self.pauses.next().unwrap_or(LONGEST_PAUSE);
        // What the backend asks for counts, within reason: a turn does not wait for a day.
        Some(Again { after: after.unwrap_or_default().clamp(pause, LONGEST_WISH), told })
    }

    /// How many further attempts were begun and told.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// How many there may be.
    pub(crate) fn allowed(&self) -> u32 {
        let (Retries::Together(allowed) | Retries::Apart { streams: allowed, .. }) = self.retries;
        allowed
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::Attempts;
    use crate::failure::{Failure, FailureClass};
    use crate::settings::Retries;

    /// Which of the attempts are told, for as long as every one fails in the same way.
    fn told(retries: Retries, class: FailureClass, began: bool) -> Vec<bool> {
        let mut attempts = Attempts::new(retries);
        let failure = Failure::passing(class, "", None);
        std::iter::from_fn(|| attempts.next(&failure, began)).map(|again| again.told).collect()
    }

    #[test]
    fn together_there_is_one_budget_and_all_of_it_is_told() {
        for class in [FailureClass::InternalServerError, FailureClass::TooManyAttempts(429)] {
            assert_eq!(told(Retries::Together(2), class, false), [true, true]);
        }
    }

    #[test]
    fn apart_each_attempt_has_requests_that_nobody_hears_of() {
        let retries = Retries::Apart { requests: 1, streams: 2 };
        assert_eq!(told(retries, FailureClass::InternalServerError, false), [false, true, false, true, false]);
        assert_eq!(told(retries, FailureClass::Other, true), [true, true]);
        assert_eq!(told(retries, FailureClass::TooManyAttempts(429), false), [false; 0]);
    }
}
