//! What goes wrong on the first day is told in a sentence that says what is wrong, and what to do about it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use pretty_assertions::assert_eq;
use valet_client::{AppServer, Client, Handlers};
use valet_protocol::methods as m;
use valet_sim::{Script, Sim};

use crate::probe::start_turn;
use crate::support::{VALET, home, in_time, valet};
use valet_tests::skip;

/// What a program has said on both streams, and its exit code.
fn said(mut command: Command) -> (String, Option<i32>) {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    (String::from_utf8([stdout, stderr].concat()).unwrap(), status.code())
}

#[test]
fn without_a_command_the_program_says_what_it_is_and_what_it_can_do() {
    let home = tempfile::tempdir().unwrap();
    let (text, code) = said(valet(home.path(), &[]));
    assert_eq!(code, Some(2));
    assert!(text.starts_with("An app server that a parent application embeds"), "{text}");
    for command in ["app-server", "sim", "demo", "login", "status"] {
        assert!(text.contains(&format!("\n  {command} ")), "{command}: {text}");
    }
}

#[test]
fn what_cannot_start_says_in_one_line_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let listen = format!("ws://127.0.0.1:{port}");
    let rows: [(&[&str], &str); 8] = [
        (&["app-server", "--listen", &listen], "take another port (0: any free one)"),
        (&["sim", "--port", &port.to_string()], "take another --port (0: any free one)"),
        (&["sim", "--script", "/no/such/script.json"], "valet: cannot read /no/such/script.json: No such file"),
        (&["login", "--api-key"], "pipe it into stdin, as in"),
        (&["accounts", "import", "codex", "/no/such/file"], "/no/such/file is not there: log in with that program"),
        (&["run"], "nobody is logged in; `valet login` makes a login"),
        (&["accounts", "export", "codex", "/no/such/file"], "nobody is logged in; `valet login` makes a login"),
        (&["accounts", "use", "x"], "`valet accounts list` says which there are"),
    ];
    for (args, words) in rows {
        let (text, code) = said(valet(home.path(), args));
        assert!(text.contains(words) && text.lines().count() == 1, "{args:?}: {text}");
        assert_eq!(text.matches("os error").count(), usize::from(text.contains("os error")), "said twice: {text}");
        assert_eq!(code, Some(1), "{args:?}");
    }
}

#[test]
fn a_pair_without_a_key_is_not_understood() {
    let home = tempfile::tempdir().unwrap();
    for pair in ["=3", " =3"] {
        let (text, code) = said(valet(home.path(), &["app-server", "-c", pair]));
        assert!(code == Some(2) && text.contains("a key goes before the `=`"), "{text}");
    }
}

#[test]
fn a_home_that_is_a_file_is_named_and_so_is_a_configuration_that_is_a_folder() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (text, code) = said(valet(&file, &["app-server"]));
    assert_eq!(
        (text, code),
        (format!("valet: VALET_HOME points at {}, which is not a directory\n", file.display()), Some(1))
    );
    std::fs::create_dir(home.path().join("config.toml")).unwrap();
    let (text, code) = said(valet(home.path(), &["app-server"]));
    assert!(text.contains("config.toml: Is a directory"), "{text}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_level_of_logs_that_is_none_is_named_and_warnings_are_logged_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    // The flag has no effect on stdio, which is a warning.
    let args = ["app-server", "--ws-auth", "capability-token", "--ws-token-file", "x"];
    let rows = [
        ("valet=loud", 2),
        ("loud", 2),
        ("warn,verbose", 2),
        ("", 1),
        ("WARN", 1),
        ("valet_store=debug", 1),
        ("error,valet_store=warn", 0),
        ("error", 0),
    ];
    for (level, lines) in rows {
        let mut command = valet(home.path(), &args);
        command.env("VALET_LOG", level);
        let (text, code) = said(command);
        assert_eq!((text.lines().count(), code), (lines, Some(0)), "{level}: {text}");
        let words = format!("valet: VALET_LOG={level}: no such level; say off, error, warn, info or debug");
        assert_eq!(text.contains(&words), lines == 2, "{text}");
    }
    // Another program's crate is no mistake of ours.
    let mut command = valet(home.path(), &args);
    command.env("RUST_LOG", "parent");
    assert_eq!(said(command).0.lines().count(), 1);
}

#[test]
fn at_a_terminal_the_app_server_says_whom_it_talks_to() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{VALET} app-server"), "/dev/null"]).env("VALET_HOME", home.path());
    let Ok(output) = command.stdin(Stdio::null()).output() else { return skip("script is not installed") };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("talks to the program that starts it") && text.contains("`valet demo`"), "{text}");
    assert!(output.status.success(), "{text}");
}

/// The words that a turn ends with, and what is logged meanwhile.
async fn failed_turn(home: &Path) -> (String, String) {
    let log = home.join("log");
    let mut command = valet(home, &["app-server"]);
    command.stderr(std::fs::File::create(&log).unwrap());
    let server = AppServer::spawn(&mut command).unwrap();
    let (client, mut told) = Client::new(server.link, Handlers::new());
    in_time(client.initialize("beginner", "1", true)).await.unwrap();
    start_turn(&client).await;
    let ended = in_time(told.wait_for::<m::TurnCompleted>(|_| true)).await.unwrap();
    drop((client, told));
    in_time(server.process.wait(crate::support::LIMIT)).await.unwrap();
    (ended.turn.error.unwrap().message, std::fs::read_to_string(log).unwrap())
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_named_without_what_may_be_a_key() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (host, reason) in [(closed.to_string(), "Connection refused"), ("no-such-host.invalid".to_owned(), "dns error")]
    {
        let home = tempfile::tempdir().unwrap();
        let config = format!(
            "model = \"m\"\nmodel_provider = \"away\"\n[model_providers.away]\nbase_url = \"http://hush:hush@{host}/v1\"\n\
             request_max_retries = 0\nstream_max_retries = 0\nquery_params = {{ key = \"hush\" }}\n"
        );
        std::fs::write(home.path().join("config.toml"), config).unwrap();
        let (words, log) = failed_turn(home.path()).await;
        assert!(words.contains(&format!("for url (http://{host}/v1/responses): ")), "{words}");
        assert!(words.contains(reason) && !words.contains("hush") && !log.contains("hush"), "{words}\n{log}");
    }
}

#[tokio::test]
async fn a_turn_for_which_nobody_is_logged_in_is_refused_by_the_backend_and_the_log_says_what_to_do() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let (words, log) = failed_turn(home(&sim).path()).await;
    assert!(words.starts_with("unexpected status 401 Unauthorized: "), "{words}");
    assert!(log.contains("nobody is logged in for this turn: log in with `account/login/start`"), "{log}");
}
