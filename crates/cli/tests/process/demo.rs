//! The first thing that a stranger runs.

use std::process::Command;

use crate::support::VALET;

#[test]
fn the_demo_shows_the_refusal_the_refresh_and_the_answer_plainly_when_no_terminal_is_there() {
    let output = Command::new(VALET).arg("demo").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut rest = text.as_str();
    let story = [
        "account/login/start  lends token ",
        "POST /v1/responses  token ",
        "401  the token has expired",
        "account/chatgptAuthTokens/refresh",
        "POST /v1/responses  token ",
        "200  a stream of events",
        "“Your token had expired.",
        "turn/completed  completed",
        "refresh requests           1",
    ];
    for line in story {
        rest = rest.split_once(line).unwrap_or_else(|| panic!("{line:?} is not said, or too early:\n{text}")).1;
    }
    assert!(!text.contains('\u{1b}'), "no colours in a pipe");
    assert!(!text.contains("eyJ"), "no token is shown");
}
