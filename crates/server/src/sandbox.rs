//! What a policy of the protocol means for commands and patches.

use std::path::{Path, PathBuf};

use valet_exec::{Limits, Sandbox};
use valet_protocol::v2::SandboxPolicy;

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

fn real(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}
