//! The methods on stored threads: what their parameters may leave out, and what their answers always hold.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and tells on stderr")]

use pretty_assertions::assert_eq;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use valet_protocol::methods::{
    ThreadArchive, ThreadArchived, ThreadClosed, ThreadDelete, ThreadDeleted, ThreadFork, ThreadGoalCleared,
    ThreadGoalGet, ThreadItemsList, ThreadList, ThreadMetadataUpdate, ThreadNameSet, ThreadNameUpdated,
    ThreadReadStateUpdate, ThreadResume, ThreadRevert, ThreadReverted, ThreadRollback, ThreadSearch,
    ThreadSettingsUpdate, ThreadTurnsList, ThreadUnarchive, ThreadUnarchived,
};
use valet_protocol::v2::{
    ThreadItemsListAnchor, ThreadItemsListCursor, ThreadListParams, ThreadMetadataGitInfoUpdateParams, TurnItemsView,
};
use valet_protocol::{ClientRequestMethod, Order, ServerNotificationMethod, experimental};

fn raw(params: &Value) -> Box<RawValue> {
    to_raw_value(params).unwrap()
}

fn read<M: ClientRequestMethod>(params: &Value) -> M::Params {
    M::parse(Some(&raw(params))).unwrap()
}

fn refusal<M: ClientRequestMethod>(params: &Value) -> String {
    M::parse(Some(&raw(params))).err().unwrap().message
}

fn gated<M: ClientRequestMethod>(params: &Value) -> Option<String> {
    experimental::check(M::METHOD, M::GATES, Some(&raw(params))).err().map(|error| error.message)
}

/// A value of the wire is read, and written back as it came.
fn same<T: DeserializeOwned + Serialize>(value: &Value) {
    let read: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(&serde_json::to_value(read).unwrap(), value);
}

/// An answer with all its members is read and written back. Where it can be read without one of them, that one is
/// written all the same, as `null`.
fn answers<M: ClientRequestMethod>(value: &Value) {
    same::<M::Response>(value);
    for name in value.as_object().unwrap().keys() {
        let mut without = value.clone();
        without.as_object_mut().unwrap().remove(name);
        let Ok(read) = serde_json::from_value::<M::Response>(without) else { continue };
        let mut expected = value.clone();
        expected[name] = Value::Null;
        assert_eq!(serde_json::to_value(read).unwrap(), expected, "{} without {name}", M::METHOD);
    }
}

/// `optional` members may be null or left out; `strict` ones may be left out, and are no null.
fn optional<M: ClientRequestMethod>(required: &Value, optional: &[&str], strict: &[&str]) {
    let least = serde_json::to_value(read::<M>(required)).unwrap();
    for name in optional {
        let mut params = required.clone();
        params[name] = Value::Null;
        let mut read = serde_json::to_value(read::<M>(&params)).unwrap();
        // What is not the same as its absence is still there.
        if least.get(name).is_none() {
            assert_eq!(read.as_object_mut().unwrap().remove(*name), Some(Value::Null), "{} {name}", M::METHOD);
        }
        assert_eq!(read, least, "{} with {name} null", M::METHOD);
    }
    for name in strict {
        let mut params = required.clone();
        params[name] = Value::Null;
        assert_eq!(refusal::<M>(&params), "Invalid request: invalid type: null, expected a boolean", "{name}");
    }
    for name in required.as_object().unwrap().keys() {
        let mut params = required.clone();
        params.as_object_mut().unwrap().remove(name);
        assert_eq!(refusal::<M>(&params), format!("Invalid request: missing field `{name}`"));
    }
}

const OVERRIDES: [&str; 11] = [
    "model",
    "modelProvider",
    "serviceTier",
    "cwd",
    "runtimeWorkspaceRoots",
    "approvalPolicy",
    "approvalsReviewer",
    "sandbox",
    "config",
    "baseInstructions",
    "developerInstructions",
];

fn thread() -> Value {
    json!({
        "id": "t", "environments": null, "extra": null, "sessionId": "t", "forkedFromId": null,
        "attachedToThreadId": null, "parentThreadId": null, "preview": "hello", "ephemeral": false, "section": null,
        "sectionEnteredAt": null, "projectId": null, "historyMode": "paginated", "modelProvider": "openai",
        "model": null, "reasoningEffort": null, "createdAt": 1, "updatedAt": 2, "recencyAt": 2,
        "status": { "type": "notLoaded" }, "path": "/t.jsonl", "cwd": "/", "cliVersion": "0.169.0",
        "originator": null, "source": "vscode", "canAcceptDirectInput": null, "threadSource": null,
        "agentNickname": null, "agentRole": null, "gitInfo": null, "name": null, "daybreakEnabled": null, "turns": [],
    })
}

