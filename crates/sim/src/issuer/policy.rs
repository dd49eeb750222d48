//! The issuer's part of a script. Its JSON form is documented in `docs/sim.md`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::tokens::Identity;

/// Who can log in, and how that goes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct IssuerPolicy {
    /// Who can log in. Default: one, the default [`Identity`].
    pub accounts: Vec<Identity>,
    /// How authorize requests are decided. Default: by a person.
    pub approve: Decision,
    /// The clients that are known. Default: the public one.
    pub client_ids: Vec<String>,
    /// For how long a code can be exchanged, in milliseconds. Default ten minutes.
    pub code_lifetime_ms: u64,
    /// Logins without a browser.
    pub device: DevicePolicy,
    /// What goes wrong. The first that applies is met.
    pub faults: Vec<Fault>,
}

impl Default for IssuerPolicy {
    fn default() -> Self {
        Self {
            accounts: vec![Identity::default()],
            approve: Decision::Ask,
            client_ids: vec!["app_EMoamEEZ73f0CkXaXp7hrann".to_owned()],
            code_lifetime_ms: 600_000,
            device: DevicePolicy::default(),
            faults: Vec::new(),
        }
    }
}

impl IssuerPolicy {
    /// Every login is decided like this at once, browsers and devices.
    #[must_use]
    pub fn decided(decision: Decision) -> Self {
        let device = DevicePolicy { approve: decision.clone(), ..DevicePolicy::default() };
        Self { approve: decision, device, ..Self::default() }
    }

    /// Adds a fault behind those that are there.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    pub(super) fn account(&self, account: &str) -> Option<&Identity> {
        self.accounts.iter().find(|identity| identity.account == account)
    }

    pub(super) fn check_client(&self, client_id: &str) -> Result<(), String> {
        if self.client_ids.iter().any(|known| known == client_id) {
            Ok(())
        } else {
            Err(format!("`client_id` {client_id:?} is not known."))
        }
    }
}

/// How a login is decided. In a script: `"ask"`, `"deny"`, or the account that is approved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Decision {
    /// By a person at a page, by a control call, or through [`Issuer`](crate::Issuer).
    #[default]
    Ask,
    /// Refused at once.
    Deny,
    /// Approved at once, for this account.
    Approve(String),
}

impl From<String> for Decision {
    fn from(word: String) -> Self {
        match word.as_str() {
            "ask" => Self::Ask,
            "deny" => Self::Deny,
            _ => Self::Approve(word),
        }
    }
}

/// Logins without a browser.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DevicePolicy {
    /// Default true. Otherwise asking for a code is a 404.
    pub enabled: bool,
    /// Seconds between polls, as clients are told; nobody is held to it. Default 5.
    pub interval: u64,
    /// How a code is decided. Default: by a person.
    pub approve: Decision,
    /// Polls that find the login undecided before `approve` decides. Default 0.
    pub after_polls: u64,
    /// The status of a poll that finds it undecided, 403 or 404. Default 403.
    pub pending_status: u16,
    /// For how long a code can be entered, in milliseconds. Default 15 minutes.
    pub lifetime_ms: u64,
}

impl Default for DevicePolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: 5,
            approve: Decision::Ask,
            after_polls: 0,
            pending_status: 403,
            lifetime_ms: 900_000,
        }
    }
}

/// Something that goes wrong at one of the issuer's endpoints.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// The endpoint's path, for example `/oauth/token`.
    pub path: String,
    /// Only requests with this `grant_type`.
    #[serde(default)]
    pub grant_type: Option<String>,
    /// How many requests meet it; `None`: any number.
    #[serde(default)]
    pub times: Option<u64>,
    /// Answered instead of doing anything. `None`: the endpoint does its work.
    #[serde(default)]
    pub status: Option<u16>,
    /// The body of that answer: a string as it is, anything else as JSON; a short one by default.
    #[serde(default)]
    pub body: Option<Value>,
    /// Pause before the answer, in milliseconds. What is done is done before it.
    #[serde(default)]
    pub delay_ms: u64,
    /// The answer is held back until the client goes away or the sim stops.
    #[serde(default)]
    pub hang: bool,
}

impl Fault {
    /// Nothing is done, and this status is answered.
    pub fn status(path: impl Into<String>, status: u16) -> Self {
        Self { path: path.into(), status: Some(status), ..Self::default() }
    }

    /// The work is done and the answer is lost: the client waits for it.
    pub fn hang(path: impl Into<String>) -> Self {
        Self { path: path.into(), hang: true, ..Self::default() }
    }

    /// The work is done and the answer is late.
    pub fn slow(path: impl Into<String>, delay: Duration) -> Self {
        Self { path: path.into(), delay_ms: crate::step::millis(delay), ..Self::default() }
    }

    /// Limits the number of requests that meet it.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Sets the body that goes with the status.
    #[must_use]
    pub fn body(mut self, body: impl Into<Value>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Limits it to requests with this `grant_type`.
    #[must_use]
    pub fn grant_type(mut self, grant_type: impl Into<String>) -> Self {
        self.grant_type = Some(grant_type.into());
        self
    }

    pub(super) fn is_met(&self, path: &str, grant_type: Option<&str>, hits: u64) -> bool {
        self.path == path
            && (self.grant_type.is_none() || self.grant_type.as_deref() == grant_type)
            && self.times.is_none_or(|times| hits < times)
    }

    pub(crate) fn pause(&self) -> Duration {
        if self.hang { Duration::MAX } else { Duration::from_millis(self.delay_ms) }
    }
}
