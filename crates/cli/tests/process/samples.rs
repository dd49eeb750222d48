//! The sample parents in `examples/` tell their story against a sim: they lend a token, are asked for a new one, and
//! print the answer.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use pretty_assertions::assert_eq;
use tokio::process::Command;
use valet_sim::{Script, Sim};
use valet_tests::{installed, skip};

use crate::support;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
const ANSWER: &str = "Hello from the other side of a 401.\n[completed]\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_sample_refreshes_its_token_and_prints_the_answer() {
    refreshes_and_answers(Command::new(rust_sample().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sample_refreshes_its_token_and_prints_the_answer() {
    let Some(python) = first_that_runs(["python3".into(), "python".into()]).await else {
        skip("no Python was found");
        return;
    };
    let mut command = Command::new(python);
    command.arg(example("python/parent.py"));
    refreshes_and_answers(command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sample_refreshes_its_token_and_prints_the_answer() {
    let mut node = Command::new("node");
    node.args(["-p", "process.features.typescript"]).stderr(Stdio::null());
    let Ok(features) = node.output().await else {
        skip("no Node was found");
        return;
    };
    let compiled = tempfile::tempdir().unwrap();
    let mut command = Command::new("node");
    if matches!(features.stdout.trim_ascii(), b"strip" | b"transform") {
        command.arg(example("typescript/parent.ts"));
    } else if let Some(tsc) = installed::tsc() {
        compile(&tsc, compiled.path()).await;
        command.arg(compiled.path().join("examples/typescript/parent.js"));
    } else {
        skip("this Node runs no TypeScript, and no tsc was found");
        return;
    }
    refreshes_and_answers(command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sample_agrees_with_the_generated_types() {
    let Some(tsc) = installed::tsc() else { return };
    compile(&tsc, tempfile::tempdir().unwrap().path()).await;
}

#[test]
fn every_sample_is_shorter_than_100_lines() {
    for sample in ["rust/src/main.rs", "typescript/parent.ts", "python/parent.py"] {
        let lines = std::fs::read_to_string(example(sample)).unwrap().lines().count();
        assert!(lines < 100, "{sample} has {lines} lines");
    }
}

/// Runs a sample against a sim that refuses the first token.
async fn refreshes_and_answers(mut command: Command) {
    let sim = Sim::start(Script::load(example("refuse-first-token.json")).unwrap()).await.unwrap();
    let temporary = tempfile::tempdir().unwrap();
    command.arg(sim.origin()).env("VALET_BIN", support::VALET).env_remove("CODEX_HOME").env_remove("VALET_LOG");
    command.env("TMPDIR", temporary.path()).env("TEMP", temporary.path()).env("TMP", temporary.path());
    // Neither the sample nor the app server is to look for the sim behind a proxy.
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    let output = run(command, Duration::from_secs(60)).await;
    let stdout = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
    let stderr = String::from_utf8(output.stderr).unwrap();

    let requests = sim.requests();
    let bearers: Vec<_> = requests.iter().filter_map(|request| request.bearer.as_deref()).collect();
    assert!(!bearers.iter().any(|token| stdout.contains(token) || stderr.contains(token)), "a token was printed");
    assert_eq!(stdout, ANSWER, "{stderr}");
    assert!(output.status.success(), "{stderr}");

    let turns: Vec<_> = requests.iter().filter(|request| request.is_turn()).collect();
    let answers: Vec<_> = turns.iter().map(|turn| (turn.path_only(), turn.status)).collect();
    assert_eq!(answers, [("/v1/responses", Some(401)), ("/v1/responses", Some(200))]);
    assert_eq!(turns[0].bearer.as_deref(), Some(bearers[0]));
    assert_ne!(turns[0].bearer, turns[1].bearer);
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "the sample left something behind: {left:?}");
    sim.shutdown().await;
}

/// The binary of the Rust sample. `cargo test --workspace` has built it next to `valet`, because its package has an
/// integration test. A run of this package alone has not; only then cargo is asked for it, because a build of one
/// package has other features than a build of all, and would be a long one after it.
async fn rust_sample() -> PathBuf {
    let valet = Path::new(support::VALET);
    let sample = valet.with_file_name(format!("valet-example-parent{}", std::env::consts::EXE_SUFFIX));
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    if modified(&sample) < modified(&example("rust/src/main.rs")) {
        let directory = valet.parent().unwrap();
        let profile = match directory.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--package", "valet-example-parent", "--profile", profile, "--target-dir"]);
        cargo.arg(directory.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = run(cargo, Duration::from_secs(600)).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    sample
}

/// Compiles the TypeScript sample, which checks its types.
async fn compile(tsc: &Path, directory: &Path) {
    let mut command = Command::new(tsc);
    command.arg("--project").arg(example("typescript")).arg("--outDir").arg(directory);
    let output = run(command, Duration::from_secs(120)).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    // What makes Node read the result as a module.
    std::fs::copy(example("typescript/package.json"), directory.join("package.json")).unwrap();
}

async fn first_that_runs<const N: usize>(programs: [PathBuf; N]) -> Option<PathBuf> {
    for program in programs {
        let mut probe = Command::new(&program);
        probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        if probe.status().await.is_ok_and(|status| status.success()) {
            return Some(program);
        }
    }
    None
}

fn example(path: &str) -> PathBuf {
    Path::new(EXAMPLES).join(path)
}

async fn run(mut command: Command, limit: Duration) -> Output {
    command.kill_on_drop(true);
    tokio::time::timeout(limit, command.output()).await.unwrap().unwrap()
}