fn turn() -> Value {
    json!({
        "id": "u", "rootTurnId": "u", "items": [], "itemsView": "notLoaded", "status": "completed", "error": null,
        "startedAt": 1, "completedAt": 2, "durationMs": 1000,
    })
}

/// What `thread/start`, `thread/resume` and `thread/fork` all answer.
fn opened() -> Value {
    json!({
        "thread": thread(), "model": "m", "modelProvider": "openai", "serviceTier": null, "disabledPluginIds": [],
        "cwd": "/", "runtimeWorkspaceRoots": ["/"], "instructionSources": [], "approvalPolicy": "on-request",
        "approvalsReviewer": "user", "sandbox": { "type": "dangerFullAccess" }, "activePermissionProfile": null,
        "reasoningEffort": null, "multiAgentMode": "explicitRequestOnly",
    })
}

#[test]
fn what_may_be_left_out_may_be_null_unless_it_is_a_switch() {
    let thread = json!({ "threadId": "t" });
    let resume = [&OVERRIDES[..], &["history", "path", "initialTurnsPage"]].concat();
    optional::<ThreadResume>(&thread, &resume, &["excludeTurns"]);
    let fork = [&OVERRIDES[..], &["lastTurnId", "beforeTurnId", "path", "threadSource"]].concat();
    optional::<ThreadFork>(&thread, &fork, &["ephemeral", "excludeTurns"]);
    optional::<ThreadTurnsList>(&thread, &["cursor", "limit", "sortDirection", "itemsView"], &[]);
    optional::<ThreadItemsList>(&thread, &["turnId", "cursor", "limit", "sortDirection"], &[]);
    let list = [
        "cursor",
        "limit",
        "sortKey",
        "sortDirection",
        "modelProviders",
        "sourceKinds",
        "originators",
        "archived",
        "sectionId",
        "projectId",
        "cwd",
        "searchTerm",
        "excludedThreadIds",
        "parentThreadId",
        "ancestorThreadId",
        "attachedToThreadId",
    ];
    let switches = ["includeAttachedThreads", "useStateDbOnly", "currentAccountOnly"];
    optional::<ThreadList>(&json!({}), &list, &switches);
    let search = ["cursor", "limit", "sortKey", "sortDirection", "sourceKinds", "archived"];
    let switches = ["includeAttachedThreads", "currentAccountOnly"];
    optional::<ThreadSearch>(&json!({ "searchTerm": "x" }), &search, &switches);
    let settings = [
        "cwd",
        "environments",
        "approvalPolicy",
        "approvalsReviewer",
        "sandboxPolicy",
        "model",
        "serviceTier",
        "effort",
        "summary",
        "collaborationMode",
    ];
    optional::<ThreadSettingsUpdate>(&thread, &settings, &[]);
    optional::<ThreadMetadataUpdate>(&thread, &["gitInfo", "projectId", "daybreakEnabled"], &[]);
}

#[test]
fn what_is_needed_is_asked_for_by_its_name() {
    let thread = json!({ "threadId": "t" });
    optional::<ThreadArchive>(&thread, &[], &[]);
    optional::<ThreadUnarchive>(&thread, &[], &[]);
    optional::<ThreadDelete>(&thread, &[], &[]);
    optional::<ThreadGoalGet>(&thread, &[], &[]);
    optional::<ThreadNameSet>(&json!({ "threadId": "t", "name": "n" }), &[], &[]);
    optional::<ThreadRevert>(&json!({ "threadId": "t", "beforeTurnId": "u" }), &[], &[]);
    optional::<ThreadRollback>(&json!({ "threadId": "t", "numTurns": 1 }), &[], &[]);
    let update = json!({ "threadId": "t", "operation": { "type": "read" }, "expectedRevision": "7" });
    optional::<ThreadReadStateUpdate>(&update, &[], &[]);
}

