//! Which commands are known to only read. Each rule says which arguments of a program would do more; a program
//! without a rule is not safe. Reading any file counts as safe: what may be read is the sandbox's business.

use super::{git, script};

/// Whether all that a script runs only reads. It must be plain: no expansion, no redirection to or from files,
/// no assignment, nothing in the background.
pub fn is_known_safe_script(script: &str) -> bool {
    let safe = |command: &script::Command| {
        let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        command_is_safe(&words)
    };
    script::commands(script).is_some_and(|commands| commands.iter().all(safe))
}

/// The name of a program, when it is one of the system: a path that ends in a known name may be anything.
pub(super) fn program(word: &str) -> Option<&str> {
    let name = word.strip_prefix("/usr/bin/").or_else(|| word.strip_prefix("/bin/")).unwrap_or(word);
    (!name.contains('/')).then_some(name)
}

fn command_is_safe(words: &[&str]) -> bool {
    let Some((name, args)) = words.split_first().and_then(|(first, args)| Some((program(first)?, args))) else {
        return false;
    };
    let none = |refused: &dyn Fn(&str) -> bool| !args.iter().any(|arg| refused(arg));
    match name {
        // They write to their output only, whatever the arguments.
        "basename" | "cat" | "cksum" | "cmp" | "comm" | "cut" | "df" | "dirname" | "du" | "echo" | "egrep" | "expr"
        | "false" | "fgrep" | "grep" | "head" | "id" | "ls" | "md5sum" | "nl" | "nproc" | "od" | "paste" | "pwd"
        | "readlink" | "realpath" | "rev" | "seq" | "sha1sum" | "sha256sum" | "sha512sum" | "stat" | "tail" | "tr"
        | "true" | "uname" | "wc" | "which" | "whoami" => true,
        // `-o` is a file to write on some systems.
        "base64" => none(&|arg| has_short(arg, 'o') || abbreviates(arg, "--output")),
        // A time without `+` sets the clock, and so does `-s`.
        "date" => args.iter().all(|arg| arg.starts_with('+') || matches!(*arg, "-u" | "--utc" | "-R" | "-I")),
        // `-C` compiles a list of kinds into a file.
        "file" => none(&|arg| has_short(arg, 'C') || abbreviates(arg, "--compile")),
        "find" => none(&find_does_more),
        "git" => git::is_safe(args),
        // An argument would be the new name of the machine.
        "hostname" => args.is_empty(),
        // `-v` sets a variable, the path of later commands among them.
        "printf" => none(&|arg| arg.starts_with("-v")),
        // `--pre` and `--hostname-bin` name programs to run, and `-z` runs decompressors.
        "rg" => none(&|arg| {
            has_short(arg, 'z')
                || arg.starts_with("--pre")
                || arg.starts_with("--hostname-bin")
                || arg == "--search-zip"
        }),
        // A script of sed can write files and run programs; printing lines by number cannot.
        "sed" => {
            matches!(args, ["-n", range, files @ ..] if prints_lines(range) && !files.iter().any(|file| file.starts_with('-')))
        }
        // `-o` is a file to write, `--compress-program` a program to run, `-T` a place for files.
        "sort" => none(&|arg| {
            has_short(arg, 'o')
                || has_short(arg, 'T')
                || ["--output", "--compress-program", "--temporary-directory"].iter().any(|name| abbreviates(arg, name))
        }),
        // The second name is a file to write; values of options count as names to be on the safe side.
        "uniq" => args.iter().filter(|arg| !arg.starts_with('-')).count() <= 1 && none(&|arg| arg == "--"),
        _ => false,
    }
}

/// Whether this argument of find runs something, or deletes or writes files.
pub(super) fn find_does_more(arg: &str) -> bool {
    const MORE: &[&str] = &["-delete", "-exec", "-execdir", "-fls", "-fprint", "-fprint0", "-fprintf", "-ok", "-okdir"];
    MORE.contains(&arg)
}

/// Whether it is `Np` or `N,Mp`: print these lines.
pub(super) fn prints_lines(range: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit());
    range.strip_suffix('p').is_some_and(|lines| match lines.split_once(',') {
        Some((first, last)) => number(first) && number(last),
        None => number(lines),
    })
}

/// Whether a cluster of short options holds this one. A value in the cluster counts, too.
pub(super) fn has_short(arg: &str, option: char) -> bool {
    arg.strip_prefix('-').is_some_and(|cluster| !cluster.starts_with('-') && cluster.contains(option))
}

