//! Where and of what something was measured.

use std::process::Command;

/// Facts in the order of their showing, each with its name.
pub(crate) fn facts() -> Vec<(&'static str, String)> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |path: &str, name: &str| {
        let text = read(path);
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches([' ', '\t', ':', '=']).trim_matches('"').to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kib: u64 = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    let system = [field("/etc/os-release", "PRETTY_NAME"), field("/proc/sys/kernel/osrelease", "")];
    vec![
        ("date", chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string()),
        ("processor", format!("{}, {cores} cores", field("/proc/cpuinfo", "model name"))),
        ("memory", format!("{} MiB", kib >> 10)),
        ("system", format!("{} {}, {}", std::env::consts::OS, std::env::consts::ARCH, system.join(", "))),
        ("commit", commit()),
    ]
}

/// The commit that is checked out, and whether anything has changed since.
fn commit() -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty=, with changes"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if text.is_empty() { "unknown".to_owned() } else { text }
}
