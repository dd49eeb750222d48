//! House rules that no compiler knows: file heads and sizes, which crate may stand on which, one file per
//! method, which compiler is enough, and what must not be committed. Each finding names a place and what to do there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

/// Which of our crates may be a dependency of which. Dev-dependencies are free.
const LAYERS: &[(&str, &[&str])] = &[
    ("agent", &["auth", "exec", "tools"]),
    ("auth", &[]),
    ("cli", &["auth", "server", "client", "exec", "sim", "switch", "protocol", "transport"]),
    ("client", &["protocol", "transport"]),
    ("exec", &[]),
    ("protocol", &[]),
    ("server", &["protocol", "transport", "auth", "agent", "exec", "store", "workspace"]),
    ("sim", &[]),
    ("store", &[]),
    ("switch", &["auth", "client", "exec", "protocol", "transport"]),
    ("tools", &[]),
    ("transport", &["protocol"]),
    ("workspace", &[]),
];

/// Lines of code after which the second responsibility is due.
const LONG: usize = 400;
/// Lines that no file passes, inline tests not counted.
const WALL: usize = 700;
/// Lines that the opening words of a file may take. The page of a crate, `lib.rs`, may be longer.
const HEAD: usize = 5;

/// The one file that may do what the compiler cannot check.
const UNCHECKED: &str = "crates/cli/src/allocator.rs";

/// Where domain types and wire types may meet in the server.
const MEETING_PLACES: &[&str] = &["account/", "config/", "convert/", "handlers/", "threads/"];

/// What is no part of the repository, or is generated.
const SKIPPED: &[&str] = &[".git", "__pycache__", "dist", "node_modules", "schema", "target"];

/// A text file, with its path below the root of the repository.
struct Source {
    path: String,
    text: String,
}

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let mut sources = Vec::new();
    collect(&root(), "", &mut sources);
    assert!(sources.len() > 100, "the repository was not found");
    sources
});

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn collect(folder: &Path, below: &str, sources: &mut Vec<Source>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let Ok(name) = entry.file_name().into_string() else { continue };
        // Also a file: `.git` is one in a second worktree.
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{below}{name}");
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), &format!("{path}/"), sources);
        } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
            sources.push(Source { path, text });
        }
    }
}

fn rust_files() -> impl Iterator<Item = &'static Source> {
    SOURCES.iter().filter(|source| source.path.ends_with(".rs"))
}

fn below<'a>(folder: &'a str) -> impl Iterator<Item = &'static Source> + 'a {
    rust_files().filter(move |source| source.path.starts_with(folder))
}

fn source(path: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.path == path)
}

impl Source {
    /// The lines with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// The lines that are no comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// How many lines there are without the inline test modules.
    fn length(&self) -> usize {
        let mut length = 0;
        let mut lines = self.text.lines().peekable();
        while let Some(line) = lines.next() {
            let module = |next: &&str| next.starts_with("mod ") && next.ends_with('{');
            if line == "#[cfg(test)]" && lines.peek().is_some_and(module) {
                lines.by_ref().find(|line| *line == "}");
            } else {
                length += 1;
            }
        }
        length
    }

    /// The names in `[dependencies]`, also in those of one platform, for a `Cargo.toml`.
    fn dependencies(&self) -> Vec<(usize, &str)> {
        let mut inside = false;
        let mut names = Vec::new();
        for (number, line) in self.lines() {
            if line.starts_with('[') {
                inside = line == "[dependencies]" || line.ends_with(".dependencies]");
            } else if inside && line.starts_with(char::is_alphabetic) {
                names.extend(line.split(['.', ' ', '=']).next().map(|name| (number, name)));
            }
        }
        names
    }
}

#[track_caller]
fn check(findings: &[String]) {
    assert!(findings.is_empty(), "findings: {}\n{}", findings.len(), findings.join("\n"));
}

/// A text that is put together here, so that this file does not hold it.
fn needle(parts: &[&str]) -> String {
    parts.concat()
}

#[test]
fn every_rust_file_opens_with_what_it_owns() {
    let mut findings = Vec::new();
    for source in rust_files() {
        let head = source.text.lines().take_while(|line| line.starts_with("//!")).count();
        if head == 0 {
            findings.push(format!("{}:1: open with `//!` and say what the file owns", source.path));
        } else if head > HEAD && !source.path.ends_with("/lib.rs") {
            findings.push(format!("{}:{head}: say it in {HEAD} lines", source.path));
        }
    }
    check(&findings);
}

