//! Starting, reading, listing and leaving threads.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2;
use valet_sim::Script;
use valet_tests::TestHost;

#[tokio::test]
async fn a_new_thread_has_what_the_configuration_and_the_request_say() {
    let host = TestHost::builder()
        .config("approval_policy = \"never\"")
        .config("sandbox_mode = \"workspace-write\"")
        .config("model_reasoning_effort = \"high\"")
        .start()
        .await;
    let mut client = host.client().await;
    let started = client.request::<m::ThreadStart>(v2::ThreadStartParams::default()).await;
    assert_eq!((started.model.as_str(), started.model_provider.as_str()), ("gpt-5.5", "sim"));
    assert_eq!(started.approval_policy, v2::AskForApproval::Never);
    assert!(matches!(started.sandbox, v2::SandboxPolicy::WorkspaceWrite { .. }));
    assert_eq!(started.reasoning_effort.as_deref(), Some("high"));
    let params = json!({
        "model": "other", "cwd": "/tmp", "approvalPolicy": "untrusted", "sandbox": "read-only",
        "config": { "model_reasoning_effort": "low" }, "threadSource": "user",
    });
    let other = client.call("thread/start", params).await.unwrap();
    assert_eq!(
        (&other["model"], &other["cwd"], &other["approvalPolicy"], &other["reasoningEffort"]),
        (&json!("other"), &json!("/tmp"), &json!("untrusted"), &json!("low"))
    );
    assert_eq!(other["sandbox"], json!({ "type": "readOnly", "networkAccess": false }));
    assert_eq!(other["thread"]["threadSource"], "user");
}

#[tokio::test]
async fn a_profile_of_permissions_stands_for_a_sandbox_and_an_unknown_one_is_refused() {
    let host = TestHost::builder().config("sandbox_mode = \"danger-full-access\"").start().await;
    let mut client = host.client().await;
    let profiles = client.call("permissionProfile/list", json!({})).await.unwrap();
    let ids: Vec<_> = profiles["data"].as_array().unwrap().iter().map(|profile| profile["id"].clone()).collect();
    assert_eq!(ids, [":read-only", ":workspace", ":danger-full-access"]);
    for (profile, sandbox) in ids.iter().zip(["readOnly", "workspaceWrite", "dangerFullAccess"]) {
        let started = client.call("thread/start", json!({ "permissions": profile })).await.unwrap();
        assert_eq!(started["sandbox"]["type"], sandbox);
    }
    let thread = client.thread().await;
    let requests = [
        ("thread/start", json!({}), "sandbox", json!("read-only")),
        ("turn/start", json!({ "threadId": thread, "input": [] }), "sandboxPolicy", json!({ "type": "readOnly" })),
        ("thread/settings/update", json!({ "threadId": thread }), "sandboxPolicy", json!({ "type": "readOnly" })),
    ];
    for (method, mut params, other, value) in requests {
        params["permissions"] = json!("strict");
        let refusal = client.refused(method, params.clone()).await;
        assert!(refusal.message.starts_with("unknown permission profile `strict`, expected one of"), "{method}");
        params[other] = value;
        let refusal = client.refused(method, params).await;
        assert_eq!(refusal.message, format!("`permissions` cannot be combined with `{other}`"), "{method}");
    }
    let changed =
        client.call("thread/settings/update", json!({ "threadId": thread, "permissions": ":read-only" })).await;
    assert_eq!(changed.unwrap(), json!({}));
    let told = client.wait_for::<m::ThreadSettingsUpdated>().await;
    assert_eq!(told.thread_settings.sandbox_policy, v2::SandboxPolicy::ReadOnly { network_access: false });
}

#[tokio::test]
async fn a_profile_means_what_the_configuration_of_the_thread_says_of_it() {
    let host = TestHost::builder().config("sandbox_workspace_write.network_access = true").start().await;
    let mut parent = host.parent().await;
    let config = json!({ "sandbox_workspace_write.network_access": false });
    let params = json!({ "sandbox": "read-only", "config": config });
    for method in ["turn/start", "thread/settings/update"] {
        let started = parent.call("thread/start", params.clone()).await.unwrap();
        let change = json!({ "threadId": started["thread"]["id"], "permissions": ":workspace", "input": [] });
        parent.call(method, change).await.unwrap();
        let now = parent.wait_for::<m::ThreadSettingsUpdated>().await.thread_settings.sandbox_policy;
        assert!(matches!(now, v2::SandboxPolicy::WorkspaceWrite { network_access: false, .. }), "{method}: {now:?}");
    }
}

#[tokio::test]
async fn everybody_is_told_of_a_new_thread_after_its_starter_got_the_answer() {
    let host = TestHost::start(Script::new()).await;
    let mut starter = host.client().await;
    let mut other = host.client().await;
    let thread = starter.thread().await;
    assert_eq!(starter.wait_for::<m::ThreadStarted>().await.thread.id, thread);
    assert_eq!(other.wait_for::<m::ThreadStarted>().await.thread.id, thread);
}

