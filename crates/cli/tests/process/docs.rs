//! What the pages say to type and to write is taken: commands by the command line, keys by the configuration. Pages
//! with conversations or machinery have tests of their own beside this one.

use std::path::Path;
use std::process::Command;

use pretty_assertions::assert_eq;
use valet_server::Config;

use crate::support::VALET;

const PAGES: &[(&str, &str)] = &[
    ("README.md", include_str!("../../../../README.md")),
    ("agent.md", include_str!("../../../../docs/agent.md")),
    ("compatibility.md", include_str!("../../../../docs/compatibility.md")),
    ("config.md", CONFIG),
    ("examples/README.md", include_str!("../../../../examples/README.md")),
    ("external-auth.md", include_str!("../../../../docs/external-auth.md")),
    ("logins.md", include_str!("../../../../docs/logins.md")),
    ("sim.md", include_str!("../../../../docs/sim.md")),
    ("switch.md", include_str!("../../../../docs/switch.md")),
    ("threads.md", include_str!("../../../../docs/threads.md")),
    ("transports.md", include_str!("../../../../docs/transports.md")),
    ("usage.md", include_str!("../../../../docs/usage.md")),
];
const CONFIG: &str = include_str!("../../../../docs/config.md");

/// The command lines of a page, in blocks and between backquotes, as words behind `valet`.
fn commands(page: &str) -> Vec<Vec<&str>> {
    let mut commands = Vec::new();
    for (number, part) in page.split('`').enumerate() {
        // Between two backquotes, or in a block, which three of them open and close.
        let lines = part.lines().filter(|_| number % 2 == 1 || part.contains('\n'));
        for line in lines {
            let line = line.split("  #").next().unwrap_or_default().trim_start_matches("$ ");
            let line = line.find("| valet ").map_or(line, |at| &line[at + 2..]).trim();
            // With a colon it is what the program says.
            if let Some(words) = line.strip_prefix("valet ").filter(|words| !words.contains(": ")) {
                commands.push(words.split_whitespace().collect());
            }
        }
    }
    commands
}

#[test]
fn every_command_of_the_pages_is_one() {
    let mut tried = 0;
    for (page, text) in PAGES {
        for words in commands(text) {
            // What may be left out is left out, `DIR` stands for a value, and `codex|opencode` is either. What comes
            // behind `--` is another program's.
            let given = words.iter().take_while(|word| **word != "--" && !word.contains(['[', '…', '&', '\\']));
            let value = |word: &str| word.chars().all(|letter| letter.is_uppercase());
            let args = given.map(|word| if value(word) { "1" } else { word.split('|').next().unwrap() });
            let args: Vec<&str> = args.collect();
            if args.first().is_some_and(|first| !first.starts_with(char::is_alphabetic)) {
                continue;
            }
            // Whatever stands before it has to be understood.
            let output = Command::new(VALET).args(&args).arg("--help").output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{page}: valet {}: {said}", args.join(" "));
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried} commands found");
}

/// The keys of a table of the page, with the words of the row.
fn keys(head: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let (_, table) = CONFIG.split_once(head).expect("the table is there");
    let rows = table.lines().skip_while(|line| !line.starts_with("| `")).take_while(|line| line.starts_with('|'));
    let mut keys = Vec::new();
    for row in rows {
        let (named, told) = row.trim_matches('|').split_once('|').unwrap();
        let spans = |cell: &'static str| cell.split('`').skip(1).step_by(2);
        keys.extend(spans(named).map(|key| (key, spans(told).collect())));
    }
    keys
}

/// Whether a key takes some value: one of those that are named beside it, or one of any kind.
fn is_taken(prefix: &str, key: &str, named: &[&str]) -> bool {
    let words = named.iter().map(|word| format!("\"{word}\""));
    let any = ["\"http://127.0.0.1:1\"", "1", "true", "[]", "{}"].map(str::to_owned);
    words.chain(any).any(|value| {
        let set = format!("{prefix}{key}={value}");
        Config::parse(Path::new("/"), "", &[set]).is_ok_and(|config| config.unknown_keys().is_empty())
    })
}

#[test]
fn every_key_of_the_page_is_known() {
    let (ours, providers) = (keys("## Keys"), keys("Of a provider, `[model_providers.<id>]`"));
    assert!(ours.len() > 30 && providers.len() > 9, "{} and {} keys found", ours.len(), providers.len());
    let unknown = |prefix: &str, keys: &[(&'static str, Vec<&str>)]| -> Vec<&'static str> {
        keys.iter().filter(|(key, named)| !is_taken(prefix, key, named)).map(|(key, _)| *key).collect()
    };
    assert_eq!(unknown("", &ours), [] as [&str; 0]);
    assert_eq!(unknown("model_providers.x.", &providers), [] as [&str; 0]);
    assert!(!is_taken("", "no_such_key", &[]), "a key that nobody knows is found");
}

#[test]
fn every_piece_of_configuration_on_the_pages_is_taken() {
    let mut tried = 0;
    for (page, text) in PAGES {
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let config = Config::parse(Path::new("/"), block, &[]);
            let config = config.unwrap_or_else(|error| panic!("{page}: {error}: {block}"));
            assert_eq!(config.unknown_keys(), [] as [String; 0], "{page}: {block}");
            tried += 1;
        }
    }
    assert!(tried > 0, "no block was found");
}
