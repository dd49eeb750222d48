//! What a turn may do by itself, and when a person is asked first.

use std::path::{Path, PathBuf};

use valet_exec::{Gap, Sandbox, Support};
use valet_tools::shell;

/// When a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approvals {
    /// Before everything that is not known to only read.
    Untrusted,
    /// When the model asks to leave the sandbox.
    OnRequest,
    /// When the model asks to leave the sandbox, if that is asked for at all; and when a rule says so, if rules
    /// are listened to.
    Granular {
        /// Whether a person is asked about leaving the sandbox.
        sandbox: bool,
        /// Whether a person is asked because of a rule.
        rules: bool,
    },
    /// Never. What would need it, fails.
    Never,
}

impl Approvals {
    /// Whether a person may be asked about leaving the sandbox.
    pub(crate) fn may_ask_to_leave(self) -> bool {
        !matches!(self, Self::Never | Self::Granular { sandbox: false, .. })
    }

    /// Whether a person may be asked about what is typed into a command that a person has allowed.
    pub(crate) fn may_ask_to_type(self) -> bool {
        !matches!(self, Self::Never | Self::Granular { sandbox: false, rules: false })
    }
}

/// What is to be done about a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Run it so.
    Run(Sandbox),
    /// A person has allowed it before, for the conversation or by a rule; run it so.
    Allowed(Sandbox),
    /// Ask; if the answer is yes, run it so.
    Ask(Sandbox),
    /// Do not run it; words for the model.
    Refuse(String),
}

/// How much of the limits of a turn this machine can keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enforced {
    /// All; run it so.
    All(Sandbox),
    /// Some; run it so, if it is to be run.
    Some(Sandbox),
    /// None.
    None,
}

/// A command, as far as the verdict depends on it.
pub(crate) struct Candidate<'a> {
    pub(crate) script: &'a str,
    /// What runs the script is a shell of the person or of the system, and not something that the model has made.
    pub(crate) known_shell: bool,
    /// The model asks to leave the sandbox.
    pub(crate) escalated: bool,
    /// What the user's rules say.
    pub(crate) rule: Option<shell::Decision>,
    /// The person has allowed the same before.
    pub(crate) allowed: bool,
}

const NEVER: &str = "approval policy is Never; reject command — you cannot ask for escalated permissions if the approval policy is Never";

/// Decides about a command. In doubt a person is asked; where nobody may be asked, nothing runs that a person
/// would have to be asked about.
pub(crate) fn verdict(approvals: Approvals, enforced: Enforced, candidate: &Candidate<'_>) -> Verdict {
    if candidate.rule == Some(shell::Decision::Forbidden) {
        return Verdict::Refuse("a rule of the user forbids this command".to_owned());
    }
    let ruled = candidate.rule == Some(shell::Decision::Allow) && candidate.known_shell;
    match undecided(approvals, enforced, candidate) {
        // No rule was needed for that.
        Verdict::Run(Sandbox::None) => Verdict::Run(Sandbox::None),
        _ if ruled => Verdict::Allowed(Sandbox::None),
        Verdict::Ask(sandbox) if candidate.allowed => Verdict::Allowed(sandbox),
        verdict => verdict,
    }
}