/// Whether an argument may be understood as this long option: programs take unique beginnings.
pub(super) fn abbreviates(arg: &str, option: &str) -> bool {
    let name = arg.split('=').next().unwrap_or(arg);
    name.len() > 2 && option.starts_with(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_oneof, proptest};
    use proptest::strategy::Just;

    use super::is_known_safe_script;

    #[test]
    fn reading_is_safe() {
        let scripts = [
            "ls",
            "ls -la src",
            "/bin/ls",
            "/usr/bin/cat a",
            "cat a b",
            "'ls' \"a b\"",
            "cat a | head -n 5",
            "pwd; ls",
            "ls && cat a || true",
            "ls 2>/dev/null",
            "rg foo src 2>&1 | wc -l",
            "cat a </dev/null",
            "grep -rn foo .",
            "find . -name '*.rs' -type f",
            "sed -n '1,5p' a",
            "sed -n 10p",
            "sort -u a",
            "sort -k2,2n",
            "uniq -c a",
            "base64 -d a",
            "date",
            "date -u +%F",
            "file a",
            "hostname",
            "printf '%s' a",
            "rg --files",
            "rg -n 'a|b'",
            "git status",
            "git log --oneline -n 5",
            "git diff --stat",
            "git show HEAD:a",
            "git branch",
            "git branch -vv",
            "git rev-parse HEAD",
            "git --no-pager log",
            "git remote -v",
        ];
        for script in scripts {
            assert!(is_known_safe_script(script), "{script}");
        }
    }

    #[test]
    fn whatever_may_do_more_is_not() {
        let scripts = [
            "",
            "rm a",
            "env",
            "export A=1",
            "alias ls=rm",
            "xargs ls",
            "ls | xargs rm",
            "ls; rm a",
            "ls\nrm a",
            "./ls",
            "/tmp/ls",
            "bin/ls",
            "~/ls",
            "awk 1 a",
            "sudo ls",
            "exec ls",
            "command ls",
            "eval ls",
            "time ls",
            "less a",
            "tee a",
            "test -f a",
            "base64 -o x a",
            "base64 -do x",
            "base64 --output=x",
            "base64 --out x",
            "date -s x",
            "date 01010000",
            "date --set=x",
            "file -C",
            "file -zC",
            "file --comp",
            "find . -delete",
            "find . -exec rm x +",
            "find . -ok rm x",
            "find . -fprintf x y",
            "find . -execdir x",
            "hostname x",
            "printf -v PATH x",
            "printf -vPATH x",
            "rg -z a",
            "rg -nz a",
            "rg --pre x a",
            "rg --pre=x a",
            "rg --search-zip a",
            "rg --hostname-bin=x a",
            "sed p a",
            "sed -i s/a/b/ a",
            "sed -n 1p -i a",
            "sed -n '1w x' a",
            "sed -n '$p' a",
            "sed -n '1p;1w x' a",
            "sed -n ,p",
            "sort -o x a",
            "sort -uo x a",
            "sort --output=x a",
            "sort --o=x a",
            "sort --compress-program=x a",
            "sort --comp x",
            "sort -T x a",
            "uniq a b",
            "uniq -- a b",
            "uniq -f 1 a",
            "git",
            "git push",
            "git commit",
            "git -c a=b status",
            "git -C x status",
            "git -p log",
            "git --paginate log",
            "git --git-dir=x log",
            "git diff --output=x",
            "git diff --outp x",
            "git log --ext-diff",
            "git show --ext-diff",
            "git diff --no-index --output x",
            "git branch x",
            "git branch -D x",
            "git branch -m x",
            "git branch --edit-description",
            "git remote add x y",
            "git log --show-signature",
            "git show --format=%G?",
        ];
        for script in scripts {
            assert!(!is_known_safe_script(script), "{script}");
        }
    }

    fn safe_piece() -> impl Strategy<Value = String> {
        let command = prop_oneof![Just("ls"), Just("cat a"), Just("rg -n 'a b' c"), Just("git status"), Just("wc -l")];
        let joint = prop_oneof![Just(" && "), Just(" || "), Just("; "), Just(" | "), Just("\n")];
        prop::collection::vec((command, joint), 0..4)
            .prop_map(|pieces| pieces.into_iter().flat_map(|(command, joint)| [command, joint]).collect())
    }

    proptest! {
        #[test]
        fn nothing_that_substitutes_redirects_or_assigns_is_safe(
            before in safe_piece(),
            after in safe_piece(),
            danger in prop_oneof![
                Just("cat $(ls)"), Just("cat `ls`"), Just("cat \"$(ls)\""), Just("cat <(ls)"), Just("ls > x"),
                Just("ls >> x"), Just("ls 2> x"), Just("cat < x"), Just("cat <<< x"), Just("ls >&x"), Just("ls &>x"),
                Just("PATH=. ls"), Just("ls $x"), Just("ls ${x@P}"), Just("ls *"), Just("ls & cat x"), Just("(ls)"),
                Just("ls >(x)"), Just("$x"), Just("ls 1>/dev/null/../x"), Just("ls $((x))"),
            ],
            tail in prop_oneof![Just(" && ls"), Just("; ls"), Just(" | wc"), Just("")],
        ) {
            let whole = format!("{before}ls{tail}");
            prop_assert!(is_known_safe_script(&whole), "{}", whole);
            let whole = format!("{before}{danger}{tail}");
            prop_assert!(!is_known_safe_script(&whole), "{}", whole);
            let whole = format!("{before}{danger}\n{after}ls");
            prop_assert!(!is_known_safe_script(&whole), "{}", whole);
        }

        #[test]
        fn letters_outside_of_quotes_that_the_shell_acts_on_are_never_safe(
            word in "[a-z $`<>(){}*?\\[\\]~!\\\\#&=]{0,8}",
        ) {
            let acts = word.contains(['$', '`', '<', '>', '(', '{', '*', '?', '[', '\\', '&']);
            prop_assert!(!(acts && is_known_safe_script(&format!("ls x{word}"))), "{}", word);
        }

        #[test]
        fn no_text_panics(script in any::<String>()) {
            is_known_safe_script(&script);
        }
    }
}
