//! What to show people of a command: files that it reads, lists and searches; anything else as it is written.
//! The forms follow the reference, but what could hide a write is shown as unknown.

use std::path::{Path, PathBuf};

use super::safe::{find_does_more, prints_lines};
use super::script::{self, Command};
use crate::path::normalise;

/// One thing that a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It shows a file.
    Read {
        /// The command.
        command: String,
        /// The last part of the path.
        name: String,
        /// Absolute.
        path: PathBuf,
    },
    /// It lists files.
    ListFiles {
        /// The command.
        command: String,
        /// What to call the folder, if one is named.
        path: Option<String>,
    },
    /// It searches in files, or for them.
    Search {
        /// The command.
        command: String,
        /// What for.
        query: Option<String>,
        /// What to call the place, if one is named.
        path: Option<String>,
    },
    /// Anything else.
    Unknown {
        /// The command, or the whole script.
        command: String,
    },
}

/// The actions of a script that runs in `cwd`. If any part is unknown, the whole script is.
pub fn actions(script: &str, cwd: &Path) -> Vec<Action> {
    known(script, cwd).unwrap_or_else(|| vec![Action::Unknown { command: script.to_owned() }])
}

fn known(script: &str, cwd: &Path) -> Option<Vec<Action>> {
    let commands = script::commands(script).filter(|commands| !commands.iter().any(|command| command.redirected))?;
    let mut cwd = cwd.to_owned();
    let mut actions: Vec<Action> = Vec::new();
    let mut moved = false;
    for command in &commands {
        let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        match (words.as_slice(), actions.last_mut()) {
            (["cd", rest @ ..], _) => {
                moved = true;
                if let Some(folder) = Args::of(rest, &[])?.name(0) {
                    // The folder before: who knows which.
                    (folder != "-").then_some(())?;
                    cwd = normalise(&cwd, Path::new(folder));
                }
            }
            // A selection of lines belongs to the reading that it selects from.
            (["sed", "-n", range], Some(Action::Read { command: whole, .. }))
                if command.piped && prints_lines(range) =>
            {
                *whole += &format!(" | {}", joined(&command.argv)?);
            }
            (["nl", options @ ..], Some(Action::Read { command: whole, .. }))
                if command.piped && options.iter().all(|option| option.starts_with('-')) =>
            {
                *whole += &format!(" | {}", joined(&command.argv)?);
            }
            (words, _) if only_speaks(words) || (command.piped && only_formats(words)) => {}
            (words, last) => {
                let action = action(command, words, &cwd)?;
                if last.is_none_or(|last| *last != action) {
                    actions.push(action);
                }
            }
        }
    }
    // What only speaks is shown when there is nothing else.
    (!actions.is_empty() || moved).then_some(actions)
}

/// Whether the command says something and does nothing.
fn only_speaks(words: &[&str]) -> bool {
    matches!(words, ["echo" | "printf" | "true", ..])
}

/// Whether the command only gives another form to what it reads from the pipe.
fn only_formats(words: &[&str]) -> bool {
    match words {
        ["wc" | "tr" | "cut" | "head" | "tail", ..] => true,
        ["uniq", args @ ..] => args.iter().all(|arg| arg.starts_with('-')),
        ["sort", args @ ..] => !args.iter().any(|arg| arg.starts_with("-o") || arg.starts_with("--o")),
        ["awk", args @ ..] => args.iter().all(|arg| awk_only_prints(arg)),
        ["sed", args @ ..] => args.iter().all(|arg| matches!(*arg, "-n" | "-E" | "-r") || sed_only_prints(arg)),
        _ => false,
    }
}

/// Whether a script for sed selects lines or replaces in them; others can write files and run commands.
fn sed_only_prints(script: &str) -> bool {
    let replaces = script.strip_prefix('s').and_then(|rest| {
        let mut parts = rest.chars();
        let separator = parts.next()?;
        let parts: Vec<&str> = parts.as_str().split(separator).collect();
        matches!(parts.as_slice(), [_, _, flags] if flags.chars().all(|flag| "gIip".contains(flag))).then_some(())
    });
    prints_lines(script) || replaces.is_some()
}

