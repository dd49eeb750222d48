//! Why a turn failed. Every failure answers two questions: what is it (`class`), and is it worth another
//! try (`retry_advice`). Whoever retries reads only the advice; whoever reports reads only the class.

use std::time::Duration;

use valet_auth::{AuthFailure, AuthFailureKind};

/// What a failure is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The conversation is longer than the model reads.
    ContextWindowExceeded,
    /// The account's limit is reached.
    UsageLimitExceeded,
    /// What was paid for is used up.
    QuotaExceeded,
    /// The account's plan does not hold this.
    UsageNotIncluded,
    /// Too many requests.
    RateLimitExceeded,
    /// The model is at capacity.
    ServerOverloaded,
    /// No such model, or not with this login.
    ModelNotFound,
    /// The same in words alone: the backend has no code for it.
    ModelNotSupported,
    /// The backend refused the content.
    CyberPolicy,
    /// The backend's filter ended the response.
    ContentFiltered,
    /// The backend failed.
    InternalServerError,
    /// There is no way to the backend.
    Unreachable,
    /// No good credential.
    Unauthorized {
        /// Why.
        kind: AuthFailureKind,
        /// Whether a new credential was refused too.
        refused: bool,
    },
    /// The backend answered with an error status.
    HttpStatus(u16),
    /// The backend kept answering with this status.
    TooManyAttempts(u16),
    /// None of the others.
    Other,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAdvice {
    /// It would fail again.
    Never,
    /// It may work, after the pause that the backend asked for, if it asked for one.
    Retry {
        /// What the backend asked for.
        after: Option<Duration>,
    },
}

/// Why a turn failed, or why it is tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    class: FailureClass,
    advice: RetryAdvice,
    /// For people; the reference's words where it has any.
    pub message: String,
}

impl Failure {
    /// A failure that another try would not mend.
    pub(crate) fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, advice: RetryAdvice::Never, message: message.into() }
    }

    /// A failure that may pass.
    pub(crate) fn passing(class: FailureClass, message: impl Into<String>, after: Option<Duration>) -> Self {
        Self { class, advice: RetryAdvice::Retry { after }, message: message.into() }
    }

    /// The stream ended before the response did.
    pub(crate) fn disconnected(reason: &str) -> Self {
        Self::passing(FailureClass::Other, format!("stream disconnected before completion: {reason}"), None)
    }

    /// The same failure, known for what it is.
    pub(crate) fn classed(self, class: FailureClass) -> Self {
        Self { class, ..self }
    }

    /// The same failure in other words.
    pub(crate) fn in_words(self, message: String) -> Self {
        Self { message, ..self }
    }

    /// What happens in the conversation cannot be kept.
    pub fn not_kept(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Other, message)
    }

    /// What it is.
    pub fn class(&self) -> &FailureClass {
        &self.class
    }

    /// Whether to try again.
    pub fn retry_advice(&self) -> RetryAdvice {
        self.advice
    }
}

impl From<AuthFailure> for Failure {
    fn from(failure: AuthFailure) -> Self {
        Self::new(FailureClass::Unauthorized { kind: failure.kind, refused: false }, failure.message)
    }
}
