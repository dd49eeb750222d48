//! The differential test: each scenario of `tests/scenarios` is played to Valet in strict mode, and what it says is
//! compared with what the reference said, which is recorded beside the scenarios. With `DIFFERENTIAL=live` the
//! reference is played to, too, and must say what is recorded; with `UPDATE_RECORDINGS=1` it is recorded anew.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and tells on stderr")]

mod checks;
mod compare;
mod connection;
mod deviations;
mod host;
mod names;
mod scenario;
mod stage;
mod transcript;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};

use compare::{Finding, compare};
use deviations::Deviations;
use host::Which;
use scenario::Scenario;
use stage::Stage;
use transcript::{Transcript, known};

/// How often the reference is played to before its transcript is believed.
const RECORDING_RUNS: usize = 3;
/// Most of the time everybody waits.
const THREADS: usize = 6;
/// How long a host may take to say what is still expected after the last step.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    if !cfg!(target_os = "linux") {
        valet_tests::skip("the recordings were made on Linux, and say so");
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let is_whole = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list;
    let deviations = match Deviations::load() {
        Ok(deviations) => Arc::new(deviations),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let names = scenario::names();
    let mut trials = vec![
        trial("what differs is found", |_| checks::faults(), &deviations),
        trial("the list of deviations", |deviations| deviations.check(), &deviations),
        trial("each recording has its scenario", |_| strangers(), &deviations),
    ];
    for name in names {
        let of = name.clone();
        trials.push(trial(&name, move |deviations| tested(&of, deviations), &deviations));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let outlived = deviations.outlived();
    if is_whole && !conclusion.has_failed() && !outlived.is_empty() {
        eprintln!("true of no scenario any more, remove them from deviations.json: {}", outlived.join(", "));
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// A test that fails with a list of faults.
fn trial(
    name: &str,
    faults: impl FnOnce(&Deviations) -> Vec<String> + Send + 'static,
    deviations: &Arc<Deviations>,
) -> Trial {
    let deviations = Arc::clone(deviations);
    Trial::test(name, move || {
        let faults = faults(&deviations);
        if faults.is_empty() { Ok(()) } else { Err(format!("{}\n", faults.join("\n")).into()) }
    })
}

/// Recordings without a scenario.
fn strangers() -> Vec<String> {
    let names: BTreeSet<_> = scenario::names().into_iter().collect();
    let pages = std::fs::read_dir(scenario::folder().join("recorded")).unwrap();
    let files = pages.flat_map(|page| std::fs::read_dir(page.unwrap().path()).unwrap());
    let recorded = files.filter_map(|file| scenario::name_of(&file.unwrap().path(), "jsonl"));
    recorded.filter(|name| !names.contains(name)).map(|name| format!("recorded/{name}.jsonl has no scenario")).collect()
}

/// Plays one scenario to whom the environment says. Returns what is wrong.
fn tested(name: &str, deviations: &Deviations) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wrong = runtime.block_on(async {
        let scenario = Scenario::load(name)?;
        if std::env::var_os("UPDATE_RECORDINGS").is_some() {
            record(&scenario).await?;
        } else if std::env::var_os("DIFFERENTIAL").is_some_and(|mode| mode == "live") {
            check_recording(&scenario).await?;
        }
        let recorded = Transcript::read(name)?;
        let faults = |findings: &[Finding]| deviations.faults(name, findings);
        play(Which::Valet, &scenario, &recorded, faults).await
    });
    wrong.unwrap_or_else(|error: String| vec![error])
}

/// Plays a scenario, and waits until nothing is wrong any more, or for long enough. Returns what is wrong.
async fn play(
    which: Which,
    scenario: &Scenario,
    expected: &Transcript,
    faults: impl Fn(&[Finding]) -> Vec<String>,
) -> Result<Vec<String>, String> {
    let mut stage = Stage::set(which, scenario).await?;
    let mut wrong = Vec::new();
    let played = stage.play().await;
    if let Err(error) = &played {
        wrong.push(format!("{}\n  {error}", scenario.says));
    }
    let start = Instant::now();
    let (pause, patience) = match (which, played.is_ok()) {
        (Which::Valet, true) => (Duration::from_millis(20), PATIENCE),
        (Which::Reference, true) => (Duration::from_millis(600), PATIENCE),
        (_, false) => (Duration::ZERO, Duration::ZERO),
    };
    let found = loop {
        let settled = stage.settle(pause).await;
        let transcript = Transcript::of(&mut stage);
        let found = faults(&compare(expected, &transcript, &known(&stage)));
        if found.is_empty() || settled.is_err() || start.elapsed() > patience {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    wrong.extend(found);
    stage.leave().await;
    Ok(wrong)
}

/// The reference says what is recorded.
async fn check_recording(scenario: &Scenario) -> Result<(), String> {
    let recorded = Transcript::read(&scenario.name)?;
    let all = |findings: &[Finding]| findings.iter().map(Finding::to_string).collect();
    let wrong = play(Which::Reference, scenario, &recorded, all).await?;
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("the recording is not what the reference says:\n{}", wrong.join("\n")))
    }
}

/// Plays a scenario to the reference several times, and records what it says if it always says the same.
async fn record(scenario: &Scenario) -> Result<(), String> {
    let mut first: Option<Transcript> = None;
    for _ in 0..RECORDING_RUNS {
        let mut stage = Stage::set(Which::Reference, scenario).await?;
        let played = match stage.play().await {
            Ok(()) => stage.settle(Duration::from_millis(800)).await,
            error => error,
        };
        let transcript = Transcript::of(&mut stage);
        let known = known(&stage);
        let log = stage.places.home.path().join("stderr.log");
        let log = std::fs::read_to_string(log).unwrap_or_default();
        stage.leave().await;
        played.map_err(|error| format!("the reference, {error}\n{}\n{log}", transcript.brief()))?;
        let Some(first) = &first else {
            first = Some(transcript);
            continue;
        };
        let found: Vec<_> = compare(first, &transcript, &known).iter().map(Finding::to_string).collect();
        if !found.is_empty() {
            return Err(format!("the reference does not always say the same:\n{}", found.join("\n")));
        }
    }
    let transcript = first.unwrap();
    let prose = transcript.prose(scenario);
    if !prose.is_empty() {
        return Err(format!("this would be the reference's prose:\n{}", prose.join("\n")));
    }
    transcript.write(&scenario.name);
    Ok(())
}
