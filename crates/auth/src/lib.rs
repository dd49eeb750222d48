//! Who Valet is towards the backend.
//!
//! An [`Account`] is one identity. It holds the current credential as an immutable [`Snapshot`] with a
//! revision, and it knows how to get a new one after a 401: [`Account::recover`]. Whoever makes a backend
//! call takes an account, keeps it for as long as the work lasts, and sends with [`send_authorized`].
//! [`AuthManager`] says which account new work gets.
//!
//! The crate knows no method of the protocol. It reaches the parent application through [`ExternalAuth`].

mod account;
mod claims;
mod external;
mod failure;
mod http;
pub mod issuer;
mod keeping;
pub mod login;
mod manager;
mod redeem;
mod renewal;
mod secrets;
mod send;
mod snapshot;
pub mod store;
mod token;
pub mod usage;

pub use account::{Account, Mode};
pub use claims::{Claims, ClaimsError};
pub use external::{Caller, ExternalAuth, ExternalTokens, OwnerId, RefreshFailure, RefreshRequest, Renewed, Waiters};
pub use failure::{AuthFailure, AuthFailureKind};
pub use http::{HttpClient, HttpError};
pub use keeping::Keeping;
pub use manager::{AuthManager, LoginError, Rules, Scope};
pub use redeem::{InProcess, Outcome, Redeem, RedeemError, Redeemed, Redeemer, Redemption, redeem};
pub use secrets::Secrets;
pub use send::{SendError, send_authorized};
pub use snapshot::{Identity, Profile, Snapshot};
pub use token::AccessToken;
