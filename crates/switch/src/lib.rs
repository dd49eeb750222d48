//! Many accounts, one running session.
//!
//! A [`Wallet`](wallet::Wallet) has the accounts of a home, [`Meters`](meters::Meters) know how much of each is used, and a
//! [`Policy`](policy::Policy) says whom to switch to when one is at its limit. None of them knows a host from within.

pub mod meters;
pub mod policy;
pub mod wallet;
