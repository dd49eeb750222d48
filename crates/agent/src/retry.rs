//! When to try again: as often as the provider's configuration says, with growing pauses.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::failure::{Failure, RetryAdvice};
use crate::settings::Provider;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause that a backend is granted.
const LONGEST_WISH: Duration = Duration::from_secs(60);

/// The attempts of one request.
pub(crate) struct Attempts {
    made: u32,
    allowed: u32,
    pauses: ExponentialBackoff,
}

impl Attempts {
    pub(crate) fn new(provider: &Provider) -> Self {
        let allowed = provider.request_max_retries.saturating_add(provider.stream_max_retries);
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_jitter()
            .without_max_times()
            .build();
        Self { made: 0, allowed, pauses }
    }

    /// The pause before the next attempt; none when there is to be no other.
    pub(crate) fn next(&mut self, failure: &Failure) -> Option<Duration> {
        let RetryAdvice::Retry { after } = failure.retry_advice() else { return None };
        if self.made == self.allowed {
            return None;
        }
        self.made += 1;
        let pause = self.pauses.next().unwrap_or(LONGEST_PAUSE);
        // What the backend asks for counts, within reason: a turn does not wait for a day.
        Some(after.unwrap_or_default().clamp(pause, LONGEST_WISH))
    }

    /// How many further attempts were begun.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// How many there may be.
    pub(crate) fn allowed(&self) -> u32 {
        self.allowed
    }
}