fn undecided(approvals: Approvals, enforced: Enforced, candidate: &Candidate<'_>) -> Verdict {
    let rule_asks = candidate.rule == Some(shell::Decision::Prompt);
    let may_ask = approvals.may_ask_to_leave();
    if candidate.escalated {
        return match approvals {
            Approvals::Never => Verdict::Refuse(NEVER.to_owned()),
            _ if may_ask => Verdict::Ask(Sandbox::None),
            _ => Verdict::Refuse("the approval policy does not let you ask for escalated permissions".to_owned()),
        };
    }
    let sandbox = match enforced {
        Enforced::All(sandbox) => sandbox,
        // Not all of the limits hold: a person decides. Who wants nobody asked has been warned.
        Enforced::Some(sandbox) if may_ask => return Verdict::Ask(sandbox),
        Enforced::Some(sandbox) => sandbox,
        Enforced::None if may_ask => return Verdict::Ask(Sandbox::None),
        Enforced::None => {
            let words = "this machine has no sandbox, and the approval policy does not let you ask";
            return Verdict::Refuse(words.to_owned());
        }
    };
    let only_looks = candidate.known_shell && shell::is_known_safe_script(candidate.script);
    match approvals {
        Approvals::Untrusted if only_looks && !rule_asks => Verdict::Run(sandbox),
        Approvals::Untrusted => Verdict::Ask(sandbox),
        Approvals::Never | Approvals::Granular { rules: false, .. } if rule_asks => {
            Verdict::Refuse("a rule of the user asks for approval, and the approval policy does not".to_owned())
        }
        _ if rule_asks => Verdict::Ask(sandbox),
        _ => Verdict::Run(sandbox),
    }
}

