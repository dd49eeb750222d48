//! Which calls of git only read.

use super::safe::{abbreviates, has_short};

/// Whether the arguments after `git` only look. Options before the subcommand may name another repository,
/// configuration or pager, and each of them can name programs to run; only `--no-pager` is let through.
pub(super) fn is_safe(args: &[&str]) -> bool {
    let args = args.strip_prefix(&["--no-pager"]).unwrap_or(args);
    let Some((subcommand, args)) = args.split_first() else { return false };
    match *subcommand {
        "describe" | "ls-files" | "rev-parse" | "status" => true,
        "diff" | "log" | "show" => !args.iter().any(|arg| runs_or_writes(arg)),
        // With a name it makes, moves or deletes a branch; these options list.
        "branch" => args.iter().all(|arg| {
            matches!(
                *arg,
                "-a" | "-r" | "-v" | "-vv" | "--all" | "--list" | "--remotes" | "--show-current" | "--verbose"
            )
        }),
        // Its subcommands write, and `show` goes to the network.
        "remote" => matches!(args, [] | ["-v" | "--verbose"]),
        _ => false,
    }
}

/// `--output` writes a file; an external diff, a text converter and a check of signatures run programs.
fn runs_or_writes(arg: &str) -> bool {
    let long = ["--output", "--ext-diff", "--textconv", "--show-signature"];
    long.iter().any(|option| abbreviates(arg, option)) || arg.contains("%G") || has_short(arg, 'O')
}