#[test]
fn a_null_that_says_something_is_not_an_absence() {
    let said = |params: Value| read::<ThreadList>(&params).section_id;
    assert_eq!(said(json!({})), None);
    assert_eq!(said(json!({ "sectionId": null })), Some(None));
    assert_eq!(said(json!({ "sectionId": "s" })), Some(Some("s".to_owned())));

    let tier = |params: Value| read::<ThreadResume>(&params).overrides.service_tier;
    assert_eq!(tier(json!({ "threadId": "t" })), None);
    assert_eq!(tier(json!({ "threadId": "t", "serviceTier": null })), Some(None));
    assert_eq!(tier(json!({ "threadId": "t", "serviceTier": "fast" })), Some(Some("fast".to_owned())));

    let params = json!({ "threadId": "t", "gitInfo": { "sha": null, "branch": "main" } });
    let expected =
        ThreadMetadataGitInfoUpdateParams { sha: Some(None), branch: Some(Some("main".to_owned())), origin_url: None };
    assert_eq!(read::<ThreadMetadataUpdate>(&params).git_info, Some(expected.clone()));
    assert_eq!(serde_json::to_value(expected).unwrap(), json!({ "sha": null, "branch": "main" }));
}

#[test]
fn a_value_that_nobody_knows_is_refused_when_a_client_sends_it() {
    let view = "Invalid request: unknown variant `x`, expected one of `notLoaded`, `summary`, `full`";
    assert_eq!(refusal::<ThreadTurnsList>(&json!({ "threadId": "t", "itemsView": "x" })), view);
    let page = json!({ "threadId": "t", "initialTurnsPage": { "itemsView": "x" } });
    assert_eq!(refusal::<ThreadResume>(&page), view);
    let params = json!({ "threadId": "t", "itemsView": "full" });
    assert_eq!(read::<ThreadTurnsList>(&params).items_view, Some(TurnItemsView::Full));

    let message = refusal::<ThreadSearch>(&json!({ "searchTerm": "x", "sortKey": "section_position" }));
    let known = "`created_at`, `updated_at`, `recency_at`";
    assert_eq!(message, format!("Invalid request: unknown variant `section_position`, expected one of {known}"));
    let message = refusal::<ThreadList>(&json!({ "sourceKinds": ["foo"] }));
    let known = "`cli`, `vscode`, `exec`, `appServer`, `subAgent`, `subAgentReview`, `subAgentCompact`, \
                 `subAgentThreadSpawn`, `subAgentOther`, `unknown`";
    assert_eq!(message, format!("Invalid request: unknown variant `foo`, expected one of {known}"));
    let update = json!({ "threadId": "t", "operation": { "type": "x" }, "expectedRevision": "7" });
    let message = "Invalid request: unknown variant `x`, expected `read` or `unread`";
    assert_eq!(refusal::<ThreadReadStateUpdate>(&update), message);
    let message = refusal::<ThreadTurnsList>(&json!({ "threadId": "t", "limit": -1 }));
    assert_eq!(message, "Invalid request: invalid value: integer `-1`, expected u32");
}

#[test]
fn a_page_of_items_begins_at_a_cursor_or_at_an_item() {
    let cursor = |cursor: Value| read::<ThreadItemsList>(&json!({ "threadId": "t", "cursor": cursor })).cursor.unwrap();
    assert_eq!(cursor(json!("c")), ThreadItemsListCursor::Opaque("c".to_owned()));
    let anchor = ThreadItemsListAnchor::Item { item_id: "i".to_owned() };
    assert_eq!(cursor(json!({ "type": "item", "itemId": "i" })), ThreadItemsListCursor::Anchor(anchor));
    let message = refusal::<ThreadItemsList>(&json!({ "threadId": "t", "cursor": { "type": "zzz" } }));
    assert_eq!(message, "Invalid request: data did not match any variant of untagged enum ThreadItemsListCursor");
}

