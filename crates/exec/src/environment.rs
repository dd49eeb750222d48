//! What commands know of the host's environment: what every program needs, and nothing that looks like a secret,
//! unless the user's policy says otherwise.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde::Deserialize;

/// Parts of the names of variables that hold secrets.
const SECRET: [&str; 6] = ["*KEY*", "*SECRET*", "*TOKEN*", "*PASSWORD*", "*PASSWD*", "*CREDENTIAL*"];

/// The names of variables that are meant for the host, not for what it runs.
const OURS: [&str; 4] = ["VALET_*", "CODEX_*", "OPENAI_*", "CHATGPT_*"];

/// The variables that a shell cannot do without.
const CORE: [&str; 10] = ["HOME", "LOGNAME", "PATH", "SHELL", "USER", "USERNAME", "TMPDIR", "TEMP", "TMP", "LANG"];

/// What of the host's environment commands get: `shell_environment_policy` of the configuration. Patterns are
/// names of variables in any case, in which `*` stands for anything and `?` for one character.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EnvironmentPolicy {
    /// Where to begin.
    pub inherit: Inherit,
    /// Whether variables that look like secrets are passed on, too. Those of the host never are.
    pub ignore_default_excludes: bool,
    /// What is left out of that.
    pub exclude: Vec<String>,
    /// What is set in any case.
    pub set: BTreeMap<String, String>,
    /// If there are any, nothing else is passed on.
    pub include_only: Vec<String>,
}

/// Which variables of the host to begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inherit {
    /// All.
    #[default]
    All,
    /// Those that a shell cannot do without.
    Core,
    /// None.
    None,
}

impl EnvironmentPolicy {
    /// The environment of a command.
    pub fn environment(&self) -> BTreeMap<OsString, OsString> {
        // A name that is no text could be anything.
        let passed_on = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| self.passes(name)));
        passed_on.chain(self.set.iter().map(|(name, value)| (name.into(), value.into()))).collect()
    }

    /// The environment of a command that no person watches: a pager would wait for one.
    pub fn unattended(&self, terminal: bool) -> BTreeMap<OsString, OsString> {
        let mut variables = self.environment();
        let term = if terminal { "xterm-256color" } else { "dumb" };
        for (name, value) in [("TERM", term), ("PAGER", "cat"), ("GIT_PAGER", "cat"), ("MANPAGER", "cat")] {
            if !self.set.contains_key(name) {
                variables.insert(name.into(), value.into());
            }
        }
        variables
    }

    fn passes(&self, name: &str) -> bool {
        let any = |patterns: &[&str]| patterns.iter().any(|pattern| is_like(name, pattern));
        let any_of = |patterns: &[String]| patterns.iter().any(|pattern| is_like(name, pattern));
        let inherited = match self.inherit {
            Inherit::All => true,
            Inherit::Core => any(&CORE),
            Inherit::None => false,
        };
        inherited
            && !any(&OURS)
            && (self.ignore_default_excludes || !any(&SECRET))
            && !any_of(&self.exclude)
            && (self.include_only.is_empty() || any_of(&self.include_only))
    }
}

/// Whether a name is what a pattern says, in any case.
fn is_like(name: &str, pattern: &str) -> bool {
    fn matches(name: &[u8], pattern: &[u8]) -> bool {
        match (name, pattern) {
            ([], []) => true,
            (_, [b'*', pattern @ ..]) => (0..=name.len()).any(|skipped| matches(&name[skipped..], pattern)),
            ([_, name @ ..], [b'?', pattern @ ..]) => matches(name, pattern),
            ([letter, name @ ..], [wanted, pattern @ ..]) => {
                letter.eq_ignore_ascii_case(wanted) && matches(name, pattern)
            }
            _ => false,
        }
    }
    matches(name.as_bytes(), pattern.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{EnvironmentPolicy, Inherit};
    use pretty_assertions::assert_eq;
    use std::ffi::OsStr;

    fn passed(policy: &EnvironmentPolicy) -> Vec<&'static str> {
        const NAMES: [&str; 8] = [
            "PATH",
            "JAVA_HOME",
            "http_proxy",
            "OPENAI_ORG",
            "GITHUB_TOKEN",
            "db_password",
            "VALET_HOME",
            "CODEX_HOME",
        ];
        NAMES.into_iter().filter(|name| policy.passes(name)).collect()
    }

    #[test]
    fn secrets_and_what_is_meant_for_the_host_are_not_passed_on() {
        assert_eq!(passed(&EnvironmentPolicy::default()), ["PATH", "JAVA_HOME", "http_proxy"]);
    }

    #[test]
    fn the_policy_says_what_is_passed_on() {
        let core = EnvironmentPolicy { inherit: Inherit::Core, ..EnvironmentPolicy::default() };
        assert_eq!(passed(&core), ["PATH"]);
        let none = EnvironmentPolicy { inherit: Inherit::None, ..EnvironmentPolicy::default() };
        assert!(passed(&none).is_empty());
        let all = EnvironmentPolicy { ignore_default_excludes: true, ..EnvironmentPolicy::default() };
        assert_eq!(passed(&all), ["PATH", "JAVA_HOME", "http_proxy", "GITHUB_TOKEN", "db_password"]);
        let without = EnvironmentPolicy { exclude: vec!["java*".to_owned()], ..EnvironmentPolicy::default() };
        assert_eq!(passed(&without), ["PATH", "http_proxy"]);
        let only = EnvironmentPolicy { include_only: vec!["*_HOME".to_owned()], ..EnvironmentPolicy::default() };
        assert_eq!(passed(&only), ["JAVA_HOME"]);
    }

    #[test]
    fn what_is_set_is_there_in_any_case() {
        let set = [("API_KEY".to_owned(), "1".to_owned())].into();
        let policy = EnvironmentPolicy { inherit: Inherit::None, set, ..EnvironmentPolicy::default() };
        assert_eq!(policy.environment()[OsStr::new("API_KEY")], "1");
        assert_eq!(policy.unattended(false)[OsStr::new("TERM")], "dumb");
    }
}
