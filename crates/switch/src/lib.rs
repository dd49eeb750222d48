//! Many accounts, one running session.
//!
//! A [`Wallet`](wallet::Wallet) has the accounts of a home, [`Meters`](meters::Meters) know how much of each is used, and a
//! [`Policy`](policy::Policy) says whom to switch to when one is at its limit. A [`Switch`] is a running session: an app
//! server in a process of its own, a parent that lends it the active account and puts another one in its place, and a
//! door through which any number of clients use it, each by a connection of its own that is relayed frame by frame.
//!
//! None of them knows a host from within: the app server may be Valet or the reference.

mod door;
mod gate;
mod lender;
pub mod meters;
mod parent;
pub mod policy;
mod relay;
mod server;
mod session;
mod switch;
mod traffic;
pub mod wallet;
mod watch;

pub use parent::{ConnectError, LendError, Wishes};
pub use policy::clock;
pub use server::{Program, ServerError};
pub use switch::{Plan, Switch, SwitchError};
