//! What a command inherits of the host's environment: all but what looks like a secret or is meant for the host.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Parts of names under which people keep secrets.
const SECRET: [&str; 6] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL"];
/// Beginnings of names that are meant for the host.
const OWN: [&str; 4] = ["VALET_", "CODEX_", "OPENAI_", "CHATGPT_"];

/// The environment of this process as its commands may see it.
pub fn inherited() -> BTreeMap<OsString, OsString> {
    harmless(std::env::vars_os())
}

fn harmless(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<OsString, OsString> {
    variables.filter(|(name, _)| is_harmless(name)).collect()
}

/// Judges by the name alone: what a value is cannot be seen.
fn is_harmless(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_uppercase();
    !SECRET.iter().any(|part| name.contains(part)) && !OWN.iter().any(|beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::harmless;
    use pretty_assertions::assert_eq;

    #[test]
    fn secrets_and_what_is_meant_for_the_host_stay_behind() {
        let names = [
            "PATH",
            "HOME",
            "NO_VALET_HERE",
            "aws_secret_access_id",
            "SSH_KEY",
            "GITHUB_TOKEN",
            "PGPASSWORD",
            "MY_PASSWD",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "VALET_HOME",
            "CODEX_HOME",
            "OPENAI_BASE_URL",
            "chatgpt_x",
        ];
        let kept = harmless(names.into_iter().map(|name| (name.into(), "x".into())));
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), ["HOME", "NO_VALET_HERE", "PATH"]);
    }
}
