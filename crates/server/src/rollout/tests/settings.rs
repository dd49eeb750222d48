//! What is in force is written, and found again.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::v2;

use super::super::line::{Happened, turn_context};
use super::super::settings::Settings;
use super::{Log, THREAD};

fn settings() -> Settings {
    Settings {
        model: Some("gpt-5.5".into()),
        provider_id: Some("local".into()),
        cwd: Some("/p".into()),
        effort: Some("high".into()),
        summary: Some(v2::ReasoningSummary::Concise),
        verbosity: Some("low".into()),
        service_tier: Some("priority".into()),
        approval_policy: Some(v2::AskForApproval::OnRequest),
        approvals_reviewer: Some(v2::ApprovalsReviewer::AutoReview),
        sandbox_policy: Some(workspace()),
        developer_instructions: Some("be brief".into()),
        mode: Some(v2::ModeKind::Plan),
        mode_instructions: Some("plan".into()),
    }
}

fn workspace() -> v2::SandboxPolicy {
    v2::SandboxPolicy::WorkspaceWrite {
        writable_roots: vec!["/w".into()],
        network_access: true,
        exclude_tmpdir_env_var: true,
        exclude_slash_tmp: false,
    }
}

fn policies() -> [v2::SandboxPolicy; 5] {
    [
        workspace(),
        v2::SandboxMode::WorkspaceWrite.into(),
        v2::SandboxPolicy::ReadOnly { network_access: true },
        v2::SandboxPolicy::DangerFullAccess {},
        v2::SandboxPolicy::ExternalSandbox { network_access: v2::NetworkAccess::Enabled },
    ]
}

fn with_context(log: &mut Log, settings: &Settings) {
    log.push(&turn_context(&settings.to_context("t", "t")).unwrap());
}

fn with_applied(log: &mut Log, settings: &Settings) {
    let applied = Happened::ThreadSettingsApplied { thread_id: THREAD, thread_settings: settings.to_applied() };
    log.push(&applied.line().unwrap());
}

/// Both ways to read must say the same.
fn read(log: &Log) -> Settings {
    let mut folded = Settings::default();
    for line in log.0.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let payload = serde_json::value::to_raw_value(&line["payload"]).unwrap();
        folded.line(line["type"].as_str().unwrap(), &payload);
    }
    let read = Settings::read(log).unwrap();
    assert_eq!(read, folded);
    read
}

#[test]
fn what_is_in_force_comes_out_as_it_went_in() {
    let granular = v2::AskForApproval::Granular {
        sandbox_approval: true,
        rules: false,
        skill_approval: true,
        request_permissions: false,
        mcp_elicitations: true,
    };
    for sandbox_policy in policies() {
        let full = Settings { sandbox_policy: Some(sandbox_policy), approval_policy: Some(granular), ..settings() };
        let bare = Settings { effort: None, summary: None, verbosity: None, service_tier: None, ..full.clone() };
        for settings in [full, bare] {
            let mut log = Log::new();
            with_context(&mut log, &self::settings());
            with_context(&mut log, &settings);
            assert_eq!(read(&log), settings);
            with_applied(&mut log, &settings);
            assert_eq!(read(&log), settings);
        }
    }
}

#[test]
fn the_later_line_counts() {
    let mut log = Log::new();
    with_context(&mut log, &settings());
    let changed = Settings {
        cwd: Some("/q".into()),
        sandbox_policy: Some(v2::SandboxPolicy::ReadOnly { network_access: false }),
        ..settings()
    };
    with_applied(&mut log, &changed);
    assert_eq!(read(&log), changed);
    with_context(&mut log, &settings());
    assert_eq!(read(&log), settings());
}

#[test]
fn what_the_reference_writes_is_understood() {
    let mode = json!({ "mode": "plan", "settings": {
        "model": "gpt-5.5", "reasoning_effort": "low", "developer_instructions": "dd",
    } });
    let entry = |path: Value, access: &str| json!({ "path": path, "access": access });
    let special = |kind: &str| json!({ "type": "special", "value": { "kind": kind } });
    let entries = [
        entry(special("root"), "read"),
        entry(json!({ "type": "path", "path": "/p" }), "write"),
        entry(special("slash_tmp"), "write"),
        entry(json!({ "type": "path", "path": "/w" }), "write"),
        json!({ "path": { "type": "path", "path": "/p/.git" }, "access": "read", "missing_path_behavior": "skip" }),
    ];
    let mut log = Log::new();
    log.value(
        "event_msg",
        &json!({ "type": "thread_settings_applied", "thread_id": THREAD, "thread_settings": {
        "model": "older", "model_provider_id": "local", "service_tier": "priority", "approval_policy": "on-request",
        "approvals_reviewer": "user", "requested_approvals_reviewer": "user",
        "permission_profile": {
            "type": "managed", "file_system": { "type": "restricted", "entries": entries }, "network": "enabled",
        },
        "cwd": "/p", "runtime_workspace_roots": ["/p"], "reasoning_effort": "low", "reasoning_summary": "concise",
        "collaboration_mode": mode, "disabled_plugin_ids": [],
    } }),
    );
    let expected = Settings {
        effort: Some("low".into()),
        approvals_reviewer: Some(v2::ApprovalsReviewer::User),
        mode_instructions: Some("dd".into()),
        verbosity: None,
        developer_instructions: None,
        ..settings()
    };
    assert_eq!(read(&log), Settings { model: Some("older".into()), ..expected.clone() });
    log.value("turn_context", &json!({
        "turn_id": "t", "root_turn_id": "t", "cwd": "/p", "approval_policy": "on-request", "model": "gpt-5.5",
        "approvals_reviewer": "of a newer version", "permission_profile": { "type": "of_a_newer_version" },
        "collaboration_mode": mode, "effort": "low", "summary": "none", "realtime_active": false,
        "sandbox_policy": {
            "type": "workspace-write", "writable_roots": ["/w"], "network_access": true, "exclude_tmpdir_env_var": true,
        },
    }));
    assert_eq!(read(&log), expected);
}

#[test]
fn a_log_that_says_little_is_little() {
    let mut log = Log::default();
    assert_eq!(Settings::read(&log).unwrap(), Settings::default());
    log.value("session_meta", &json!({ "id": THREAD, "cwd": "/p", "model_provider": "local", "source": { "x": 1 } }));
    let cwd = Some("/p".to_owned());
    let head = Settings { cwd, provider_id: Some("local".into()), ..Settings::default() };
    assert_eq!(read(&log), head);
    log.value("turn_context", &json!({ "cwd": "/q", "approval_policy": "never" }));
    let approval_policy = Some(v2::AskForApproval::Never);
    assert_eq!(read(&log), Settings { cwd: Some("/q".into()), approval_policy, ..head });
}

#[test]
fn permissions_that_no_policy_has_are_not_taken_for_one() {
    let root = json!({ "path": { "type": "special", "value": { "kind": "root" } }, "access": "read" });
    let none = json!({ "path": { "type": "path", "path": "/secret" }, "access": "none" });
    let glob = json!({ "path": { "type": "glob_pattern", "pattern": "/p/*.key" }, "access": "read" });
    for entry in [none, glob] {
        let mut log = Log::new();
        with_context(&mut log, &settings());
        log.value(
            "event_msg",
            &json!({ "type": "thread_settings_applied", "thread_settings": {
            "model": "gpt-5.5",
            "permission_profile": {
                "type": "managed", "file_system": { "type": "restricted", "entries": [root, entry] },
                "network": "restricted",
            },
        } }),
        );
        assert_eq!(read(&log).sandbox_policy, settings().sandbox_policy);
    }
}
