//! What the reference shows of commands: `actions.jsonl` holds its answers, `<cwd>` stands for the directory.
//! Where Valet shows something else, it is listed here with the reason.

use std::path::Path;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_tools::shell::{Action, actions};

fn shown(script: &str) -> Value {
    let of = |action| match action {
        Action::Read { command, name, path } => json!({"type": "read", "command": command, "name": name, "path": path}),
        Action::ListFiles { command, path } => json!({"type": "listFiles", "command": command, "path": path}),
        Action::Search { command, query, path } => {
            json!({"type": "search", "command": command, "query": query, "path": path})
        }
        Action::Unknown { command } => json!({"type": "unknown", "command": command}),
    };
    actions(script, Path::new("<cwd>")).into_iter().map(of).collect()
}

#[test]
fn commands_are_shown_as_the_reference_shows_them() {
    let rows = include_str!("actions.jsonl").lines().map(|row| serde_json::from_str::<Value>(row).unwrap());
    let mut wrong = Vec::new();
    let mut count = 0;
    for row in rows {
        let script = row["script"].as_str().unwrap();
        let found = shown(script);
        if found != row["actions"] {
            wrong.push(format!("{script:?}\n  expected {}\n  found    {found}", row["actions"]));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 200);
}

#[test]
fn what_could_write_or_run_something_is_not_shown_as_reading() {
    // The reference shows the first part of these, or something harmless.
    for script in [
        "find . -delete",
        "find . | xargs rm",
        "cat a | xargs rm",
        "cat a | tee b",
        "ls | sort -o b",
        "rg --pre x foo",
        "fd -x rm",
        "git grep -Ovi foo",
        "awk '{print > \"b\"}' a",
        "awk 'BEGIN{system(\"rm a\")}' a",
        "tree -o b",
        "cat a | awk '{print | \"sh\"}'",
        "cat a | sed 'w b'",
        "cat a | sed 's/a/b/e'",
        "cat a | sed 's/a/b/w c'",
        "cat a | uniq - b",
        "bat --pager x a",
        "cd - && cat a",
    ] {
        assert_eq!(shown(script), json!([{"type": "unknown", "command": script}]));
    }
}

#[test]
fn values_of_options_are_not_taken_for_queries() {
    let search = |command: &str, query: &str, path: Option<&str>| json!([{"type": "search", "command": command, "query": query, "path": path}]);
    assert_eq!(shown("rg -e foo -e bar src"), search("rg -e foo -e bar src", "foo", Some("src")));
    assert_eq!(
        shown("grep -rn --include '*.rs' foo src"),
        search("grep -rn --include '*.rs' foo src", "foo", Some("src"))
    );
    assert_eq!(shown("find -name x"), search("find -name x", "x", None));
}
