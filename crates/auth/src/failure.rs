//! Why a backend call has no good credential. Each failure has a kind for machines and the reference's
//! text for people.

/// For machines. The names on the wire are those of `valet_protocol::ErrorKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthFailureKind {
    /// The parent was silent until the deadline.
    RefreshTimeout,
    /// The parent answered with an error.
    RefreshRejected,
    /// The parent's answer was of the wrong shape, or its token is no token.
    RefreshInvalid,
    /// The parent's token is of another account.
    AccountMismatch,
    /// The token's workspace is not one that the configuration allows.
    WorkspaceRestricted,
    /// Nobody was connected to ask.
    NoOwner,
    /// The issuer could not be reached, or failed.
    Issuer,
    /// The login is gone, or was refused although it is new.
    ReauthRequired,
    /// The issuer will never renew the login, or it is somebody else's now.
    Spent,
}

/// A failure that ends whatever needed the credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AuthFailure {
    /// For machines.
    pub kind: AuthFailureKind,
    /// For people.
    pub message: String,
}

impl AuthFailure {
    pub(crate) fn new(kind: AuthFailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Somebody logged out while the work was going on.
    pub fn logged_out() -> Self {
        Self::new(AuthFailureKind::ReauthRequired, "Fatal error: application network permission was revoked")
    }

    pub(crate) fn timeout(deadline: std::time::Duration) -> Self {
        let message = format!("auth refresh request timed out after {}s", deadline.as_secs_f64());
        Self::new(AuthFailureKind::RefreshTimeout, message)
    }
}
