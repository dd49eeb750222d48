//! From the text of a script to its commands, for the plain ones: words joined by `&&`, `||`, `;`, `|` and line
//! ends. Everything else (expansions, globs, substitutions, background, compound commands) gives `None`.

use super::tokens::{Token, tokens};

/// Words that begin or end a compound command when they stand where a command would.
const RESERVED: &[&str] = &[
    "case",
    "coproc",
    "do",
    "done",
    "elif",
    "else",
    "esac",
    "fi",
    "for",
    "foreach",
    "function",
    "if",
    "in",
    "nocorrect",
    "repeat",
    "select",
    "then",
    "time",
    "until",
    "while",
];

/// One command of a plain script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// The words, unquoted. At least one.
    pub(super) argv: Vec<String>,
    /// Whether it reads what the command before it writes.
    pub(super) piped: bool,
    /// Whether output is thrown away or joined, or input is empty: `2>&1`, `>/dev/null`, `</dev/null`.
    pub(super) redirected: bool,
}

/// The commands of a script that holds nothing but words and `&&`, `||`, `;`, `|`, line ends; else `None`.
pub fn plain_commands(script: &str) -> Option<Vec<Vec<String>>> {
    let commands = commands(script)?;
    let plain = commands.iter().all(|command| !command.redirected);
    plain.then(|| commands.into_iter().map(|command| command.argv).collect())
}

/// As [`plain_commands`], with harmless redirections.
pub(super) fn commands(script: &str) -> Option<Vec<Command>> {
    let mut commands = Vec::new();
    let mut current = Command::default();
    // After an operator that joins two commands the second one must come.
    let mut open = false;
    for token in tokens(script)? {
        match token {
            Token::Word { text, quoted } => {
                // An assignment is one however its value is quoted, and the command comes after it.
                let hides = text.contains('=') || !quoted && RESERVED.contains(&text.as_str());
                if current.argv.is_empty() && hides {
                    return None;
                }
                current.argv.push(text);
            }
            Token::Redirection => current.redirected = true,
            Token::Newline if current == (Command { piped: current.piped, ..Command::default() }) => {}
            separator => {
                let piped = separator == Token::Pipe;
                commands.push(finished(current)?);
                current = Command { piped, ..Command::default() };
                open = piped || separator == Token::AndOr;
            }
        }
    }
    if open || current != Command::default() {
        commands.push(finished(current)?);
    }
    (!commands.is_empty()).then_some(commands)
}

/// A command has a name. One that is empty, or only redirects, is none that we know.
fn finished(command: Command) -> Option<Command> {
    command.argv.first().is_some_and(|name| !name.is_empty()).then_some(command)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    #[cfg(unix)]
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::{commands, plain_commands};

    fn words(script: &str) -> Vec<Vec<String>> {
        plain_commands(script).unwrap_or_else(|| panic!("not plain: {script}"))
    }

    #[test]
    fn quotes_come_off_and_neighbours_join() {
        assert_eq!(words(r#"rg "a \"b\" \.c" 'd $e' f"g"'h'"#), [["rg", r#"a "b" \.c"#, "d $e", "fgh"]]);
        assert_eq!(words("head -n -5 --color=auto HEAD~1 2"), [["head", "-n", "-5", "--color=auto", "HEAD~1", "2"]]);
    }

    #[test]
    fn commands_are_found_in_order_and_pipes_are_marked() {
        let found = commands("cd a && ls | wc -l; cat b\n\npwd || true").unwrap();
        let found: Vec<_> = found.iter().map(|command| (command.argv[0].as_str(), command.piped)).collect();
        let expected = [("cd", false), ("ls", false), ("wc", true), ("cat", false), ("pwd", false), ("true", false)];
        assert_eq!(found, expected);
    }

    #[test]
    fn throwing_output_away_is_plain_enough() {
        for script in ["ls 2>&1", "ls >/dev/null 2>/dev/null", "ls &>/dev/null", "cat </dev/null", "ls 2>&1 | wc"] {
            assert!(commands(script).is_some_and(|commands| commands[0].redirected), "{script}");
            assert_eq!(plain_commands(script), None, "{script}");
        }
    }

    #[test]
    fn what_is_more_than_words_is_not_plain() {
        let scripts = [
            "",
            " ",
            "# only words",
            "ls # more",
            "ls >x",
            "ls >>x",
            "ls <x",
            "ls >|x",
            "ls 2>&1 >x",
            "ls >&x",
            "ls &",
            "ls & pwd",
            "(ls)",
            "{ ls; }",
            "! ls",
            "ls $(pwd)",
            "ls `pwd`",
            "ls <(pwd)",
            "ls $x",
            "ls \"$x\"",
            "ls \"${x}\"",
            "ls *.rs",
            "ls a?",
            "ls [ab]",
            "ls {a,b}",
            "ls ~",
            "ls ~/a",
            "A=1 ls",
            "A=\"\" ls",
            "A='1' ls",
            "A=1",
            "if true; then ls; fi",
            "for a in b; do ls; done",
            "while true; do ls; done",
            "f() { ls; }",
            "[ -f a ]",
            "[[ -f a ]]",
            "((1))",
            "cat <<EOF\nx\nEOF",
            "cat <<< x",
            "ls $'a'",
            "ls $\"a\"",
            "ls \\a",
            "l\\s",
            "ls \\\n-l",
            "ls $",
            "ls \"$\"",
            "ls |& cat",
            "ls 'a",
            "ls \"a",
            "ls &&",
            "| ls",
            "''",
            "ls \u{a0}x",
            "ls\rpwd",
            "ls ;; pwd",
            "echo !x",
            "ls >/dev/null x >y",
            "ls a=~/b",
        ];
        for script in scripts {
            assert_eq!(commands(script), None, "{script:?}");
        }
    }

    #[test]
    fn length_does_no_harm() {
        for piece in ["(", "{ ", "$(", "`", "\"$(", "if ", "a | ", "a && ", "'"] {
            assert_eq!(commands(&piece.repeat(500_001)), None, "{piece:?}");
        }
        assert_eq!(commands(&"a | b\n".repeat(10_000)).map(|commands| commands.len()), Some(20_000));
    }

    #[cfg(unix)]
    proptest! {
        #[test]
        fn words_are_those_that_the_shell_sees(text in "[ab1 '\"\\\\$`|&;<>()#~=!*?{}\n\t,^é-]{0,12}") {
            let script = format!("printf '<%s>' x {text}");
            if let Some([argv]) = plain_commands(&script).as_deref() {
                let folder = tempfile::tempdir().unwrap();
                let shell = std::process::Command::new("bash").args(["-c", &script]).current_dir(&folder).output().unwrap();
                let expected: String = argv[2..].iter().map(|word| format!("<{word}>")).collect();
                prop_assert_eq!(String::from_utf8(shell.stdout).unwrap(), expected, "{}", script);
                prop_assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "{}", script);
            }
        }
    }
}