#[test]
fn files_stay_short() {
    let mut findings = Vec::new();
    let sources = SOURCES.iter().filter(|source| {
        let kind = source.path.rsplit('.').next().unwrap_or_default();
        matches!(kind, "rs" | "py" | "ts" | "js" | "mjs" | "sh")
    });
    for source in sources {
        let (path, length) = (&source.path, source.length());
        let is_test = path.split('/').any(|folder| folder == "tests");
        if length > WALL {
            findings.push(format!("{path}:{length}: {WALL} lines are the wall; split it"));
        } else if length > LONG && !is_test {
            findings.push(format!("{path}:{length}: past {LONG} lines there is a second responsibility; split it"));
        }
    }
    check(&findings);
}

#[test]
fn crates_depend_on_each_other_only_downwards() {
    let mut findings = Vec::new();
    for source in SOURCES.iter() {
        let Some(layer) = source.path.strip_prefix("crates/").and_then(|path| path.strip_suffix("/Cargo.toml")) else {
            continue;
        };
        let Some((_layer, allowed)) = LAYERS.iter().find(|(name, _allowed)| *name == layer) else {
            findings.push(format!("{}:1: say in {} what this crate may stand on", source.path, file!()));
            continue;
        };
        let ours =
            source.dependencies().into_iter().filter_map(|(number, name)| Some((number, name.strip_prefix("valet-")?)));
        for (number, name) in ours.filter(|(_, name)| !allowed.contains(name)) {
            findings.push(format!("{}:{number}: {layer} must not stand on {name}", source.path));
        }
    }
    check(&findings);
}

#[test]
fn the_page_on_the_architecture_draws_the_same_arrows() {
    let page = source("ARCHITECTURE.md").unwrap();
    let arrow = |part: &'static str| {
        let (from, to) = part.split_once(" → ")?;
        Some((from, to.split(", ").collect::<BTreeSet<_>>()))
    };
    let drawn: BTreeMap<_, _> = page.text.split('`').filter_map(arrow).collect();
    let held =
        LAYERS.iter().filter(|(_, on)| !on.is_empty()).map(|(crate_, on)| (*crate_, on.iter().copied().collect()));
    assert_eq!(drawn, held.collect());
}

#[test]
fn the_protocol_stands_on_no_runtime_and_no_network() {
    let manifest = source("crates/protocol/Cargo.toml").unwrap();
    let heavy = ["axum", "hyper", "reqwest", "tokio", "tokio-util"];
    let findings = manifest.dependencies().into_iter().filter(|(_, name)| heavy.contains(name));
    let findings = findings.map(|(number, name)| format!("{}:{number}: wire types need no {name}", manifest.path));
    check(&findings.collect::<Vec<_>>());
}

#[test]
fn the_transport_knows_envelopes_and_no_method() {
    let mut findings = Vec::new();
    for source in below("crates/transport/src/") {
        for (number, line) in source.lines() {
            let mut uses = line.split("valet_protocol::").skip(1);
            if uses.any(|used| !used.starts_with("jsonrpc") && !used.starts_with("RequestId")) {
                findings.push(format!("{}:{number}: only `jsonrpc` and `RequestId` are its business", source.path));
            }
        }
    }
    check(&findings);
}

#[test]
fn domain_types_and_wire_types_meet_where_they_are_converted() {
    let mut findings = Vec::new();
    for source in below("crates/server/src/") {
        let inside = source.path.trim_start_matches("crates/server/src/");
        if MEETING_PLACES.iter().any(|place| inside.starts_with(place)) {
            continue;
        }
        let domain = source.code().find(|(_, line)| line.contains("valet_agent::"));
        let wire = source.code().any(|(_, line)| line.contains("v2::"));
        if let (Some((number, _)), true) = (domain, wire) {
            findings.push(format!("{}:{number}: it has wire types, too; let `convert/` do that", source.path));
        }
    }
    check(&findings);
}

macro_rules! names {
    ($($name:ident),+) => { [$(stringify!($name)),+] };
}