#[tokio::test]
async fn an_unknown_provider_is_refused() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    let refusal = client.refused("thread/start", json!({ "modelProvider": "nope" })).await;
    let words = "Model provider `nope` not found; `model_provider` has to be a key of `model_providers`, or \"openai\"";
    assert!(refusal.message.ends_with(words), "{}", refusal.message);
}

#[tokio::test]
async fn events_of_a_turn_go_to_subscribers_only_and_the_status_to_everybody() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.parent().await;
    let mut other = host.client().await;
    let thread = parent.thread().await;
    parent.turn(&thread, "hello").await;
    let mut told = Vec::new();
    while told.len() < 3 {
        let (method, _) = other.next().await;
        if method.starts_with("thread/") || method.starts_with("turn/") || method.starts_with("item/") {
            told.push(method);
        }
    }
    assert_eq!(told, ["thread/started", "thread/status/changed", "thread/status/changed"]);
}

#[tokio::test]
async fn a_thread_can_be_read_with_and_without_its_turns() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let refusal = parent.refused("thread/read", json!({ "threadId": thread, "includeTurns": true })).await;
    assert_eq!((refusal.code, refusal.message.as_str()), (-32601, "list_turns is not supported yet"));
    assert_eq!(refusal.kind.as_deref(), Some("notSupported"));
    parent.turn(&thread, "first words").await;
    let read = |include_turns| v2::ThreadReadParams { thread_id: thread.clone(), include_turns };
    let short = parent.request::<m::ThreadRead>(read(false)).await;
    assert_eq!((short.thread.preview.as_str(), short.thread.turns.len()), ("first words", 0));
    let full = parent.request::<m::ThreadRead>(read(true)).await;
    assert_eq!(full.thread.turns.len(), 1);
    assert_eq!(full.thread.turns[0].items.len(), 2);
    assert_eq!(full.thread.turns[0].items_view, v2::TurnItemsView::Full);
    parent.wait_for::<m::DeprecationNotice>().await;
    let state = full.read_state.unwrap().first_unread.unwrap();
    assert_eq!(state, v2::ThreadUnreadPosition::Turn { turn_id: full.thread.turns[0].id.clone() });
}

#[tokio::test]
async fn reading_a_thread_that_is_not_there_is_refused() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    let missing = "01984de2-8f74-7c91-a3b2-5c5e937cf318";
    let refusal = client.refused("thread/read", json!({ "threadId": missing })).await;
    assert_eq!(refusal.message, format!("thread not loaded: {missing}"));
}

#[tokio::test]
async fn a_thread_is_listed_after_its_first_turn_and_an_ephemeral_one_never() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let params = v2::ThreadStartParams { ephemeral: Some(true), ..Default::default() };
    let ephemeral = parent.request::<m::ThreadStart>(params).await.thread.id;
    let listed = parent.request::<m::ThreadList>(v2::ThreadListParams::default()).await;
    assert_eq!((listed.data.len(), listed.next_cursor, listed.backwards_cursor), (0, None, None));
    parent.turn(&thread, "hello").await;
    parent.turn(&ephemeral, "hello").await;
    let listed = parent.request::<m::ThreadList>(v2::ThreadListParams::default()).await;
    let ids: Vec<_> = listed.data.iter().map(|thread| thread.id.as_str()).collect();
    assert_eq!(ids, [thread.as_str()]);
    assert!(listed.read_states.unwrap().contains_key(&thread));
}

#[tokio::test]
async fn pages_of_threads_add_up_and_filters_narrow_them() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.parent().await;
    let mut threads = Vec::new();
    for words in ["apples", "pears", "more apples"] {
        let thread = parent.thread().await;
        parent.turn(&thread, words).await;
        threads.push(thread);
    }
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = parent.call("thread/list", json!({ "limit": 1, "cursor": cursor })).await.unwrap();
        seen.push(page["data"][0]["id"].as_str().unwrap().to_owned());
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    seen.reverse();
    assert_eq!(seen, threads, "newest first");
    let found = parent.call("thread/list", json!({ "searchTerm": "APPLES", "sortDirection": "asc" })).await.unwrap();
    let found: Vec<_> = found["data"].as_array().unwrap().iter().map(|thread| thread["id"].as_str().unwrap()).collect();
    assert_eq!(found, [threads[0].as_str(), threads[2].as_str()]);
    let refusal = parent.refused("thread/list", json!({ "cursor": "zzz" })).await;
    assert_eq!(refusal.message, "invalid cursor: zzz");
}

#[tokio::test]
async fn loaded_threads_are_listed_by_pages() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    let mut threads = [client.thread().await, client.thread().await, client.thread().await];
    threads.sort();
    let first = client.call("thread/loaded/list", json!({ "limit": 2 })).await.unwrap();
    assert_eq!(first["data"], json!(threads[..2]));
    let second = client.call("thread/loaded/list", json!({ "cursor": first["nextCursor"] })).await.unwrap();
    assert_eq!(second, json!({ "data": threads[2..], "nextCursor": null }));
}

