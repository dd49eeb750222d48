//! Device codes: a person enters them somewhere else, while the client asks again and again.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use uuid::Uuid;

use crate::{
    issuer::{Decision, DecisionError, DevicePolicy, IssuerPolicy, PendingLogin},
    tokens::{GrantKind, Identity},
};

/// The device logins so far, in order.
#[derive(Default)]
pub(super) struct Devices(Vec<Device>);

struct Device {
    code: DeviceCode,
    client_id: String,
    expires: SystemTime,
    polls: u64,
    stage: Stage,
}

enum Stage {
    Waiting,
    Denied,
    Approved(Identity),
    /// The client has its authorization code.
    Done,
}

/// What a client is told at the beginning.
#[derive(Clone, Serialize)]
pub(crate) struct DeviceCode {
    device_auth_id: String,
    user_code: String,
    /// Seconds, as text.
    interval: String,
}

/// What a client is told at the end. The verifier comes from the issuer here.
#[derive(Serialize)]
pub(crate) struct DeviceGrant {
    pub(super) authorization_code: String,
    pub(super) code_challenge: String,
    pub(super) code_verifier: String,
}

/// The answer to a client that asks.
pub(crate) enum Poll {
    /// Undecided: this status.
    Pending(u16),
    Ready(DeviceGrant),
    Denied,
    Expired,
    /// Never begun, or ended before.
    Unknown,
}

impl Devices {
    pub(super) fn begin(&mut self, client_id: &str, policy: &DevicePolicy) -> DeviceCode {
        let code = DeviceCode {
            device_auth_id: format!("deviceauth_{}", Uuid::new_v4().simple()),
            user_code: format!("SIMS-{:05}", self.0.len() + 1),
            interval: policy.interval.to_string(),
        };
        self.0.push(Device {
            code: code.clone(),
            client_id: client_id.to_owned(),
            expires: SystemTime::now() + Duration::from_millis(policy.lifetime_ms),
            polls: 0,
            stage: Stage::Waiting,
        });
        code
    }

    pub(super) fn poll(
        &mut self,
        device_auth_id: &str,
        user_code: &str,
        policy: &IssuerPolicy,
        issue: impl FnOnce(Identity, String) -> DeviceGrant,
    ) -> Poll {
        let is_meant =
            |device: &&mut Device| device.code.device_auth_id == device_auth_id && device.code.user_code == user_code;
        let Some(device) = self.0.iter_mut().find(is_meant) else { return Poll::Unknown };
        device.polls += 1;
        if device.is_waiting() && device.polls > policy.device.after_polls {
            device.decide_as(&policy.device.approve, policy);
        }
        match &device.stage {
            Stage::Waiting if device.is_waiting() => Poll::Pending(policy.device.pending_status),
            Stage::Waiting => Poll::Expired,
            Stage::Denied => Poll::Denied,
            Stage::Done => Poll::Unknown,
            Stage::Approved(identity) => {
                let grant = issue(identity.clone(), device.client_id.clone());
                device.stage = Stage::Done;
                Poll::Ready(grant)
            }
        }
    }

    pub(super) fn decide(
        &mut self,
        user_code: &str,
        account: Option<&str>,
        policy: &IssuerPolicy,
    ) -> Result<(), DecisionError> {
        let device = self.0.iter_mut().find(|device| device.is_waiting() && device.code.user_code == user_code);
        let device = device.ok_or_else(|| DecisionError::NotWaiting(user_code.to_owned()))?;
        device.stage = match account {
            None => Stage::Denied,
            Some(account) => match policy.account(account) {
                Some(identity) => Stage::Approved(identity.clone()),
                None => return Err(DecisionError::NoSuchAccount(account.to_owned())),
            },
        };
        Ok(())
    }

    pub(super) fn waiting(&self, policy: &IssuerPolicy) -> impl Iterator<Item = PendingLogin> {
        self.0.iter().filter(|device| device.is_waiting()).map(|device| PendingLogin {
            id: device.code.user_code.clone(),
            kind: GrantKind::Device,
            client_id: device.client_id.clone(),
            originator: None,
            redirect_uri: None,
            accounts: policy.accounts.clone(),
        })
    }
}

impl Device {
    fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting) && SystemTime::now() < self.expires
    }

    /// Lets the script decide. An account that it does not have is a login that waits.
    fn decide_as(&mut self, decision: &Decision, policy: &IssuerPolicy) {
        match decision {
            Decision::Ask => {}
            Decision::Deny => self.stage = Stage::Denied,
            Decision::Approve(account) => {
                if let Some(identity) = policy.account(account) {
                    self.stage = Stage::Approved(identity.clone());
                }
            }
        }
    }
}
