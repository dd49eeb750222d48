//! The macOS sandbox: a profile for `sandbox-exec`, generated from the limits. Closed by default; what it opens is
//! what developer tools need.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::spec::Limits;

const BASE: &str = r#"(version 1)
(deny default)
(allow process-exec process-fork)
(allow signal process-info* (target same-sandbox))
(allow file-read* file-map-executable file-test-existence)
(allow file-write-data (literal "/dev/null") (literal "/dev/zero") (literal "/dev/tty"))
(allow file-read* file-write* file-ioctl (regex #"^/dev/ttys[0-9]+$") (literal "/dev/ptmx") (literal "/dev/tty"))
(allow pseudo-tty)
(allow sysctl-read user-preference-read)
(allow ipc-posix-sem ipc-posix-shm-read* ipc-posix-shm-write-create ipc-posix-shm-write-data)
(allow iokit-open (iokit-registry-entry-class "RootDomainUserClient"))
(allow mach-lookup
  (global-name "com.apple.system.opendirectoryd.libinfo")
  (global-name "com.apple.system.notification_center")
  (global-name "com.apple.system.logger")
  (global-name "com.apple.PowerManagement.control"))
"#;

const NETWORK: &str = r#"(allow network-outbound (remote ip))
(allow network-inbound network-bind (local ip))
(allow network-outbound (literal "/private/var/run/mDNSResponder"))
(allow system-socket)
(allow mach-lookup
  (global-name "com.apple.SystemConfiguration.configd")
  (global-name "com.apple.SystemConfiguration.DNSConfiguration")
  (global-name "com.apple.SecurityServer")
  (global-name "com.apple.trustd.agent"))
"#;

/// What to put before a command to confine it.
pub(crate) fn wrapper(limits: &Limits) -> Vec<OsString> {
    let mut profile = BASE.to_owned();
    let mut parameters = Vec::new();
    // The last rule that fits decides, so what is taken away comes last.
    rules(&mut profile, &mut parameters, "(allow file-write*", "WRITABLE", &limits.writable);
    rules(&mut profile, &mut parameters, "(deny file-write*", "PROTECTED", &limits.protected);
    rules(&mut profile, &mut parameters, "(deny file-read* file-write*", "HIDDEN", &limits.hidden);
    if limits.network {
        profile.push_str(NETWORK);
    }
    let mut wrapper = vec!["/usr/bin/sandbox-exec".into(), "-p".into(), profile.into()];
    wrapper.extend(parameters);
    wrapper.push("--".into());
    wrapper
}

/// One rule per path. Paths go in as parameters, so that no character of them means anything.
fn rules(profile: &mut String, parameters: &mut Vec<OsString>, rule: &str, name: &str, paths: &[PathBuf]) {
    for (number, path) in paths.iter().enumerate() {
        let path = path.canonicalize().unwrap_or_else(|_missing| Path::new(path).to_path_buf());
        profile.push_str(&format!("{rule} (subpath (param \"{name}_{number}\")))\n"));
        let mut parameter = OsString::from(format!("-D{name}_{number}="));
        parameter.push(path);
        parameters.push(parameter);
    }
}