#[tokio::test]
async fn whoever_unsubscribes_gets_no_more_events_of_the_thread() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let params = json!({ "threadId": thread });
    let missing = json!({ "threadId": "01984de2-8f74-7c91-a3b2-5c5e937cf318" });
    assert_eq!(parent.call("thread/unsubscribe", missing).await.unwrap(), json!({ "status": "notLoaded" }));
    assert_eq!(parent.call("thread/unsubscribe", params.clone()).await.unwrap(), json!({ "status": "unsubscribed" }));
    assert_eq!(parent.call("thread/unsubscribe", params).await.unwrap(), json!({ "status": "notSubscribed" }));
    parent.start_turn(&thread, "hello").await;
    loop {
        let told = parent.wait_for::<m::ThreadStatusChanged>().await;
        if told.status == (v2::ThreadStatus::Idle {}) {
            break;
        }
    }
    assert!(parent.record().messages().iter().all(|(_, message)| message["method"] != "turn/started"));
}

#[tokio::test]
async fn settings_of_a_turn_stay_and_are_told_only_when_they_change() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let turn = json!({ "threadId": thread, "input": [], "effort": "high", "cwd": "/tmp", "model": "gpt-6-sol" });
    for times in [1, 0] {
        let started = parent.call("turn/start", turn.clone()).await.unwrap();
        let ended = parent.end_of(started["turn"]["id"].as_str().unwrap()).await;
        assert_eq!(ended.all::<m::ThreadSettingsUpdated>().len(), times);
    }
    assert_eq!(parent.turn(&thread, "hello").await.turn.status, v2::TurnStatus::Completed);
    let body = host.sim.requests().last().unwrap().body.clone();
    assert_eq!((&body["model"], &body["reasoning"]["effort"]), (&json!("gpt-6-sol"), &json!("high")));
}

#[tokio::test]
async fn settings_that_were_changed_while_a_turn_waited_are_told_as_they_are() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let shell = json!({ "threadId": thread, "command": "sleep 1000" });
    parent.call("thread/shellCommand", shell).await.unwrap();
    let running = parent.wait_for::<m::ItemStarted>().await.turn_id;
    let waiting = parent.begin("turn/start", json!({ "threadId": thread, "input": [], "effort": "high" }));
    parent.call("thread/settings/update", json!({ "threadId": thread, "effort": "low" })).await.unwrap();
    let told = parent.wait_for::<m::ThreadSettingsUpdated>().await;
    assert_eq!(json!(told.thread_settings.effort), "low");
    parent.call("turn/interrupt", json!({ "threadId": thread, "turnId": running })).await.unwrap();
    let started = waiting.await.unwrap();
    let ended = parent.end_of(started["turn"]["id"].as_str().unwrap()).await;
    let told = ended.all::<m::ThreadSettingsUpdated>();
    assert_eq!(json!(told.last().unwrap().thread_settings.effort), "low", "it is what is in force");
}

#[tokio::test]
async fn an_output_schema_is_sent_for_its_turn_only() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let schema = json!({ "type": "object", "properties": { "title": { "type": "string" } } });
    let turn = json!({ "threadId": thread, "input": [{ "type": "text", "text": "hi" }], "outputSchema": schema });
    let started = parent.call("turn/start", turn).await.unwrap();
    parent.end_of(started["turn"]["id"].as_str().unwrap()).await;
    let format = host.sim.requests().last().unwrap().body["text"]["format"].clone();
    assert_eq!((&format["type"], &format["schema"]), (&json!("json_schema"), &schema));
    parent.turn(&thread, "again").await;
    assert_eq!(host.sim.requests().last().unwrap().body.get("text"), None);
}

#[tokio::test]
async fn a_thread_can_bring_a_provider_of_its_own() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut client = host.client().await;
    let config = json!({
        "model_provider": "mine",
        "model_providers.mine.base_url": host.sim.base_url(),
        "model_providers.mine.http_headers.authorization": "Bearer sk-mine",
    });
    let started = client.call("thread/start", json!({ "config": config })).await.unwrap();
    assert_eq!(started["modelProvider"], "mine");
    let turn = client.turn(started["thread"]["id"].as_str().unwrap(), "hello").await;
    assert_eq!(turn.turn.status, v2::TurnStatus::Completed);
    assert_eq!(host.sim.requests().last().unwrap().bearer.as_deref(), Some("sk-mine"));
}

#[tokio::test]
async fn threads_of_other_accounts_can_be_left_out_of_the_list() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    parent.turn(&thread, "of the first account").await;
    parent.lend(valet_sim::TokenRequest::account("acct-2")).await;
    let count = |listed: Value| listed["data"].as_array().unwrap().len();
    assert_eq!(count(parent.call("thread/list", json!({})).await.unwrap()), 1);
    assert_eq!(count(parent.call("thread/list", json!({ "currentAccountOnly": true })).await.unwrap()), 0);
}
