//! Which commands a person is offered to allow for good, when one of them is asked about.

/// Programs that run what their arguments say. Versions are left out of the names.
const RUN_ANYTHING: [&str; 71] = [
    ".",
    "ash",
    "awk",
    "bash",
    "builtin",
    "bun",
    "bunx",
    "busybox",
    "chroot",
    "command",
    "csh",
    "dash",
    "deno",
    "doas",
    "docker",
    "env",
    "eval",
    "exec",
    "expect",
    "fd",
    "find",
    "fish",
    "flock",
    "gawk",
    "gdb",
    "ionice",
    "irb",
    "ksh",
    "kubectl",
    "lua",
    "luajit",
    "mawk",
    "nice",
    "node",
    "nodejs",
    "nohup",
    "npx",
    "nsenter",
    "osascript",
    "parallel",
    "perl",
    "php",
    "pkexec",
    "pnpx",
    "podman",
    "powershell",
    "pwsh",
    "pypy",
    "python",
    "rsh",
    "ruby",
    "runuser",
    "script",
    "setsid",
    "sh",
    "source",
    "ssh",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "tclsh",
    "tcsh",
    "time",
    "timeout",
    "tmux",
    "unshare",
    "uvx",
    "watch",
    "xargs",
    "zsh",
];

/// What a person may allow for good: the first words that the model proposes, if that is what the command begins
/// with; else the whole command. Of a program that is known to run anything no beginning is offered, and never its name
/// alone.
pub(super) fn amendment(words: Vec<String>, proposed: &[String]) -> Option<Vec<String>> {
    match (words.first().is_some_and(|word| runs_anything(word)), words.as_slice()) {
        (true, [_]) => None,
        (false, _) if !proposed.is_empty() && words.starts_with(proposed) => Some(proposed.to_vec()),
        _ => Some(words),
    }
}

fn runs_anything(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    let unversioned = name.trim_end_matches(|sign: char| sign.is_ascii_digit() || matches!(sign, '.' | '-'));
    RUN_ANYTHING.contains(&name) || RUN_ANYTHING.contains(&unversioned)
}

#[cfg(test)]
mod tests {
    use super::amendment;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_person_is_offered_to_allow_what_the_command_begins_with_and_never_everything() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let offered =
            |command: &str, proposed: &str| amendment(words(command), &words(proposed)).map(|words| words.join(" "));
        let rows = [
            ("npm install left-pad", "npm install", "npm install"),
            ("ls x", "bash", "ls x"),
            ("bash build.sh", "bash", "bash build.sh"),
            ("bash -c ls", "bash -c", "bash -c ls"),
            ("sudo bash build.sh", "sudo bash", "sudo bash build.sh"),
            ("/usr/bin/python3 build.py", "/usr/bin/python3", "/usr/bin/python3 build.py"),
            ("python3.12 build.py", "python3.12", "python3.12 build.py"),
            ("node-22 build.js", "node-22", "node-22 build.js"),
            ("eval ls", "eval", "eval ls"),
            ("xargs -0 ls", "xargs", "xargs -0 ls"),
            (". ./environment", ".", ". ./environment"),
        ];
        for (command, proposed, expected) in rows {
            assert_eq!(offered(command, proposed).as_deref(), Some(expected), "{command}");
        }
        assert_eq!(offered("bash", "bash"), None);
    }
}
