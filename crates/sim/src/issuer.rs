//! How people log in: authorize requests and device codes that wait for a decision, and the codes
//! that a decision gives. What a code is exchanged for is in `tokens`, the pages are in `http`.

mod authorize;
mod codes;
mod device;
mod policy;

use std::{collections::HashMap, fmt, sync::Mutex};

use serde::Serialize;

pub(crate) use authorize::Authorized;
pub(crate) use codes::{CodeError, Exchange, Login};
pub(crate) use device::{DeviceCode, Poll};
pub use policy::{Decision, DevicePolicy, Fault, IssuerPolicy};

use crate::{
    shared::lock,
    tokens::{GrantKind, Identity},
};
use authorize::AuthorizeRequest;
use codes::Codes;
use device::Devices;

/// Where people log in. Part of a [`Sim`](crate::Sim).
pub struct Issuer {
    desk: Mutex<Desk>,
}

/// Shows nothing: what waits is told by [`Issuer::pending`], the rest is secret.
impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").finish_non_exhaustive()
    }
}

struct Desk {
    policy: IssuerPolicy,
    /// One per fault.
    hits: Vec<u64>,
    /// Authorize requests so far.
    requests: u64,
    /// Those that wait, in order of arrival.
    waiting: Vec<AuthorizeRequest>,
    devices: Devices,
    codes: Codes,
}

/// A login that waits for somebody's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingLogin {
    /// What [`Issuer::approve`] and [`Issuer::deny`] take. Of a device: the code that people enter.
    pub id: String,
    /// `Browser` or `Device`.
    pub kind: GrantKind,
    /// Who asks.
    pub client_id: String,
    /// What the client calls itself; `None` when it did not say, and for a device.
    pub originator: Option<String>,
    /// Where the browser is to go after the decision; `None` for a device.
    pub redirect_uri: Option<String>,
    /// The accounts that may log in. Empty: none of the script's is allowed.
    pub accounts: Vec<Identity>,
}

/// Why a decision is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// Nothing waits under this id, or not any more.
    #[error("No login {0:?} is waiting for a decision.")]
    NotWaiting(String),
    /// The account is not one of those that may log in there.
    #[error("The account {0:?} cannot log in here.")]
    NoSuchAccount(String),
}

impl Issuer {
    pub(crate) fn new(policy: IssuerPolicy) -> Self {
        let hits = vec![0; policy.faults.len()];
        let (devices, codes) = (Devices::default(), Codes::default());
        Self { desk: Mutex::new(Desk { policy, hits, requests: 0, waiting: Vec::new(), devices, codes }) }
    }

    /// Starts another policy; faults are counted from their beginning, all else stays.
    pub(crate) fn set_policy(&self, policy: IssuerPolicy) {
        let mut desk = lock(&self.desk);
        desk.hits = vec![0; policy.faults.len()];
        desk.policy = policy;
    }

    /// The logins that wait for a decision: browsers first, each kind in order of arrival.
    #[must_use]
    pub fn pending(&self) -> Vec<PendingLogin> {
        let desk = lock(&self.desk);
        let browsers = desk.waiting.iter().map(|request| request.shown(&desk.policy));
        browsers.chain(desk.devices.waiting(&desk.policy)).collect()
    }

    /// Lets an account log in. Returns where the browser is to go; `None` for a device.
    pub fn approve(&self, id: &str, account: &str) -> Result<Option<String>, DecisionError> {
        lock(&self.desk).decide(id, Some(account))
    }

    /// Refuses a login. Returns where the browser is to go; `None` for a device.
    pub fn deny(&self, id: &str) -> Result<Option<String>, DecisionError> {
        lock(&self.desk).decide(id, None)
    }

    /// The accounts that can log in.
    pub(crate) fn accounts(&self) -> Vec<Identity> {
        lock(&self.desk).policy.accounts.clone()
    }

    /// Begins a browser login, from the query of its address. The error is for people.
    pub(crate) fn authorize(&self, query: &HashMap<String, String>) -> Result<Authorized, String> {
        lock(&self.desk).authorize(query)
    }

    /// Begins a device login; `None`: the script has disabled it. The error is for people.
    pub(crate) fn device_code(&self, client_id: &str) -> Result<Option<DeviceCode>, String> {
        let mut desk = lock(&self.desk);
        if !desk.policy.device.enabled {
            return Ok(None);
        }
        desk.policy.check_client(client_id)?;
        let Desk { policy, devices, .. } = &mut *desk;
        Ok(Some(devices.begin(client_id, &policy.device)))
    }

    /// Asks whether a device login is decided. `redirect_uri` is what its code will be bound to.
    pub(crate) fn poll(&self, device_auth_id: &str, user_code: &str, redirect_uri: &str) -> Poll {
        let Desk { policy, devices, codes, .. } = &mut *lock(&self.desk);
        devices.poll(device_auth_id, user_code, policy, |identity, client_id| {
            codes.issue_with_verifier(identity, client_id, redirect_uri, policy)
        })
    }

    /// Takes a code back. Whatever comes of it, the code is spent.
    pub(crate) fn redeem(&self, exchange: &Exchange<'_>) -> Result<Login, CodeError> {
        lock(&self.desk).codes.redeem(exchange)
    }

    /// The fault that this request meets, and counts it.
    pub(crate) fn fault(&self, path: &str, grant_type: Option<&str>) -> Option<Fault> {
        let Desk { policy, hits, .. } = &mut *lock(&self.desk);
        let (fault, hits) =
            policy.faults.iter().zip(hits).find(|(fault, hits)| fault.is_met(path, grant_type, **hits))?;
        *hits += 1;
        Some(fault.clone())
    }
}

impl Desk {
    fn authorize(&mut self, query: &HashMap<String, String>) -> Result<Authorized, String> {
        let id = format!("login_{}", self.requests + 1);
        let request = AuthorizeRequest::check(id, query, &self.policy)?;
        let decision = query.get("auto").map_or_else(|| self.policy.approve.clone(), |word| word.clone().into());
        self.requests += 1;
        match decision {
            Decision::Ask => {
                let shown = request.shown(&self.policy);
                self.waiting.push(request);
                Ok(Authorized::Ask(shown))
            }
            Decision::Deny => Ok(Authorized::Redirect(request.refused("The person refused."))),
            Decision::Approve(account) => match self.policy.account(&account) {
                Some(_) if !request.allows(&account) => {
                    Ok(Authorized::Redirect(request.refused("The workspace is not allowed.")))
                }
                Some(identity) => Ok(Authorized::Redirect(self.codes.answer(&request, identity, &self.policy))),
                None => Err(DecisionError::NoSuchAccount(account).to_string()),
            },
        }
    }

    fn decide(&mut self, id: &str, account: Option<&str>) -> Result<Option<String>, DecisionError> {
        let Some(index) = self.waiting.iter().position(|request| request.id == id) else {
            return self.devices.decide(id, account, &self.policy).map(|()| None);
        };
        let identity = match account {
            Some(account) => {
                let allowed = self.waiting[index].allows(account);
                let identity = self.policy.account(account).filter(|_| allowed);
                Some(identity.ok_or_else(|| DecisionError::NoSuchAccount(account.to_owned()))?)
            }
            None => None,
        };
        let request = self.waiting.remove(index);
        Ok(Some(match identity {
            Some(identity) => self.codes.answer(&request, identity, &self.policy),
            None => request.refused("The person refused."),
        }))
    }
}
