//! The profiles of permissions that a client may name in the place of a sandbox. They are the three that are built in.

use valet_protocol::ErrorObject;
use valet_protocol::v2::{SandboxMode, SandboxPolicy};

use crate::config::Config;

/// The strictest first.
pub(crate) const PROFILES: [(&str, SandboxMode); 3] = [
    (":read-only", SandboxMode::ReadOnly),
    (":workspace", SandboxMode::WorkspaceWrite),
    (":danger-full-access", SandboxMode::DangerFullAccess),
];

/// What is wanted by the one or the other. A profile that is not known is refused: something stricter may be meant than
/// what there would be without it.
pub(crate) fn sandbox_or_profile(
    sandbox: Option<SandboxMode>,
    profile: Option<&str>,
) -> Result<Option<SandboxMode>, ErrorObject> {
    match (sandbox, profile) {
        (Some(_), Some(_)) => {
            Err(ErrorObject::invalid_request_params("`permissions` cannot be combined with `sandbox`"))
        }
        (None, Some(profile)) => known(profile).map(Some),
        (sandbox, None) => Ok(sandbox),
    }
}

/// The same, where a policy is given in full.
pub(crate) fn policy_or_profile(
    policy: Option<SandboxPolicy>,
    profile: Option<&str>,
    config: &Config,
) -> Result<Option<SandboxPolicy>, ErrorObject> {
    match (policy, profile) {
        (Some(_), Some(_)) => {
            Err(ErrorObject::invalid_request_params("`permissions` cannot be combined with `sandboxPolicy`"))
        }
        (None, Some(profile)) => Ok(Some(config.sandbox_of(known(profile)?))),
        (policy, None) => Ok(policy),
    }
}

fn known(profile: &str) -> Result<SandboxMode, ErrorObject> {
    let found = PROFILES.iter().find(|(id, _)| *id == profile);
    found.map(|(_, mode)| *mode).ok_or_else(|| {
        let ids = PROFILES.map(|(id, _)| format!("`{id}`")).join(", ");
        ErrorObject::invalid_request_params(format!("unknown permission profile `{profile}`, expected one of {ids}"))
    })
}