#[test]
fn every_member_of_an_answer_is_there() {
    let mut resumed = opened();
    resumed["collaborationMode"] = json!({
        "mode": "default",
        "settings": { "model": "m", "reasoning_effort": null, "developer_instructions": null },
    });
    resumed["initialTurnsPage"] = json!({ "data": [turn()], "nextCursor": null, "backwardsCursor": "b" });
    resumed["turnsBackwardsCursor"] = json!("b");
    resumed["itemsBackwardsCursor"] = json!("c");
    answers::<ThreadResume>(&resumed);
    answers::<ThreadFork>(&opened());
    answers::<ThreadTurnsList>(&json!({ "data": [turn()], "nextCursor": "n", "backwardsCursor": "b" }));
    let item = json!({ "type": "contextCompaction", "id": "i", "startedAtMs": 1, "completedAtMs": null });
    let entry = json!({ "turnId": "u", "item": item, "startedAtMs": 1, "completedAtMs": null });
    answers::<ThreadItemsList>(&json!({ "data": [entry], "nextCursor": "n", "backwardsCursor": "b" }));
    let found = json!({ "thread": thread(), "snippet": "…hello…" });
    answers::<ThreadSearch>(&json!({ "data": [found], "nextCursor": "n", "backwardsCursor": "b" }));
    answers::<ThreadRevert>(&json!({ "thread": thread(), "turnsBackwardsCursor": "b", "itemsBackwardsCursor": "c" }));
    answers::<ThreadRollback>(&json!({ "thread": thread() }));
    answers::<ThreadUnarchive>(&json!({ "thread": thread() }));
    answers::<ThreadMetadataUpdate>(&json!({ "thread": thread() }));
    answers::<ThreadGoalGet>(&json!({ "goal": null }));
    let state = json!({ "firstUnread": { "type": "turn", "turnId": "u" }, "revision": "7" });
    answers::<ThreadReadStateUpdate>(&json!({ "readState": state }));
    let empty = json!({});
    answers::<ThreadArchive>(&empty);
    answers::<ThreadDelete>(&empty);
    answers::<ThreadNameSet>(&empty);
    answers::<ThreadSettingsUpdate>(&empty);
}

#[test]
fn what_everybody_is_told_of_a_thread_names_the_thread() {
    fn tells<M: ServerNotificationMethod>(method: &str) {
        assert_eq!(M::METHOD, method);
        same::<M::Params>(&json!({ "threadId": "t" }));
    }
    tells::<ThreadArchived>("thread/archived");
    tells::<ThreadUnarchived>("thread/unarchived");
    tells::<ThreadDeleted>("thread/deleted");
    tells::<ThreadClosed>("thread/closed");
    tells::<ThreadReverted>("thread/reverted");
    tells::<ThreadGoalCleared>("thread/goal/cleared");
    tells::<ThreadNameUpdated>("thread/name/updated");
    same::<<ThreadNameUpdated as ServerNotificationMethod>::Params>(&json!({ "threadId": "t", "threadName": "n" }));
}

#[test]
fn experimental_members_need_the_opt_in() {
    let needs = |member: &str| Some(format!("{member} requires experimentalApi capability"));
    assert_eq!(gated::<ThreadResume>(&json!({ "threadId": "t", "excludeTurns": true, "history": null })), None);
    for (name, value) in [("history", json!([])), ("path", json!("/x")), ("initialTurnsPage", json!({}))] {
        assert_eq!(gated::<ThreadResume>(&json!({ name: value })), needs(&format!("thread/resume.{name}")));
    }
    assert_eq!(gated::<ThreadFork>(&json!({ "attachToSource": false, "ephemeral": true })), None);
    assert_eq!(gated::<ThreadFork>(&json!({ "attachToSource": true })), needs("thread/fork.attachToSource"));
    assert_eq!(gated::<ThreadList>(&json!({ "sectionId": null, "includeAttachedThreads": false })), None);
    assert_eq!(gated::<ThreadList>(&json!({ "projectId": null })), needs("thread/list.projectId"));
    assert_eq!(gated::<ThreadMetadataUpdate>(&json!({ "projectId": null })), None);
    assert_eq!(gated::<ThreadSearch>(&json!({ "searchTerm": "x" })), needs("thread/search"));
    assert_eq!(gated::<ThreadSettingsUpdate>(&json!({})), needs("thread/settings/update"));
    assert_eq!(gated::<ThreadRevert>(&json!({})), None);
}

#[test]
fn what_is_asked_of_one_thread_is_done_in_its_order() {
    let order = Order::Thread("t".to_owned());
    let params = json!({ "threadId": "t", "path": "/elsewhere" });
    assert_eq!(ThreadResume::order(&read::<ThreadResume>(&params)), order);
    assert_eq!(ThreadFork::order(&read::<ThreadFork>(&params)), order);
    assert_eq!(ThreadArchive::order(&read::<ThreadArchive>(&params)), order);
    assert_eq!(ThreadList::order(&ThreadListParams::default()), Order::Concurrent);
}