/// Whether a shell is the person's own, or one that the system brings.
pub(crate) fn is_known_shell(shell: &str, of_the_person: &str) -> bool {
    const NAMES: [&str; 6] = ["bash", "dash", "fish", "ksh", "sh", "zsh"];
    const PLACES: [&str; 4] = ["/bin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];
    let path = Path::new(shell);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let place = path.parent().and_then(|place| place.to_str()).unwrap_or_default();
    shell == of_the_person || NAMES.contains(&name) && (place.is_empty() || PLACES.contains(&place))
}

/// How much of a sandbox this machine can keep. Signals that reach other processes change nothing that the limits are
/// about; paths that are not protected do.
pub(crate) fn enforced(sandbox: &Sandbox, support: &Support) -> Enforced {
    match support {
        _ if *sandbox == Sandbox::None => Enforced::All(Sandbox::None),
        Support::Full => Enforced::All(sandbox.clone()),
        Support::Partial { missing } if missing.contains(&Gap::Mounts) => Enforced::Some(sandbox.clone()),
        Support::Partial { .. } => Enforced::All(sandbox.clone()),
        Support::None { .. } => Enforced::None,
    }
}

/// Whether a patch may write this path.
pub(crate) fn may_write(sandbox: &Sandbox, path: &Path) -> bool {
    let Sandbox::Confined(limits) = sandbox else { return true };
    let path = resolved(path);
    let below = |roots: &[PathBuf]| roots.iter().any(|root| path.starts_with(root));
    below(&limits.writable) && !below(&limits.protected)
}

/// The path without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let mut ancestors = path.ancestors();
    let found = ancestors.find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    match found.and_then(|(ancestor, real)| Some(real.join(path.strip_prefix(ancestor).ok()?))) {
        Some(resolved) => resolved,
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Approvals, Candidate, Enforced, NEVER, Verdict, is_known_shell, may_write, verdict};
    use pretty_assertions::assert_eq;
    use valet_exec::{Limits, Sandbox};
    use valet_tools::shell::Decision;

    const LOOK: Candidate<'static> =
        Candidate { script: "ls", known_shell: true, escalated: false, rule: None, allowed: false };
    const MAKE: Candidate<'static> = Candidate { script: "make", ..LOOK };
    const OUT: Candidate<'static> = Candidate { escalated: true, ..MAKE };

    fn confined() -> Sandbox {
        Sandbox::Confined(Limits::default())
    }

    fn decide(approvals: Approvals, candidate: &Candidate<'_>) -> Verdict {
        verdict(approvals, Enforced::All(confined()), candidate)
    }

    #[test]
    fn who_trusts_nobody_is_asked_about_all_but_looks() {
        assert_eq!(decide(Approvals::Untrusted, &LOOK), Verdict::Run(confined()));
        assert_eq!(decide(Approvals::Untrusted, &MAKE), Verdict::Ask(confined()));
        assert_eq!(decide(Approvals::Untrusted, &OUT), Verdict::Ask(Sandbox::None));
    }

    #[test]
    fn on_request_the_sandbox_is_left_with_a_yes_only() {
        assert_eq!(decide(Approvals::OnRequest, &MAKE), Verdict::Run(confined()));
        assert_eq!(decide(Approvals::OnRequest, &OUT), Verdict::Ask(Sandbox::None));
        let allowed = Candidate { allowed: true, ..OUT };
        assert_eq!(decide(Approvals::OnRequest, &allowed), Verdict::Allowed(Sandbox::None));
    }

    #[test]
    fn where_nobody_may_be_asked_the_sandbox_is_never_left() {
        assert_eq!(decide(Approvals::Never, &MAKE), Verdict::Run(confined()));
        assert_eq!(decide(Approvals::Never, &OUT), Verdict::Refuse(NEVER.to_owned()));
        let granular = Approvals::Granular { sandbox: false, rules: true };
        assert!(matches!(decide(granular, &OUT), Verdict::Refuse(_)));
    }

    #[test]
    fn without_a_sandbox_every_command_is_asked_about_or_refused() {
        assert_eq!(verdict(Approvals::OnRequest, Enforced::None, &LOOK), Verdict::Ask(Sandbox::None));
        assert!(matches!(verdict(Approvals::Never, Enforced::None, &LOOK), Verdict::Refuse(_)));
    }

    #[test]
    fn with_half_a_sandbox_a_person_is_asked_where_somebody_may_be_asked() {
        let half = || Enforced::Some(confined());
        assert_eq!(verdict(Approvals::OnRequest, half(), &LOOK), Verdict::Ask(confined()));
        assert_eq!(verdict(Approvals::Never, half(), &LOOK), Verdict::Run(confined()));
    }

    #[test]
    fn what_the_model_calls_a_shell_is_trusted_with_nothing() {
        assert!(is_known_shell("/opt/my/shell", "/opt/my/shell") && is_known_shell("bash", "/bin/zsh"));
        assert!(is_known_shell("/usr/bin/zsh", "/bin/bash"));
        assert!(!is_known_shell("./sh", "/bin/bash") && !is_known_shell("/home/me/p/bash", "/bin/bash"));
        let own = |candidate| Candidate { known_shell: false, ..candidate };
        assert_eq!(decide(Approvals::Untrusted, &own(LOOK)), Verdict::Ask(confined()));
        let allowed = Candidate { rule: Some(Decision::Allow), ..own(MAKE) };
        assert_eq!(decide(Approvals::OnRequest, &allowed), Verdict::Run(confined()));
    }

    #[test]
    fn rules_of_the_user_come_first() {
        let ruled = |rule| Candidate { rule: Some(rule), ..MAKE };
        assert_eq!(decide(Approvals::Untrusted, &ruled(Decision::Allow)), Verdict::Allowed(Sandbox::None));
        assert_eq!(decide(Approvals::Never, &ruled(Decision::Allow)), Verdict::Allowed(Sandbox::None));
        let free = verdict(Approvals::Never, Enforced::All(Sandbox::None), &ruled(Decision::Allow));
        assert_eq!(free, Verdict::Run(Sandbox::None), "it would run so without the rule");
        assert_eq!(decide(Approvals::OnRequest, &ruled(Decision::Prompt)), Verdict::Ask(confined()));
        assert!(matches!(decide(Approvals::Never, &ruled(Decision::Prompt)), Verdict::Refuse(_)));
        assert!(matches!(decide(Approvals::OnRequest, &ruled(Decision::Forbidden)), Verdict::Refuse(_)));
    }

    #[test]
    fn a_patch_does_not_get_out_through_a_link() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        let path = root.path().canonicalize().unwrap();
        let limits = Limits { writable: vec![path.clone()], protected: vec![path.join(".git")], ..Limits::default() };
        let sandbox = Sandbox::Confined(limits);
        assert!(may_write(&sandbox, &path.join("new/file")));
        assert!(!may_write(&sandbox, &path.join(".git/hooks/post-commit")));
        assert!(!may_write(&sandbox, outside.path()));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outside.path(), path.join("link")).unwrap();
            assert!(!may_write(&sandbox, &path.join("link/file")));
        }
    }
}
