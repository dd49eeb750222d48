//! The sandbox of macOS: that the generated profile is accepted, and keeps its word.

use std::fs;

use pretty_assertions::assert_eq;
use valet_exec::{Exit, Launcher, Limits, Sandbox, Spec, Support};

use crate::harness::{run, sh};

crate::harness::tests![
    the_system_has_its_sandbox,
    what_is_writable_is_written_and_nothing_else,
    protected_and_hidden_paths_are,
    there_is_no_network_unless_it_is_granted,
];

/// A command that may write to `inside` of this folder.
fn confined(base: &tempfile::TempDir, script: &str, network: bool) -> Spec {
    let [inside, secret] = ["inside", "secret"].map(|name| base.path().canonicalize().unwrap().join(name));
    fs::create_dir_all(inside.join(".git")).unwrap();
    fs::write(&secret, "secret").unwrap();
    let mut spec = sh(script);
    spec.cwd.clone_from(&inside);
    let limits = Limits { protected: vec![inside.join(".git")], writable: vec![inside], hidden: vec![secret], network };
    spec.sandbox = Sandbox::Confined(limits);
    spec
}

async fn the_system_has_its_sandbox() {
    assert_eq!(Launcher::default().support().await, Support::Full);
}

async fn what_is_writable_is_written_and_nothing_else() {
    let base = tempfile::tempdir().unwrap();
    let done = run(confined(&base, "echo x > new && cat new | cat > /dev/null && ls / > /dev/null", false)).await;
    assert_eq!(done.exit, Exit::Code(0), "{done:?}");
    for way in ["echo x > ../outside", "ln -s .. up; echo x > up/outside", "mv new ../outside", "chmod 777 ../secret"] {
        let done = run(confined(&base, way, false)).await;
        assert!(done.exit != Exit::Code(0) && !base.path().join("outside").exists(), "{way}: {done:?}");
    }
}

async fn protected_and_hidden_paths_are() {
    let base = tempfile::tempdir().unwrap();
    for way in ["echo x > .git/config", "rmdir .git", "mv .git git", "cat ../secret"] {
        let done = run(confined(&base, way, false)).await;
        assert!(done.exit != Exit::Code(0) && done.stdout.is_empty(), "{way}: {done:?}");
    }
}

async fn there_is_no_network_unless_it_is_granted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{}", listener.local_addr().unwrap().port());
    let base = tempfile::tempdir().unwrap();
    for (network, expected) in [(false, false), (true, true)] {
        let mut spec = confined(&base, &connect, network);
        spec.argv[0] = "bash".into();
        let done = run(spec).await;
        assert_eq!(done.exit == Exit::Code(0), expected, "{done:?}");
    }
}
