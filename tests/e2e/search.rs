//! Searches for files, the diff to the remote, and what clients ask about extensions.

use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;
use valet_protocol::methods as m;
use valet_sim::Script;
use valet_tests::{TestClient, TestHost};

fn tree() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = fs::canonicalize(folder.path()).unwrap();
    fs::create_dir_all(path.join("src/handlers")).unwrap();
    for file in ["src/main.rs", "src/handlers/mod.rs", "README.md"] {
        fs::write(path.join(file), "").unwrap();
    }
    (folder, path)
}

async fn client() -> (TestHost, TestClient) {
    let host = TestHost::start(Script::new()).await;
    let client = host.client().await;
    (host, client)
}

fn main_rs(root: &Path) -> Value {
    json!({
        "root": root, "path": "src/main.rs", "match_type": "file", "file_name": "main.rs", "score": 65645,
        "indices": [4, 5, 6, 7],
    })
}

#[tokio::test]
async fn files_and_directories_are_found_with_the_scores_of_the_reference() {
    let (_folder, root) = tree();
    let (_host, mut client) = client().await;
    let search = |query: &str| json!({ "query": query, "roots": [root], "cancellationToken": null });
    let found = client.call("fuzzyFileSearch", search("main")).await.unwrap();
    assert_eq!(found, json!({ "files": [main_rs(&root)] }));
    let found = client.call("fuzzyFileSearch", search("handlers")).await.unwrap();
    let directory = &found["files"][0];
    assert_eq!((&directory["path"], &directory["match_type"]), (&json!("src/handlers"), &json!("directory")));
    let nothing = json!({ "files": [] });
    assert_eq!(client.call("fuzzyFileSearch", search("")).await.unwrap(), nothing);
    let nowhere = json!({ "query": "main", "roots": [root.join("no"), "relative"] });
    assert_eq!(client.call("fuzzyFileSearch", nowhere).await.unwrap(), nothing);
    let refusal = client.refused("fuzzyFileSearch", json!({ "query": "main" })).await;
    assert_eq!(refusal.message, "Invalid request: missing field `roots`");
}

#[tokio::test]
async fn each_search_with_the_same_token_is_answered_and_the_last_one_whole() {
    let (_folder, root) = tree();
    let (_host, mut client) = client().await;
    let search = json!({ "query": "main", "roots": [root], "cancellationToken": "t" });
    for id in 101..110 {
        client.send_text(&json!({ "id": id, "method": "fuzzyFileSearch", "params": search }).to_string());
    }
    // Nothing of the searches before is kept that could cancel this one.
    for _ in 0..2 {
        let last = client.call("fuzzyFileSearch", search.clone()).await.unwrap();
        assert_eq!(last, json!({ "files": [main_rs(&root)] }));
    }
}