/// Whether a program for awk neither runs commands nor writes files.
fn awk_only_prints(text: &str) -> bool {
    let writes = [">\"", "> \"", "|\"", "| \"", "getline", "system"];
    !writes.iter().any(|word| text.contains(word))
}

fn action(command: &Command, words: &[&str], cwd: &Path) -> Option<Action> {
    let text = joined(&command.argv)?;
    let (name, args) = words.split_first()?;
    // A pager is any program.
    if args.iter().any(|arg| arg.starts_with("--pager")) {
        return None;
    }
    let list = |path: Option<&str>| Some(Action::ListFiles { command: text.clone(), path: path.map(short) });
    let search = |query: Option<&str>, path: Option<&str>| {
        let query = query.map(str::to_owned);
        Some(Action::Search { command: text.clone(), query, path: path.map(short) })
    };
    match *name {
        "ls" | "exa" | "eza" => list(Args::of(args, &["-I", "-w", "-T", "--sort", "--time-style"])?.name(0)),
        "tree" if !args.iter().any(|arg| arg.starts_with("-o")) => {
            list(Args::of(args, &["-L", "-P", "-I", "--charset", "--filelimit", "--sort"])?.name(0))
        }
        "du" => list(Args::of(args, &["-d", "--max-depth", "-B", "--block-size", "--exclude"])?.name(0)),
        "find" => {
            let (path, query) = find(args)?;
            if query.is_some() { search(query, path) } else { list(path) }
        }
        "fd" => {
            let runs = |arg: &&str| arg.starts_with("-x") || arg.starts_with("-X") || arg.starts_with("--exec");
            let values = ["-e", "-E", "-t", "-d", "--extension", "--exclude", "--type", "--max-depth"];
            let args = Args::of(args, &values).filter(|_| !args.iter().any(runs))?;
            if args.name(0).is_some() { search(args.name(0), args.name(1)) } else { list(None) }
        }
        "rg" | "ag" | "ack" | "pt" => {
            let runs = args.iter().any(|arg| arg.starts_with("--pre") || arg.starts_with("--hostname-bin"));
            let args = Args::of(args, SEARCH_VALUES).filter(|_| !runs)?;
            if args.options.contains(&"--files") {
                return list(args.name(0));
            }
            let (query, path) = args.query();
            search(query, path)
        }
        "grep" | "egrep" | "fgrep" => {
            let args = Args::of(args, SEARCH_VALUES)?;
            let (query, path) = args.query();
            search(query, path)
        }
        "git" => match args {
            ["ls-files", rest @ ..] => list(Args::of(rest, &["-x", "--exclude"])?.name(0)),
            ["grep", rest @ ..] if !rest.iter().any(|arg| arg.starts_with("-O") || arg.starts_with("--op")) => {
                let args = Args::of(rest, SEARCH_VALUES)?;
                let (query, path) = args.query();
                search(query, path)
            }
            _ => None,
        },
        _ => read(text, name, args, cwd),
    }
}

/// Options of the searching programs that take the next word.
const SEARCH_VALUES: &[&str] = &[
    "-A",
    "-B",
    "-C",
    "-d",
    "-e",
    "-f",
    "-g",
    "-j",
    "-m",
    "-M",
    "-t",
    "-T",
    "--colors",
    "--exclude",
    "--exclude-dir",
    "--glob",
    "--iglob",
    "--include",
    "--max-columns",
    "--max-count",
    "--max-depth",
    "--regexp",
    "--sort",
    "--sortr",
    "--threads",
    "--type",
    "--type-not",
];

