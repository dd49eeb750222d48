//! What nineteen published clients of the reference call, the TUI among them, and what one does without that which is
//! not served.

/// Methods by the number of clients that call them.
const CALLED: &[(usize, &[&str])] = &[
    (19, &["initialize", "thread/start", "turn/start"]),
    (16, &["turn/interrupt"]),
    (15, &["thread/resume"]),
    (14, &["thread/list"]),
    (13, &["model/list"]),
    (11, &["thread/read"]),
    (10, &["account/read", "thread/name/set"]),
    (9, &["thread/fork", "thread/archive", "thread/unarchive"]),
    (8, &["thread/compact/start"]),
    (7, &["thread/loaded/list", "config/read"]),
    (6, &["configRequirements/read", "skills/list", "command/exec"]),
    (5, &["account/logout", "mcpServerStatus/list"]),
    (4, &["turn/steer", "account/login/start", "account/rateLimits/read", "thread/turns/list", "thread/unsubscribe"]),
    (3, &["thread/items/list", "experimentalFeature/list", "thread/rollback"]),
    (
        2,
        &[
            "app/list",
            "review/start",
            "collaborationMode/list",
            "thread/shellCommand",
            "config/mcpServer/reload",
            "thread/goal/get",
        ],
    ),
    (
        1,
        &[
            "permissionProfile/list",
            "thread/inject_items",
            "threadSection/list",
            "fs/readDirectory",
            "thread/backgroundTerminals/list",
            "thread/backgroundTerminals/clean",
            "thread/metadata/update",
            "fuzzyFileSearch",
            "hooks/list",
            "account/bedrock/checkGovCloudRequirements",
            "plugin/installed",
            "thread/readState/update",
            "thread/search",
            "config/batchWrite",
        ],
    ),
];

/// What to do instead of a method that clients call and that is not served.
const INSTEAD: &[(&str, &str)] = &[
    ("review/start", "`turn/start` with the review asked for in words; there is no reviewing mode"),
    (
        "config/batchWrite",
        "edit `config.toml` in the home; the TUI asks to keep a choice of model, and goes on without",
    ),
    ("thread/backgroundTerminals/list", "nothing to list: whatever a turn has started ends with the turn"),
    ("thread/backgroundTerminals/clean", "nothing to end: whatever a turn has started ends with the turn"),
];

/// Methods of ours that the reference's bindings do not have.
const OURS: &[(&str, &str)] = &[
    ("getAuthStatus", "the reference serves it, and leaves it out of its schema"),
    ("gitDiffToRemote", "the reference serves it, and leaves it out of its schema"),
    ("valet/account/forget", "forgets an account that was lent beside the login; not served in strict mode"),
    ("valet/account/lend", "lends a token beside the login; not served in strict mode"),
    ("valet/account/list", "what is lent beside the login; not served in strict mode"),
    ("valet/login/redirect", "finishes a browser login on a machine without the browser; not served in strict mode"),
    ("valet/thread/account/set", "the account of a thread's next turns; not served in strict mode"),
    ("thread/rollback", "gone from the reference; older clients call it"),
];

/// How many clients call it.
pub(crate) fn callers(method: &str) -> usize {
    CALLED.iter().find(|(_, methods)| methods.contains(&method)).map_or(0, |(count, _)| *count)
}

/// The methods that clients call, those of most clients first.
pub(crate) fn called() -> impl Iterator<Item = (usize, &'static str)> {
    CALLED.iter().flat_map(|(count, methods)| methods.iter().map(|method| (*count, *method)))
}

/// What to do instead.
pub(crate) fn instead(method: &str) -> &'static str {
    known(INSTEAD, method)
}

/// Why we have a method that the reference's bindings do not.
pub(crate) fn why_ours(method: &str) -> &'static str {
    known(OURS, method)
}

fn known(list: &[(&str, &'static str)], method: &str) -> &'static str {
    let found = list.iter().find(|(name, _)| *name == method);
    found.unwrap_or_else(|| panic!("say in {} what to tell people about {method}", file!())).1
}
