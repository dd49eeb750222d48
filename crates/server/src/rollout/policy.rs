//! What commands may do, in the two forms that logs have for it: the policy, and the profile of permissions that the
//! reference restores from.

use serde::{Deserialize, Serialize};
use valet_protocol::v2::{NetworkAccess, SandboxPolicy};

/// What nobody writes in a workspace, as the reference has it.
const PROTECTED: [&str; 4] = [".git", ".agents", ".codex", ".aws"];

/// A policy in a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum StoredSandbox {
    DangerFullAccess,
    ReadOnly {
        #[serde(default)]
        network_access: bool,
    },
    ExternalSandbox {
        #[serde(default)]
        network_access: NetworkAccess,
    },
    WorkspaceWrite {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        writable_roots: Vec<String>,
        #[serde(default)]
        network_access: bool,
        #[serde(default)]
        exclude_tmpdir_env_var: bool,
        #[serde(default)]
        exclude_slash_tmp: bool,
    },
}

impl From<SandboxPolicy> for StoredSandbox {
    fn from(policy: SandboxPolicy) -> Self {
        match policy {
            SandboxPolicy::DangerFullAccess {} => Self::DangerFullAccess,
            SandboxPolicy::ReadOnly { network_access } => Self::ReadOnly { network_access },
            SandboxPolicy::ExternalSandbox { network_access } => Self::ExternalSandbox { network_access },
            SandboxPolicy::WorkspaceWrite {
                writable_roots,
                network_access,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            } => Self::WorkspaceWrite { writable_roots, network_access, exclude_tmpdir_env_var, exclude_slash_tmp },
        }
    }
}

impl From<StoredSandbox> for SandboxPolicy {
    fn from(policy: StoredSandbox) -> Self {
        match policy {
            StoredSandbox::DangerFullAccess => Self::DangerFullAccess {},
            StoredSandbox::ReadOnly { network_access } => Self::ReadOnly { network_access },
            StoredSandbox::ExternalSandbox { network_access } => Self::ExternalSandbox { network_access },
            StoredSandbox::WorkspaceWrite {
                writable_roots,
                network_access,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            } => Self::WorkspaceWrite { writable_roots, network_access, exclude_tmpdir_env_var, exclude_slash_tmp },
        }
    }
}

/// A profile of permissions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Profile {
    Disabled,
    External { network: NetworkAccess },
    Managed { file_system: FileSystem, network: NetworkAccess },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum FileSystem {
    Restricted { entries: Vec<Entry> },
    Unrestricted,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    path: Place,
    access: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing_path_behavior: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Place {
    Special {
        value: Special,
    },
    Path {
        path: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Special {
    kind: String,
}

impl Entry {
    fn new(path: Place, access: &str) -> Self {
        Self { path, access: access.to_owned(), missing_path_behavior: None }
    }

    fn is_writable(&self) -> bool {
        self.access == "write"
    }
}

fn special(kind: &str) -> Place {
    Place::Special { value: Special { kind: kind.to_owned() } }
}

impl Profile {
    /// What the policy means in `cwd`.
    pub(super) fn of(policy: &SandboxPolicy, cwd: &str) -> Self {
        let network = |access: bool| if access { NetworkAccess::Enabled } else { NetworkAccess::Restricted };
        let mut entries = vec![Entry::new(special("root"), "read")];
        let network = match policy {
            SandboxPolicy::DangerFullAccess {} => return Self::Disabled,
            SandboxPolicy::ExternalSandbox { network_access } => return Self::External { network: *network_access },
            SandboxPolicy::ReadOnly { network_access } => network(*network_access),
            SandboxPolicy::WorkspaceWrite {
                writable_roots,
                network_access,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            } => {
                let path = |path: &str| Place::Path { path: path.to_owned() };
                entries.push(Entry::new(path(cwd), "write"));
                let temporary = [("slash_tmp", exclude_slash_tmp), ("tmpdir", exclude_tmpdir_env_var)];
                let temporary = temporary.into_iter().filter(|(_, excluded)| !**excluded);
                entries.extend(temporary.map(|(kind, _)| Entry::new(special(kind), "write")));
                entries.extend(writable_roots.iter().map(|root| Entry::new(path(root), "write")));
                entries.extend(PROTECTED.iter().map(|name| Entry {
                    missing_path_behavior: Some("skip".to_owned()),
                    ..Entry::new(path(&format!("{cwd}/{name}")), "read")
                }));
                network(*network_access)
            }
        };
        Self::Managed { file_system: FileSystem::Restricted { entries }, network }
    }

    /// The policy that says the same, or less. None: there is none.
    pub(super) fn policy(&self, cwd: &str) -> Option<SandboxPolicy> {
        let (entries, network) = match self {
            Self::Disabled => return Some(SandboxPolicy::DangerFullAccess {}),
            Self::External { network } => return Some(SandboxPolicy::ExternalSandbox { network_access: *network }),
            Self::Managed { file_system: FileSystem::Unrestricted, .. } => return None,
            Self::Managed { file_system: FileSystem::Restricted { entries }, network } => (entries, network),
        };
        // No policy has other rights, nor other places.
        if entries.iter().any(|entry| !["read", "write"].contains(&entry.access.as_str()) || entry.path == Place::Other)
        {
            return None;
        }
        let network_access = *network == NetworkAccess::Enabled;
        let writable: Vec<&Place> =
            entries.iter().filter(|entry| entry.is_writable()).map(|entry| &entry.path).collect();
        if writable.is_empty() {
            return Some(SandboxPolicy::ReadOnly { network_access });
        }
        let roots = writable.iter().filter_map(|place| match place {
            Place::Path { path } if path != cwd => Some(path.clone()),
            _ => None,
        });
        Some(SandboxPolicy::WorkspaceWrite {
            writable_roots: roots.collect(),
            network_access,
            exclude_tmpdir_env_var: !writable.contains(&&special("tmpdir")),
            exclude_slash_tmp: !writable.contains(&&special("slash_tmp")),
        })
    }
}
