//! A home directory that points the binary at a sim, and the binary itself.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use valet_sim::Sim;

/// The binary under test.
pub(crate) const VALET: &str = env!("CARGO_BIN_EXE_valet");

/// A home directory whose `config.toml` names the sim as model provider and as ChatGPT backend.
pub(crate) fn home(sim: &Sim) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    write_config(home.path(), &sim.origin());
    home
}

/// Writes the `config.toml` that points at a sim.
pub(crate) fn write_config(home: &Path, origin: &str) {
    let text = format!(
        "model = \"gpt-5.5\"\n\
         model_provider = \"sim\"\n\
         chatgpt_base_url = \"{origin}/backend-api\"\n\
         [model_providers.sim]\n\
         base_url = \"{origin}/v1\"\n\
         wire_api = \"responses\"\n\
         requires_openai_auth = true\n\
         stream_max_retries = 0\n\
         request_max_retries = 0\n"
    );
    std::fs::write(home.join("config.toml"), text).unwrap();
}

/// `valet ARGS` in that home.
pub(crate) fn valet(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(VALET);
    command.args(args).env("VALET_HOME", home).env_remove("CODEX_HOME").env_remove("VALET_LOG");
    command
}

/// Says why a test does nothing here. Shown by `cargo test -- --nocapture`, and by CI.
pub(crate) fn skip(why: &str) {
    eprintln!("skipped: {why}");
}
