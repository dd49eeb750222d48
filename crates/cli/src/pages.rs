//! What is made of the command line beside the binary, the completions and the man pages, and the rules that its words
//! keep. The binary carries none of it: `VALET_PAGES=DIR cargo test -p valet-cli --bin valet pages` writes it.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;
use pretty_assertions::assert_eq;

use crate::args::Args;

/// Flags that are not the same everywhere.
const SEVERAL_MEANINGS: [&str; 2] = ["listen", "ws-token-file"];

/// No line of a help is wider, and no line of examples.
const WIDEST: usize = 100;
const WIDEST_EXAMPLE: usize = 80;

fn valet() -> Command {
    let mut valet = Args::command().term_width(WIDEST).disable_help_subcommand(true);
    valet.build();
    valet
}

/// Each command with its whole name.
fn commands() -> Vec<(String, Command)> {
    fn add(above: &str, command: &Command, all: &mut Vec<(String, Command)>) {
        let name = format!("{above}{}", command.get_name());
        command.get_subcommands().for_each(|below| add(&format!("{name} "), below, all));
        all.push((name, command.clone()));
    }
    let mut all = Vec::new();
    add("", &valet(), &mut all);
    all
}

/// The arguments that are ours to explain.
fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"))
}

/// What is said of a command, of its arguments and of the values that these can have, in one paragraph each.
fn summaries() -> Vec<(String, String)> {
    let words = |words: Option<&clap::builder::StyledStr>| words.map(ToString::to_string).unwrap_or_default();
    let mut all = Vec::new();
    for (name, command) in commands() {
        for argument in arguments(&command) {
            let place = format!("{name} {}", argument.get_id());
            all.push((place.clone(), words(argument.get_help())));
            let values = argument.get_possible_values();
            let told = values.iter().filter_map(|value| Some((value.get_name(), value.get_help()?)));
            all.extend(told.map(|(value, help)| (format!("{place} {value}"), help.to_string())));
        }
        all.push((name, words(command.get_about())));
    }
    all
}

#[test]
fn every_command_and_argument_is_explained_in_one_sentence_that_ends_without_a_full_stop() {
    for (place, words) in summaries() {
        let begins_well = words.starts_with(char::is_uppercase);
        assert!(begins_well && !words.ends_with('.') && !words.contains(". "), "{place}: {words:?}");
    }
}

#[test]
fn what_is_said_beyond_that_is_said_in_whole_sentences() {
    let mut found = 0;
    for (name, command) in commands() {
        for words in arguments(&command).filter_map(Arg::get_long_help) {
            assert!(words.to_string().ends_with('.'), "{name}: {words}");
            found += 1;
        }
    }
    assert!(found > 0);
}

#[test]
fn a_flag_means_the_same_wherever_it_is() {
    let mut known = BTreeMap::new();
    for (name, command) in commands() {
        for argument in arguments(&command) {
            let Some(flag) = argument.get_long().filter(|flag| !SEVERAL_MEANINGS.contains(flag)) else { continue };
            let words = argument.get_help().map(ToString::to_string);
            let before = known.entry(flag.to_owned()).or_insert_with(|| words.clone());
            assert_eq!(*before, words, "{name} --{flag}");
        }
    }
}

#[test]
fn values_have_a_name_and_times_a_unit() {
    for (name, command) in commands() {
        for argument in arguments(&command).filter(|argument| argument.get_action().takes_values()) {
            let [value] = argument.get_value_names().unwrap_or_default() else { panic!("{name} {argument}") };
            assert!(value.chars().all(|letter| !letter.is_lowercase()), "{name} {argument}: {value}");
            let words = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(value.as_str() != "SECONDS" || words.contains("seconds"), "{name} {argument}: {words}");
        }
    }
}

#[test]
fn no_line_of_a_help_is_too_wide() {
    for (name, mut command) in commands() {
        for help in [command.render_help(), command.render_long_help()] {
            for line in help.to_string().lines() {
                assert!(line.chars().count() <= WIDEST, "{name}: {line}");
            }
        }
        let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in below.lines() {
            assert!(line.chars().count() <= WIDEST_EXAMPLE, "{name}: {line}");
        }
    }
}

#[test]
fn every_command_of_an_example_is_understood() {
    let mut understood = 0;
    for (name, command) in commands() {
        let below = command.get_after_help().map(ToString::to_string).unwrap_or_default().replace("\\\n", "");
        let lines = below.lines().map(|line| line.rsplit("| ").next().unwrap_or_default().trim());
        for line in lines.filter(|line| line.starts_with("valet ")) {
            let parsed = valet().try_get_matches_from(line.replace("$$", "1").split_whitespace());
            assert!(parsed.is_ok(), "{name}: {line}: {}", parsed.unwrap_err());
            understood += 1;
        }
    }
    assert!(understood >= 10, "{understood}");
}

#[test]
fn the_completions_and_the_man_pages_are_made_of_the_command_line() {
    let scratch = tempfile::tempdir().unwrap();
    let wanted = std::env::var_os("VALET_PAGES");
    let folder = wanted.as_deref().map_or(scratch.path(), Path::new);
    let (completions, man) = (folder.join("completions"), folder.join("man"));
    for folder in [&completions, &man] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let shown: Vec<Command> = valet().get_subcommands().filter(|below| !below.is_hide_set()).cloned().collect();
    let mut shown = Command::new("valet").version(env!("CARGO_PKG_VERSION")).subcommands(shown);
    for (shell, file) in [(Shell::Bash, "valet.bash"), (Shell::Zsh, "_valet"), (Shell::Fish, "valet.fish")] {
        let path = clap_complete::generate_to(shell, &mut shown, "valet", &completions).unwrap();
        assert_eq!(path, completions.join(file));
        let script = std::fs::read_to_string(path).unwrap();
        assert!(script.contains("drain-timeout") && script.contains("soonest-reset"), "{file}");
        assert!(!script.contains("redeem"), "{file} offers what is for hosts only");
    }
    clap_mangen::generate_to(Args::command(), &man).unwrap();
    for (name, command) in commands() {
        let path = man.join(format!("{}.1", name.replace(' ', "-")));
        if command.is_hide_set() {
            assert!(!path.exists(), "{name}");
            continue;
        }
        // What is below the flags has a section with a name that says nothing, and the foot of a page the last word of
        // the command where its version belongs.
        let page = std::fs::read_to_string(&path).unwrap().replace(".SH EXTRA", ".SH NOTES");
        let (before, title) = page.split_once(".TH ").unwrap();
        let (_, page) = title.split_once('\n').unwrap();
        let (title, version) = (name.replace(' ', "-"), env!("CARGO_PKG_VERSION"));
        let page = format!("{before}.TH {title} 1 \"\" \"valet {version}\" \"Valet\"\n{page}");
        for flag in arguments(&command).filter(|argument| !argument.is_hide_set()).filter_map(Arg::get_long) {
            assert!(page.contains(&flag.replace('-', "\\-")), "{name}: {flag}");
        }
        std::fs::write(path, page).unwrap();
    }
}