fn read(command: String, name: &str, args: &[&str], cwd: &Path) -> Option<Action> {
    let file = match name {
        "cat" | "less" | "more" => Args::of(args, &[])?.only_name()?,
        "bat" | "batcat" => {
            Args::of(args, &["-l", "-r", "-H", "--theme", "--language", "--style", "--line-range"])?.only_name()?
        }
        "head" | "tail" => match args {
            [file] if !file.starts_with('-') => file,
            ["-n", lines, file] if is_count(lines) => file,
            [lines, file] if lines.strip_prefix("-n").is_some_and(is_count) => file,
            _ => return None,
        },
        "nl" => Args::of(args, &["-b", "-d", "-f", "-h", "-i", "-l", "-n", "-s", "-v", "-w"])?.only_name()?,
        "sed" => match args {
            ["-n", range, file, rest @ ..] if prints_lines(range) && !rest.iter().any(|arg| arg.starts_with('-')) => {
                file
            }
            _ => return None,
        },
        "awk" => {
            let args = Args::of(args, &["-F", "-v"])?;
            let (script, file) = (args.name(0)?, args.name(1)?);
            Some(file).filter(|_| awk_only_prints(script))?
        }
        _ => return None,
    };
    let path = normalise(cwd, Path::new(file));
    let name = path.file_name()?.to_str()?.to_owned();
    Some(Action::Read { command, name, path })
}

fn is_count(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    !digits.is_empty() && digits.chars().all(|letter| letter.is_ascii_digit())
}

/// Where find begins, and the name that it looks for. `None` when it does more than find.
fn find<'a>(args: &[&'a str]) -> Option<(Option<&'a str>, Option<&'a str>)> {
    if args.iter().any(|arg| find_does_more(arg)) {
        return None;
    }
    let is_test = |arg: &&str| matches!(*arg, "-name" | "-iname" | "-path" | "-ipath" | "-regex" | "-iregex");
    let query = args.iter().position(is_test).and_then(|at| args.get(at + 1));
    let path = args.first().filter(|arg| !arg.starts_with(['-', '(', '!']));
    Some((path.copied(), query.copied()))
}

/// Arguments, sorted out.
struct Args<'a> {
    options: Vec<&'a str>,
    names: Vec<&'a str>,
    /// What `-e` says, where it says something.
    pattern: Option<&'a str>,
}

impl<'a> Args<'a> {
    /// `with_value` lists the options that take the next word; if there is none, it is an error.
    fn of(args: &[&'a str], with_value: &[&str]) -> Option<Args<'a>> {
        let mut sorted = Args { options: Vec::new(), names: Vec::new(), pattern: None };
        let mut rest = args.iter().copied();
        while let Some(arg) = rest.next() {
            if arg == "--" {
                sorted.names.extend(rest.by_ref());
            } else if with_value.contains(&arg) {
                let value = rest.next()?;
                if matches!(arg, "-e" | "--regexp") {
                    sorted.pattern.get_or_insert(value);
                }
            } else if arg.starts_with('-') && arg != "-" {
                sorted.options.push(arg);
            } else {
                sorted.names.push(arg);
            }
        }
        Some(sorted)
    }

    fn name(&self, index: usize) -> Option<&'a str> {
        self.names.get(index).copied()
    }

    fn only_name(&self) -> Option<&'a str> {
        self.name(0).filter(|_| self.names.len() == 1)
    }

    /// What a search looks for, and the first place.
    fn query(&self) -> (Option<&'a str>, Option<&'a str>) {
        match self.pattern {
            Some(pattern) => (Some(pattern), self.name(0)),
            None => (self.name(0), self.name(1)),
        }
    }
}

/// The part of a path that tells most: the last one that is no usual folder for everything.
fn short(path: &str) -> String {
    let usual = |part: &&str| !matches!(*part, "" | "build" | "dist" | "node_modules" | "src");
    path.split('/').rfind(usual).unwrap_or(path).to_owned()
}

fn joined(argv: &[String]) -> Option<String> {
    shlex::try_join(argv.iter().map(String::as_str)).ok()
}
