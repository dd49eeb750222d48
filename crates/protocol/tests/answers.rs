//! What clients answer to the server's questions: read strictly, so that nothing is allowed by mistake, and
//! openly, so that a newer client may say more.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::ServerRequestMethod;
use valet_protocol::methods::{
    CommandExecutionRequestApproval, DynamicToolCall, FileChangeRequestApproval, PermissionsRequestApproval,
    ToolRequestUserInput,
};
use valet_protocol::v2::{
    CommandExecutionApprovalDecision, CommandExecutionRequestApprovalParams, PermissionGrantScope,
};

/// An answer, read. None: it does not fit.
fn read<M: ServerRequestMethod>(answer: Value) -> Option<M::Response> {
    serde_json::from_value(answer).ok()
}

fn refuses<M: ServerRequestMethod>(answers: &[Value]) {
    for answer in answers {
        assert!(read::<M>(answer.clone()).is_none(), "{} took {answer}", M::METHOD);
    }
}

/// What no question takes as its answer.
fn nonsense() -> Vec<Value> {
    vec![json!(null), json!({}), json!([]), json!("accept"), json!(true), json!({ "decision": null })]
}

#[test]
fn a_decision_about_a_command_that_is_not_exactly_one_is_no_decision() {
    refuses::<CommandExecutionRequestApproval>(&nonsense());
    refuses::<CommandExecutionRequestApproval>(&[
        json!({ "decision": "" }),
        json!({ "decision": "Accept" }),
        json!({ "decision": "approved" }),
        json!({ "decision": true }),
        json!({ "decision": ["accept"] }),
        json!({ "decision": { "accept": {} } }),
        json!({ "decision": { "decline": null, "accept": null } }),
        json!({ "decision": "acceptWithExecpolicyAmendment" }),
        json!({ "decision": { "acceptWithExecpolicyAmendment": {} } }),
        json!({ "decision": { "acceptWithExecpolicyAmendment": { "execpolicy_amendment": "git" } } }),
        json!({ "decision": { "applyNetworkPolicyAmendment": { "network_policy_amendment": { "host": "a.test" } } } }),
        json!({ "decision": { "applyNetworkPolicyAmendment": {
            "network_policy_amendment": { "host": "a.test", "action": "maybe" },
        } } }),
    ]);
}

#[test]
fn an_amendment_that_would_allow_every_command_is_no_decision() {
    let amendment =
        |words: Value| json!({ "decision": { "acceptWithExecpolicyAmendment": { "execpolicy_amendment": words } } });
    refuses::<CommandExecutionRequestApproval>(&[amendment(json!([]))]);
    let answer = read::<CommandExecutionRequestApproval>(amendment(json!(["git", "status"]))).unwrap();
    let words = vec!["git".to_owned(), "status".to_owned()];
    let decision = CommandExecutionApprovalDecision::AcceptWithExecpolicyAmendment { execpolicy_amendment: words };
    assert_eq!(answer.decision, decision);
}

#[test]
fn a_decision_about_a_patch_that_is_not_exactly_one_is_no_decision() {
    refuses::<FileChangeRequestApproval>(&nonsense());
    let amendment = json!({ "acceptWithExecpolicyAmendment": { "execpolicy_amendment": ["git"] } });
    refuses::<FileChangeRequestApproval>(&[json!({ "decision": "yes" }), json!({ "decision": amendment })]);
}

#[test]
fn a_grant_that_is_not_understood_in_full_grants_nothing() {
    refuses::<PermissionsRequestApproval>(&nonsense());
    let entry = |path: Value, access: &str| json!({ "permissions": { "fileSystem": { "entries": [{ "path": path, "access": access }] } } });
    refuses::<PermissionsRequestApproval>(&[
        entry(json!({ "type": "path", "path": "/a" }), "execute"),
        entry(json!({ "type": "regex", "pattern": "a" }), "deny"),
        entry(json!({ "type": "special", "value": { "kind": "home" } }), "deny"),
        json!({ "permissions": { "network": true } }),
        json!({ "permissions": {}, "scope": "forever" }),
    ]);
    assert!(read::<PermissionsRequestApproval>(entry(json!({ "type": "path", "path": "/a" }), "read")).is_some());
}

#[test]
fn a_grant_without_a_scope_is_for_the_turn() {
    let answer = read::<PermissionsRequestApproval>(json!({ "permissions": {} })).unwrap();
    assert_eq!(answer.scope, PermissionGrantScope::Turn);
}

#[test]
fn half_an_output_of_a_tool_is_no_output() {
    refuses::<DynamicToolCall>(&nonsense());
    refuses::<DynamicToolCall>(&[
        json!({ "contentItems": [] }),
        json!({ "contentItems": "text", "success": true }),
        json!({ "contentItems": [{ "type": "inputText" }], "success": true }),
        json!({ "contentItems": [{ "type": "inputVideo", "videoUrl": "data:" }], "success": true }),
    ]);
}

#[test]
fn answers_to_questions_are_lists_of_texts_by_question() {
    refuses::<ToolRequestUserInput>(&nonsense());
    refuses::<ToolRequestUserInput>(&[json!({ "answers": { "q": "A" } }), json!({ "answers": [["A"]] })]);
}

#[test]
fn what_a_newer_client_adds_to_an_answer_is_passed_over() {
    assert!(read::<CommandExecutionRequestApproval>(json!({ "decision": "accept", "note": 1 })).is_some());
    assert!(read::<FileChangeRequestApproval>(json!({ "decision": "cancel", "note": 1 })).is_some());
    assert!(read::<PermissionsRequestApproval>(json!({ "permissions": { "camera": {} }, "note": 1 })).is_some());
    let content = json!([{ "type": "inputText", "text": "a", "note": 1 }]);
    assert!(read::<DynamicToolCall>(json!({ "contentItems": content, "success": true, "note": 1 })).is_some());
    assert!(
        read::<ToolRequestUserInput>(json!({ "answers": { "q": { "answers": [], "note": 1 } }, "note": 1 })).is_some()
    );
}

#[test]
fn a_client_is_not_offered_decisions_that_it_does_not_know() {
    let params = json!({
        "kind": "somethingNew", "threadId": "t", "turnId": "u", "itemId": "i", "startedAtMs": 1, "environmentId": null,
        "availableDecisions": ["accept", "later", { "postpone": { "minutes": 5 } }, "cancel"],
    });
    let params: CommandExecutionRequestApprovalParams = serde_json::from_value(params).unwrap();
    let known = vec![CommandExecutionApprovalDecision::Accept, CommandExecutionApprovalDecision::Cancel];
    assert_eq!(params.available_decisions, Some(known));
}
