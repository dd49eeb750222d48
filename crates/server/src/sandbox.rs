//! What a policy of the protocol means for commands and patches.

use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;
use valet_exec::{Launcher, Limits, Sandbox, Support};
use valet_protocol::methods::ConfigWarning;
use valet_protocol::v2::{ConfigWarningNotification, SandboxPolicy};

use crate::connection::{Audience, Connections};

/// The sandbox of a policy, for work in `cwd` by a host whose files are in `home`. Links are followed here, once:
/// what a command changes later does not widen what it may do.
pub(crate) fn sandbox(policy: &SandboxPolicy, cwd: &Path, home: &Path) -> Sandbox {
    let (writable, network) = match policy {
        SandboxPolicy::DangerFullAccess {} | SandboxPolicy::ExternalSandbox { .. } => return Sandbox::None,
        SandboxPolicy::ReadOnly { network_access } => (Vec::new(), *network_access),
        SandboxPolicy::WorkspaceWrite { writable_roots, network_access, exclude_tmpdir_env_var, exclude_slash_tmp } => {
            let tmpdir = std::env::var_os("TMPDIR").filter(|_| !exclude_tmpdir_env_var).map(PathBuf::from);
            let slash_tmp = (!exclude_slash_tmp && cfg!(unix)).then(|| PathBuf::from("/tmp"));
            let roots = std::iter::once(cwd.to_owned()).chain(writable_roots.iter().map(|root| cwd.join(root)));
            (roots.chain(tmpdir).chain(slash_tmp).map(real).collect(), *network_access)
        }
    };
    let mut protected: Vec<PathBuf> = writable.iter().map(|root| root.join(".git")).collect();
    protected.push(real(home.to_owned()));
    Sandbox::Confined(Limits { writable, protected, hidden: vec![home.join("auth.json")], network })
}

/// What is to be said of the sandbox, once somebody needed it.
#[derive(Debug, Default)]
pub(crate) struct SandboxWarning(OnceCell<Option<ConfigWarningNotification>>);

impl SandboxWarning {
    /// Finds out, the first time that a thread wants a sandbox, whether the machine has one. Tells everybody if it
    /// has none, or half of one.
    pub(crate) async fn try_out(&self, launcher: &Launcher, connections: &Connections) {
        let tried = async || {
            let warning = warning(&launcher.support().await);
            if let Some(warning) = &warning {
                connections.tell::<ConfigWarning>(Audience::Everybody, warning);
            }
            warning
        };
        self.0.get_or_init(tried).await;
    }

    /// What newcomers are told.
    pub(crate) fn known(&self) -> Option<&ConfigWarningNotification> {
        self.0.get()?.as_ref()
    }
}

/// What clients are told of a machine that cannot keep every limit; nothing when it can.
fn warning(support: &Support) -> Option<ConfigWarningNotification> {
    let (summary, details) = match support {
        Support::Full => return None,
        Support::Partial { missing } => {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            ("The sandbox of commands is weaker here than the policy says", missing.join("; "))
        }
        Support::None { reason } => (
            "Commands cannot be confined here: each is asked about, or refused where nobody may be asked",
            reason.clone(),
        ),
    };
    Some(ConfigWarningNotification { summary: summary.to_owned(), details: Some(details), path: None, range: None })
}

fn real(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}
