//! The reference's own TUI in a session: the account changes in the middle of a conversation, and the conversation goes
//! on. Where the TUI and a Python with `pyte` are installed.

use std::path::Path;
use std::process::Stdio;

use pretty_assertions::assert_eq;
use tokio::process::Command;
use valet_sim::{RecordedRequest, Rule, Script, TokenPolicy, When};
use valet_tests::installed;

use super::{Stage, native, used};
use crate::probe::{gone, tree};
use crate::support::VALET;

/// Says a number, and how much is used up after it.
fn says(account: &str, number: u32, percent: u32, sentence: &str) -> Rule {
    let words = Some(format!("say number {number}"));
    Rule::matching(When { account: Some(account.to_owned()), user_text: words, ..When::default() })
        .respond(used(percent, sentence))
}

#[tokio::test]
async fn the_tui_goes_on_with_its_conversation_under_the_second_account_when_the_first_is_at_its_limit() {
    let (Some(python), Some(codex)) = (installed::tui_python(), installed::codex()) else { return };
    let codex = native(&codex);
    let codex = codex.to_str().unwrap();
    for server in [&[][..], &["--codex-bin", codex]] {
        // The first token of each account is refused: both logins are renewed on the way.
        let script = Script::new()
            .tokens(TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() })
            .rule(says("acct-1", 1, 40, "One it is."))
            .rule(says("acct-1", 2, 100, "Two it is."))
            .rule(says("acct-2", 3, 10, "Three it is."));
        let stage = Stage::open(script, &["acct-1", "acct-2"]).await;
        let usual = stage.command(&[]);
        let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat/switch.py");
        let mut command = Command::new(&python);
        command.arg(steps).args([VALET, "run", "--policy", "headroom", "--client", codex]).args(server);
        // A model that has no newer one, or some hosts begin with a question.
        command.args(["--", "--model", "gpt-6-sol"]).stdin(Stdio::null()).kill_on_drop(true);
        command.envs(usual.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
        let folder = stage.path("work");
        std::fs::create_dir(&folder).unwrap();
        let config = std::fs::read_to_string(stage.path("config.toml")).unwrap();
        let trusted = format!("{config}[projects.{:?}]\ntrust_level = \"trusted\"\n", folder.display().to_string());
        std::fs::write(stage.path("config.toml"), trusted).unwrap();
        let process = command.current_dir(folder).stderr(Stdio::piped()).spawn().unwrap();
        let all = tree(process.id().unwrap());
        let output = tokio::time::timeout(std::time::Duration::from_secs(120), process.wait_with_output()).await;
        let output = output.unwrap().unwrap();
        assert!(output.status.success(), "{server:?}: {}", String::from_utf8_lossy(&output.stderr));
        gone(&all).await;

        let requests = stage.sim.requests();
        let mut turns =
            requests.iter().filter(|request| request.is_turn() && request.user_text().starts_with("say number"));
        let seen = |request: &RecordedRequest| {
            let account = request.header("chatgpt-account-id").unwrap().to_owned();
            (account, request.user_text(), request.status.unwrap())
        };
        let good: Vec<_> = turns.clone().filter(|request| request.status == Some(200)).map(seen).collect();
        let turn = |account: &str, number: u32| (account.to_owned(), format!("say number {number}"), 200);
        assert_eq!(good, [turn("acct-1", 1), turn("acct-1", 2), turn("acct-2", 3)], "{server:?}");
        let last = turns.next_back().unwrap().body.to_string();
        assert!(["say number 1", "One it is.", "Two it is."].iter().all(|words| last.contains(words)), "{last}");
        let grants = stage.sim.tokens().grants();
        let renewed = requests.iter().filter(|request| request.path_only() == "/oauth/token").count();
        assert!(renewed >= 2 && grants.len() == 2, "{server:?}: both logins were renewed: {renewed}");
    }
}
