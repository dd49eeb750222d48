//! A program that does not play the helper is not started again.
#![cfg(unix)]

use valet_exec::{Launcher, Sandbox, SpawnError, Spec, Stdio, Support};

#[tokio::test]
async fn a_program_that_does_not_call_helper_main_is_told_so_and_not_started_again() {
    let spec = Spec {
        argv: vec!["true".into()],
        cwd: "/".into(),
        env: std::collections::BTreeMap::new(),
        stdio: Stdio::Pipes { stdin: false },
        sandbox: Sandbox::None,
    };
    let launcher = Launcher::default();
    let SpawnError::Io(error) = launcher.spawn(spec).await.unwrap_err() else { panic!("another error") };
    assert!(error.to_string().contains("does not call `valet_exec::helper_main`"), "{error}");
    assert!(matches!(launcher.support().await, Support::None { reason } if reason.contains("helper_main")));
}
