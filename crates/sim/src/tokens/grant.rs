//! A grant: what one login was given, which is a chain of refresh tokens and the access tokens
//! that came with them. It falls as a whole.

use std::time::SystemTime;

use serde::Serialize;

use crate::{
    log::fingerprint,
    tokens::{Identity, IssuedToken, RefreshError},
};

/// How a grant came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GrantKind {
    /// A person pressed a button in a browser.
    Browser,
    /// A person entered the code of a device.
    Device,
    /// [`TokenIssuer::issue`](crate::TokenIssuer::issue) made it, without a login.
    Issued,
}

/// A grant as it stands now. Holds no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// How it came about.
    pub kind: GrantKind,
    /// Whose it is.
    pub owner: Identity,
    /// The client that may refresh it; `None`: any.
    pub client_id: Option<String>,
    /// Whether none of its tokens is good any more.
    pub revoked: bool,
    /// Its refresh tokens, the newest last.
    pub refresh_tokens: Vec<GrantedRefresh>,
    /// Every attempt to refresh it, in order, the refused ones among them.
    pub redemptions: Vec<Redemption>,
}

/// A refresh token of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantedRefresh {
    /// The [`fingerprint`] of the token.
    pub fingerprint: String,
    /// What it is good for, the grant's own end left aside.
    pub state: RefreshState,
}

/// What a refresh token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RefreshState {
    /// One refresh.
    Good,
    /// Nothing: it was redeemed.
    Spent,
    /// Nothing: its time is over.
    Expired,
}

/// One attempt to refresh a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Redemption {
    /// The [`fingerprint`] of the refresh token that was shown.
    pub fingerprint: String,
    /// When, in unix milliseconds.
    pub at: u64,
    /// The `refresh_reason` of the request.
    pub reason: Option<String>,
    /// Why it was refused: the issuer's code. `None`: it was not.
    pub refused: Option<String>,
}

/// The book's page on one grant.
pub(super) struct Family {
    pub(super) kind: GrantKind,
    pub(super) owner: Identity,
    pub(super) client_id: Option<String>,
    pub(super) revoked: bool,
    /// In the order of their issue.
    pub(super) refresh_tokens: Vec<String>,
    pub(super) redemptions: Vec<Redemption>,
}

/// The book's line on one refresh token.
pub(super) struct RefreshToken {
    /// Position of its [`Family`] in the book.
    pub(super) family: usize,
    pub(super) expires: Option<SystemTime>,
    /// When it was redeemed, and for what.
    pub(super) spent: Option<(SystemTime, IssuedToken)>,
}

impl RefreshToken {
    pub(super) fn state(&self, now: SystemTime) -> RefreshState {
        if self.spent.is_some() {
            RefreshState::Spent
        } else if self.expires.is_some_and(|expires| expires <= now) {
            RefreshState::Expired
        } else {
            RefreshState::Good
        }
    }
}

impl Family {
    pub(super) fn new(kind: GrantKind, owner: Identity, client_id: Option<String>) -> Self {
        Self { kind, owner, client_id, revoked: false, refresh_tokens: Vec::new(), redemptions: Vec::new() }
    }

    pub(super) fn note(&mut self, token: &str, at: u64, reason: Option<&str>, refused: Option<RefreshError>) {
        self.redemptions.push(Redemption {
            fingerprint: fingerprint(token),
            at,
            reason: reason.map(ToOwned::to_owned),
            refused: refused.map(|error| error.code().to_owned()),
        });
    }

    /// What is shown of it.
    pub(super) fn shown(&self, refresh_tokens: Vec<GrantedRefresh>) -> Grant {
        Grant {
            kind: self.kind,
            owner: self.owner.clone(),
            client_id: self.client_id.clone(),
            revoked: self.revoked,
            refresh_tokens,
            redemptions: self.redemptions.clone(),
        }
    }
}
