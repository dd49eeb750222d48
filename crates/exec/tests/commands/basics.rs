//! What a command gets, and how it ends.

use std::os::unix::fs::PermissionsExt as _;

use pretty_assertions::assert_eq;
use valet_exec::{Exit, Launcher, SpawnError};

use crate::harness::{program, run, sh};

crate::harness::tests![
    a_command_runs_where_it_is_told_and_its_words_come_back,
    exit_codes_and_signals_are_told_apart,
    a_missing_program_is_127_and_one_line,
    what_cannot_be_executed_is_126_and_one_line,
    a_directory_that_is_not_there_is_a_clear_error,
    nonsense_is_refused,
    the_environment_is_exactly_what_is_given,
    descriptors_are_0_1_2_even_if_the_host_leaks_more,
    signals_are_as_a_shell_would_have_them,
    without_a_terminal_there_is_no_controlling_one,
    arguments_need_not_be_text,
    a_long_command_line_arrives_whole,
    a_helper_that_is_no_helper_is_an_error,
    why_a_supervisor_cannot_start_a_command_is_told,
    many_commands_run_side_by_side,
];

async fn a_command_runs_where_it_is_told_and_its_words_come_back() {
    let done = run(sh("pwd; echo wrong >&2")).await;
    assert_eq!((done.exit, &*done.stdout, &*done.stderr), (Exit::Code(0), "/\n", "wrong\n"));
}

async fn exit_codes_and_signals_are_told_apart() {
    assert_eq!(run(sh("exit 7")).await.exit, Exit::Code(7));
    let killed = run(sh("kill -USR1 $$")).await.exit;
    assert_eq!(killed, Exit::Signal(10));
    assert_eq!((killed.shell_code(), Exit::Code(3).shell_code()), (138, 3));
}

async fn a_missing_program_is_127_and_one_line() {
    let done = run(program(["there-is-no-such-program", "x"])).await;
    assert_eq!((done.exit, &*done.stderr), (Exit::Code(127), "there-is-no-such-program: not found\n"));
}

async fn what_cannot_be_executed_is_126_and_one_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    let done = run(program([file.path().to_str().unwrap()])).await;
    assert_eq!((done.exit, done.stderr.lines().count()), (Exit::Code(126), 1), "{}", done.stderr);
}

async fn a_directory_that_is_not_there_is_a_clear_error() {
    let mut spec = sh("true");
    spec.cwd = "/there/is/no/such/place".into();
    let error = Launcher::default().spawn(spec.clone()).await.unwrap_err();
    assert!(matches!(error, SpawnError::Cwd { .. }), "{error:?}");
    assert!(error.to_string().starts_with("cannot run in /there/is/no/such/place: No such file"), "{error}");
    spec.cwd = "/dev/null".into();
    assert!(matches!(Launcher::default().spawn(spec).await.unwrap_err(), SpawnError::Cwd { .. }));
}

async fn nonsense_is_refused() {
    let mut relative = sh("true");
    relative.cwd = "here".into();
    let mut odd = sh("true");
    odd.env.insert("A=B".into(), "".into());
    for spec in [program([]), program([""]), program(["a\0b"]), relative, odd] {
        let error = Launcher::default().spawn(spec).await.unwrap_err();
        assert!(matches!(error, SpawnError::Invalid(_)), "{error:?}");
    }
}

async fn the_environment_is_exactly_what_is_given() {
    let mut spec = program(["/usr/bin/env"]);
    spec.env = [("A".into(), "1".into()), ("PATH".into(), "/nowhere".into())].into();
    assert_eq!(run(spec.clone()).await.success(), "A=1\nPATH=/nowhere\n");
    spec.env.clear();
    assert_eq!(run(spec).await.success(), "");
}

async fn descriptors_are_0_1_2_even_if_the_host_leaks_more() {
    let leaked = std::fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    // The shell's own, seen from a child, as who lists a folder has that open as well.
    let done = run(sh("ls /proc/$$/fd; true")).await;
    drop(leaked);
    assert!(!cfg!(target_os = "linux") || done.stdout == "0\n1\n2\n", "{done:?}");
}

async fn signals_are_as_a_shell_would_have_them() {
    if !cfg!(target_os = "linux") {
        return println!("skipped: no /proc");
    }
    if std::env::var_os("AGAIN").is_none() {
        // The same in a host that ignores some, as one does that was started by `nohup`.
        let mut host = sh("trap '' HUP INT USR1; exec \"$1\" signals_are_as");
        host.argv.extend(["sh".into(), std::env::current_exe().unwrap().into()]);
        host.env.insert("AGAIN".into(), "1".into());
        run(host).await.success();
    }
    let done = run(program(["grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"])).await.success();
    let set = |line: &str| u64::from_str_radix(line.split('\t').nth(1).unwrap(), 16).unwrap();
    let sets: Vec<_> = done.lines().map(set).collect();
    // 32 and 33 are the C library's own, which it has ignored in whatever it spawns.
    assert_eq!([sets[0], sets[1] & !(0b11 << 31)], [0, 0], "{done}");
}

async fn without_a_terminal_there_is_no_controlling_one() {
    let done = run(sh("exec 3<>/dev/tty")).await;
    assert!(matches!(done.exit, Exit::Code(1..)), "{done:?}");
}

async fn arguments_need_not_be_text() {
    use std::os::unix::ffi::OsStringExt as _;
    let mut spec = sh("printf %s \"$1\" | od -An -tx1");
    spec.argv.extend(["sh".into(), std::ffi::OsString::from_vec(vec![b'a', 0xFF, b'b'])]);
    assert_eq!(run(spec).await.success().trim(), "61 ff 62");
}

async fn a_long_command_line_arrives_whole() {
    let mut spec = sh("echo ${#1} ${#LONG}");
    let long = "x".repeat(100_000);
    spec.argv.extend(["sh".into(), long.clone().into()]);
    spec.env.insert("LONG".into(), long.into());
    assert_eq!(run(spec).await.success(), "100000 100000\n");
}

async fn a_helper_that_is_no_helper_is_an_error() {
    let error = Launcher::with_helper("/bin/true".into()).spawn(sh("true")).await.unwrap_err();
    assert!(matches!(error, SpawnError::Io(_)), "{error:?}");
    let error = Launcher::with_helper("/nowhere".into()).spawn(sh("true")).await.unwrap_err();
    assert!(matches!(error, SpawnError::Io(_)), "{error:?}");
}

async fn why_a_supervisor_cannot_start_a_command_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let helper = folder.path().join("helper");
    let program = std::env::current_exe().unwrap();
    // Enough to take an order, and not to pass it on.
    std::fs::write(&helper, format!("#!/bin/sh\nulimit -n 10\nexec '{}' \"$@\"\n", program.display())).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o700)).unwrap();
    let error = Launcher::with_helper(helper).spawn(sh("true")).await.unwrap_err().to_string();
    assert!(error.contains("Too many open files"), "{error}");
}

async fn many_commands_run_side_by_side() {
    let running: Vec<_> = (0..40).map(|number| tokio::spawn(run(sh(&format!("cat; echo {number}"))))).collect();
    for (number, done) in running.into_iter().enumerate() {
        assert_eq!(done.await.unwrap().success(), format!("{number}\n"));
    }
}
