//! From the sandbox as clients name it to the limits of a command, and what clients are told of a machine that
//! cannot keep them.

use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;
use valet_auth::store::make_private;
use valet_exec::{Launcher, Limits, Sandbox, Support};
use valet_protocol::methods::ConfigWarning;
use valet_protocol::v2::{ConfigWarningNotification, SandboxPolicy};

use crate::config::Config;
use crate::connection::{Audience, Connections};

/// What a command may do in `cwd` by this policy. Relative roots are below `cwd`; what does not exist is not granted.
/// Roots are resolved here, so call it when they are granted and not for each command of a thread: a command could
/// have put a link there in between. The home is made if need be: what does not exist cannot be protected.
pub(crate) fn sandbox(policy: &SandboxPolicy, cwd: &Path, config: &Config) -> Sandbox {
    let home = made(&config.home);
    let hidden = config.logins().map(|login| home.join(login)).collect();
    match policy {
        SandboxPolicy::DangerFullAccess {} | SandboxPolicy::ExternalSandbox { .. } => Sandbox::None,
        SandboxPolicy::ReadOnly { network_access } => {
            Sandbox::Confined(Limits { hidden, network: *network_access, ..Limits::default() })
        }
        SandboxPolicy::WorkspaceWrite { writable_roots, network_access, exclude_tmpdir_env_var, exclude_slash_tmp } => {
            let tmpdir = std::env::var_os("TMPDIR").filter(|_| !exclude_tmpdir_env_var).map(PathBuf::from);
            let tmp = (cfg!(unix) && !exclude_slash_tmp).then(|| PathBuf::from("/tmp"));
            let temporary = tmpdir.filter(|path| path.is_absolute()).into_iter().chain(tmp);
            let workspace = std::iter::once(cwd.to_owned()).chain(writable_roots.iter().map(|root| cwd.join(root)));
            let mut writable: Vec<_> = workspace.chain(temporary).filter_map(|path| path.canonicalize().ok()).collect();
            writable.sort();
            writable.dedup();
            let mut protected: Vec<_> = writable.iter().map(|root| root.join(".git")).collect();
            protected.push(home);
            Sandbox::Confined(Limits { writable, protected, hidden, network: *network_access })
        }
    }
}

/// The directory, which nobody else may read if it was not there before, without links.
fn made(home: &Path) -> PathBuf {
    if let Err(error) = make_private(home) {
        tracing::warn!(home = %home.display(), %error, "the home is not there, and cannot be protected from commands");
    }
    home.canonicalize().unwrap_or_else(|_| home.to_owned())
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

#[cfg(test)]
mod tests {
    use super::{Config, sandbox};
    use pretty_assertions::assert_eq;
    use std::path::Path;
    use valet_exec::{Limits, Sandbox};
    use valet_protocol::v2::SandboxPolicy;

    #[test]
    fn a_workspace_is_what_exists_of_its_roots_without_their_history_and_without_the_home() {
        let folder = tempfile::tempdir().unwrap();
        let cwd = folder.path().canonicalize().unwrap();
        std::fs::create_dir(cwd.join("more")).unwrap();
        let home = cwd.join("home");
        let config = Config::parse(&home, "valet.opencode_auth_file = '../opencode.json'", &[]).unwrap();
        let policy = SandboxPolicy::WorkspaceWrite {
            writable_roots: vec!["more".into(), "missing".into(), cwd.display().to_string()],
            network_access: true,
            exclude_tmpdir_env_var: true,
            exclude_slash_tmp: true,
        };
        let limits = Limits {
            writable: vec![cwd.clone(), cwd.join("more")],
            protected: vec![cwd.join(".git"), cwd.join("more/.git"), home.clone()],
            hidden: ["auth.json", "accounts", "../opencode.json"].map(|name| home.join(name)).to_vec(),
            network: true,
        };
        assert_eq!(sandbox(&policy, &cwd, &config), Sandbox::Confined(limits));
    }

    #[test]
    fn who_only_reads_writes_nowhere_and_who_may_do_all_is_not_confined() {
        let home = tempfile::tempdir().unwrap();
        let config = Config::parse(home.path(), "", &[]).unwrap();
        let of = |policy| sandbox(&policy, Path::new("/"), &config);
        let real = home.path().canonicalize().unwrap();
        let hidden = vec![real.join("auth.json"), real.join("accounts")];
        let limits = Limits { hidden, ..Limits::default() };
        assert_eq!(of(SandboxPolicy::ReadOnly { network_access: false }), Sandbox::Confined(limits));
        assert_eq!(of(SandboxPolicy::DangerFullAccess {}), Sandbox::None);
        assert_eq!(of(SandboxPolicy::ExternalSandbox { network_access: Default::default() }), Sandbox::None);
    }
}