#[test]
fn every_method_has_one_file_of_its_name() {
    let methods: BTreeSet<String> =
        valet_protocol::for_each_client_request!(names).iter().map(|name| snake_case(name)).collect();
    let files = below("crates/server/src/handlers/").map(|source| source.path.as_str());
    let files = files.filter_map(|path| path.strip_prefix("crates/server/src/handlers/")?.strip_suffix(".rs"));
    let files: BTreeSet<String> = files.filter(|name| *name != "mod").map(str::to_owned).collect();
    let missing = methods.difference(&files).map(|name| format!("crates/server/src/handlers/{name}.rs: write it"));
    let extra = files.difference(&methods);
    let extra = extra.map(|name| format!("crates/server/src/handlers/{name}.rs:1: no method has this name"));
    check(&missing.chain(extra).collect::<Vec<_>>());
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[test]
fn nothing_unfinished_is_committed() {
    let in_code = [
        (needle(&["to", "do!("]), "finish it"),
        (needle(&["unimpl", "emented!("]), "finish it"),
        (needle(&["db", "g!("]), "take it out"),
        (needle(&["#[ig", "nore"]), "a test runs, or says why it skips"),
    ];
    let anywhere = needle(&["FIX", "ME"]);
    let mut findings = Vec::new();
    for source in rust_files() {
        for (number, line) in source.code() {
            let found = in_code.iter().filter(|(needle, _advice)| line.contains(needle));
            findings.extend(found.map(|(needle, advice)| format!("{}:{number}: `{needle}`: {advice}", source.path)));
        }
        let marked = source.lines().filter(|(_, line)| line.contains(&anywhere));
        findings.extend(marked.map(|(number, _)| format!("{}:{number}: `{anywhere}`: do that", source.path)));
    }
    check(&findings);
}

#[test]
fn what_the_compiler_cannot_check_is_in_one_place() {
    let needle = needle(&["unsafe", "_code"]);
    let mut findings = Vec::new();
    for source in rust_files().filter(|source| source.path != UNCHECKED) {
        let found = source.code().filter(|(_, line)| line.contains(&needle));
        findings.extend(found.map(|(number, _)| format!("{}:{number}: only {UNCHECKED} may", source.path)));
    }
    check(&findings);
}

#[test]
fn names_are_imported_one_by_one_from_the_parent_module() {
    let needle = needle(&["use su", "per::*"]);
    let mut findings = Vec::new();
    for source in rust_files() {
        let found = source.code().filter(|(_, line)| line.contains(&needle));
        findings.extend(found.map(|(number, _)| format!("{}:{number}: name what is used", source.path)));
    }
    check(&findings);
}

#[test]
fn no_file_names_a_place_of_one_machine_or_a_registry() {
    let places = [needle(&["/wo", "rk/"]), needle(&["/ro", "ot/"])];
    let hosts = [needle(&["crates", ".io"]), needle(&["pypi", ".org"]), needle(&["npmjs", ".org"])];
    let mut findings = Vec::new();
    // The lock file names its registry by itself.
    for source in SOURCES.iter().filter(|source| source.path != "Cargo.lock") {
        for (number, line) in source.lines() {
            if let Some(place) = places.iter().find(|place| line.contains(*place)) {
                findings.push(format!("{}:{number}: `{place}` is not on other machines", source.path));
            }
            if let Some(host) = hosts.iter().find(|host| line.contains(*host)) {
                findings.push(format!("{}:{number}: leave `{host}` to the package manager", source.path));
            }
        }
    }
    check(&findings);
}

#[test]
fn no_dependency_asks_for_a_newer_compiler_than_ours() {
    let cargo = std::env::var_os("CARGO").unwrap();
    let mut command = Command::new(cargo);
    command.args(["metadata", "--locked", "--format-version=1"]).current_dir(root()).stderr(Stdio::inherit());
    let metadata = command.output().unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("cargo knows all packages");
    let packages = metadata["packages"].as_array().unwrap();
    let version = |package: &Value| package["rust_version"].as_str().map(compiler);
    let ours = compiler(env!("CARGO_PKG_RUST_VERSION"));
    assert!(packages.iter().any(|package| version(package) == Some(ours)), "our own packages say theirs");
    let newer = packages.iter().filter(|package| version(package).is_some_and(|version| version > ours));
    let findings = newer.map(|package| {
        let [name, version, compiler] =
            ["name", "version", "rust_version"].map(|key| package[key].as_str().unwrap_or("?"));
        format!("Cargo.lock: {name} {version} asks for Rust {compiler}; take an older one, or raise `rust-version`")
    });
    check(&findings.collect::<Vec<_>>());
}

/// The version of a compiler, to be compared.
fn compiler(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').filter_map(|part| part.parse().ok());
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[test]
fn links_between_pages_lead_to_files() {
    let mut findings = Vec::new();
    for source in SOURCES.iter().filter(|source| source.path.ends_with(".md")) {
        let page = root().join(&source.path);
        for (number, link) in links(source) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !page.with_file_name(target).exists() {
                findings.push(format!("{}:{number}: `{link}` leads nowhere", source.path));
            }
        }
    }
    check(&findings);
}

/// The relative links of a page, outside of code blocks.
fn links(source: &Source) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let mut in_code = false;
    for (number, line) in source.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            let relative = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
            links.extend(relative.map(|target| (number, target)));
        }
    }
    links
}
