//! What the tests share: commands in a line, their whole output, and tests as values.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use valet_exec::{Exit, Launcher, Output, Running, Sandbox, Spec, Stdio, Stream};

/// Longer than anything takes here, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes `tests()`, which lists these. One that is not listed is dead code, which the compiler tells.
macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        pub(crate) fn tests() -> Vec<libtest_mimic::Trial> {
            vec![$(crate::harness::trial(concat!(module_path!(), "::", stringify!($name)), $name)),+]
        }
    };
}
pub(crate) use tests;

pub(crate) fn trial<F: Future<Output = ()>>(name: &'static str, test: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(name.trim_start_matches("commands::"), move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { soon(test()).await });
        Ok(())
    })
}

/// What happens within a minute, or a failure.
#[track_caller]
pub(crate) fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move { tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_late| panic!("nothing happened at {place}")) }
}

/// A program with arguments, in `/`, with a `PATH` and nothing to read.
pub(crate) fn program<const N: usize>(argv: [&str; N]) -> Spec {
    Spec {
        argv: argv.map(Into::into).into(),
        cwd: "/".into(),
        env: [("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())].into(),
        stdio: Stdio::Pipes { stdin: false },
        sandbox: Sandbox::None,
    }
}

pub(crate) fn sh(script: &str) -> Spec {
    program(["sh", "-c", script])
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) exit: Exit,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.exit, Exit::Code(0), "{self:?}");
        self.stdout
    }
}

pub(crate) async fn start(spec: Spec) -> (Running, Output) {
    Launcher::default().spawn(spec).await.unwrap()
}

/// Runs a command to its end, and what is left of its tree with it.
pub(crate) async fn run(spec: Spec) -> Done {
    let (running, output) = start(spec).await;
    let exit = async {
        running.wait().await;
        running.end().await
    };
    let (exit, (stdout, stderr)) = tokio::join!(exit, read(output));
    Done { exit, stdout, stderr }
}

/// Everything that is written until nobody is left to write.
pub(crate) async fn read(mut output: Output) -> (String, String) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(chunk) = output.recv().await {
        match chunk.stream {
            Stream::Stdout => stdout.extend_from_slice(&chunk.bytes),
            Stream::Stderr => stderr.extend_from_slice(&chunk.bytes),
        }
    }
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Reads until the text has come.
pub(crate) async fn until(output: &mut Output, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        let chunk = soon(output.recv()).await.unwrap_or_else(|| panic!("{text:?} did not come: {seen:?}"));
        seen.push_str(std::str::from_utf8(&chunk.bytes).unwrap());
    }
    seen
}

/// Whether a program can be tried at all here.
pub(crate) fn installed(program: &str) -> bool {
    ["/usr/local/bin", "/usr/bin", "/bin"].iter().any(|folder| Path::new(folder).join(program).exists())
}