/// The matches of a session's query when all files have been seen.
async fn completed(client: &mut TestClient, query: &str) -> Value {
    let mut files = Value::Null;
    loop {
        let (method, params) = client.next().await;
        match method.as_str() {
            "fuzzyFileSearch/sessionUpdated" if params["query"] == query => files = params["files"].clone(),
            "fuzzyFileSearch/sessionCompleted" if !files.is_null() => return files,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_session_tells_what_is_found_as_the_query_is_typed() {
    let (_folder, root) = tree();
    let (host, mut client) = client().await;
    let session = |method: &str| format!("fuzzyFileSearch/session{method}");
    client.call(&session("Start"), json!({ "sessionId": "s", "roots": [root] })).await.unwrap();
    client.call(&session("Update"), json!({ "sessionId": "s", "query": "ma" })).await.unwrap();
    client.call(&session("Update"), json!({ "sessionId": "s", "query": "main" })).await.unwrap();
    assert_eq!(completed(&mut client, "main").await, json!([main_rs(&root)]));
    client.call(&session("Update"), json!({ "sessionId": "s", "query": "zzz" })).await.unwrap();
    assert_eq!(completed(&mut client, "zzz").await, json!([]));

    let mut stranger = host.client().await;
    let params = json!({ "sessionId": "s", "query": "main" });
    let not_found = "fuzzy file search session not found: s";
    assert_eq!(stranger.refused(&session("Update"), params.clone()).await.message, not_found);
    for _ in 0..2 {
        client.call(&session("Stop"), json!({ "sessionId": "s" })).await.unwrap();
    }
    assert_eq!(client.refused(&session("Update"), params).await.message, not_found);
}

#[tokio::test]
async fn a_session_needs_a_name_a_place_and_the_opt_in() {
    let (_folder, root) = tree();
    let (host, mut client) = client().await;
    let start = "fuzzyFileSearch/sessionStart";
    let refusal = client.refused(start, json!({ "sessionId": "", "roots": [root] })).await;
    assert_eq!((refusal.code, refusal.message.as_str()), (-32600, "sessionId must not be empty"));
    let refusal = client.refused(start, json!({ "sessionId": "s", "roots": [] })).await;
    let words = "failed to start fuzzy file search session: at least one search directory is required";
    assert_eq!((refusal.code, refusal.message.as_str()), (-32603, words));
    for number in 0..16 {
        client.call(start, json!({ "sessionId": number.to_string(), "roots": [root] })).await.unwrap();
    }
    client.call(start, json!({ "sessionId": "15", "roots": [root] })).await.unwrap();
    let refusal = client.refused(start, json!({ "sessionId": "16", "roots": [root] })).await;
    assert_eq!(refusal.message, "failed to start fuzzy file search session: 16 are open");
    let mut plain = host.connect();
    plain.initialize_with(Value::Null).await;
    let refusal = plain.refused(start, json!({ "sessionId": "s", "roots": [root] })).await;
    assert_eq!(refusal.message, format!("{start} requires experimentalApi capability"));
}

#[tokio::test]
async fn a_directory_without_a_repository_has_no_diff_to_a_remote() {
    let (_folder, root) = tree();
    let (_host, mut client) = client().await;
    let refusal = client.refused("gitDiffToRemote", json!({ "cwd": root })).await;
    let words = format!("failed to compute git diff to remote for cwd: {:?}", root.display().to_string());
    assert_eq!((refusal.code, refusal.message), (-32600, words));
}

#[tokio::test]
async fn the_diff_to_the_remote_is_of_the_commit_that_it_names() {
    let (_folder, root) = tree();
    let git = |arguments: &str| {
        let identity = ["-c", "user.name=n", "-c", "user.email=a@example.com"];
        let output =
            std::process::Command::new("git").args(identity).args(arguments.split(' ')).current_dir(&root).output();
        String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
    };
    git("init -q -b main .");
    git("add -A");
    git("commit -q -m message");
    let sha = git("rev-parse HEAD");
    git(&format!("update-ref refs/remotes/origin/main {sha}"));
    git("remote add origin nowhere");
    fs::write(root.join("new"), "line\n").unwrap();
    let (_host, mut client) = client().await;
    let answer = client.call("gitDiffToRemote", json!({ "cwd": root.join("src") })).await.unwrap();
    assert_eq!(answer["sha"], sha.as_str());
    let diff = answer["diff"].as_str().unwrap();
    assert!(diff.starts_with("diff --git a/new b/new\nnew file mode 100644\n") && diff.ends_with("+line\n"), "{diff}");
}

#[tokio::test]
async fn what_valet_has_none_of_is_listed_as_empty() {
    let (_host, mut client) = client().await;
    let here = std::env::current_dir().unwrap();
    let page = json!({ "data": [], "nextCursor": null });
    let plan = json!({ "name": "Plan", "mode": "plan", "model": null, "reasoning_effort": "medium" });
    let default = json!({ "name": "Default", "mode": "default", "model": null, "reasoning_effort": null });
    let pinned = json!({ "id": "01984de2-8f74-7c91-a3b2-5c5e937cf318", "name": "Pinned", "appearance": null });
    let cases = [
        ("skills/list", json!({ "data": [{ "cwd": here, "skills": [], "errors": [] }] })),
        ("hooks/list", json!({ "data": [{ "cwd": here, "hooks": [], "warnings": [], "errors": [] }] })),
        ("plugin/installed", json!({ "marketplaces": [], "marketplaceLoadErrors": [] })),
        ("app/list", page.clone()),
        ("mcpServerStatus/list", page.clone()),
        ("experimentalFeature/list", page),
        ("config/mcpServer/reload", json!({})),
        ("collaborationMode/list", json!({ "data": [plan, default] })),
        ("threadSection/list", json!({ "data": [pinned], "nextCursor": null })),
        ("account/bedrock/checkGovCloudRequirements", json!({ "isGovCloud": false, "shouldWarn": false })),
    ];
    for (method, expected) in cases {
        assert_eq!(client.call(method, json!({})).await.unwrap(), expected, "{method}");
    }
}

#[tokio::test]
async fn lists_are_of_what_was_asked_for() {
    let (_host, mut client) = client().await;
    let cwds = json!({ "cwds": ["/one", "two"] });
    let skills = client.request::<m::SkillsList>(serde_json::from_value(cwds.clone()).unwrap()).await;
    assert_eq!(skills.data.iter().map(|entry| entry.cwd.as_str()).collect::<Vec<_>>(), ["/one", "two"]);
    let thread = client.request::<m::ThreadStart>(Default::default()).await.thread;
    let of_thread = client.call("hooks/list", json!({ "threadId": thread.id })).await.unwrap();
    assert_eq!(of_thread["data"][0]["cwd"], thread.cwd);
    let mut both = cwds;
    both["threadId"] = json!(thread.id);
    let unknown = "01984de2-8f74-7c91-a3b2-5c5e937cf318";
    let thread_not_found = format!("thread not found: {unknown}");
    let cases = [
        ("hooks/list", both, "specify either threadId or cwds"),
        ("hooks/list", json!({ "threadId": unknown }), &thread_not_found),
        ("app/list", json!({ "threadId": unknown }), &thread_not_found),
        ("mcpServerStatus/list", json!({ "threadId": unknown }), &thread_not_found),
        ("mcpServerStatus/list", json!({ "cursor": "zz" }), "invalid cursor: zz"),
        ("mcpServerStatus/list", json!({ "cursor": "5" }), "cursor 5 exceeds total MCP servers 0"),
        ("experimentalFeature/list", json!({ "cursor": "5" }), "cursor 5 exceeds total feature flags 0"),
        (
            "plugin/installed",
            json!({ "cwds": ["relative"] }),
            "Invalid request: AbsolutePathBuf deserialized without a base path",
        ),
        ("skills/list", json!({ "cwds": null }), "Invalid request: invalid type: null, expected a sequence"),
    ];
    for (method, params, words) in cases {
        assert_eq!(client.refused(method, params).await.message, words, "{method}");
    }
}
