//! Values of the right kind that are of no use all the same, such as an address that is none: found when the host
//! starts, and not in somebody's turn.

use std::ops::RangeInclusive;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use valet_auth::issuer::ADDRESS_VARIABLES;
use valet_transport::listener::AllowedOrigin;

use super::wrong::Wrong;
use super::{AuthScope, Compat, ConfigToml, OneOrMore};

const ADDRESS: &str = "an address that begins with http:// or https://";
const MILLISECONDS: &str = "a number of milliseconds, 1 or more";

/// How long a parent may take to answer a token refresh, in milliseconds.
const REFRESH_TIMEOUT_MS: RangeInclusive<u64> = 1..=300_000;

/// The first of them, if there is any.
pub(super) fn find(keys: &ConfigToml) -> Option<Wrong> {
    let addresses = [
        ("chatgpt_base_url".to_owned(), &keys.chatgpt_base_url),
        ("openai_base_url".to_owned(), &keys.openai_base_url),
        ("valet.issuer".to_owned(), &keys.valet.issuer),
    ];
    let providers = keys.model_providers.iter();
    let of_providers = providers.map(|(id, it)| (format!("model_providers.{id}.base_url"), &it.base_url));
    for (key, address) in addresses.into_iter().chain(of_providers) {
        if address.as_deref().is_some_and(|address| !is_address(address)) {
            return Some(Wrong::new(&key, ADDRESS));
        }
    }
    for (id, provider) in &keys.model_providers {
        let written = provider.http_headers.iter();
        let written = written.map(|(name, value)| ("http_headers", name, HeaderValue::try_from(value).is_ok()));
        let named = provider.env_http_headers.keys().map(|name| ("env_http_headers", name, true));
        for (key, name, valid) in written.chain(named) {
            let key = format!("model_providers.{id}.{key}.{name}");
            if HeaderName::try_from(name).is_err() {
                return Some(Wrong::new(&key, "named as a header can be"));
            }
            if !valid {
                return Some(Wrong::new(&key, "what can stand in a header"));
            }
        }
        if !is_one_of(provider.wire_api.as_deref(), &["responses", "chat"]) {
            return Some(Wrong::new(&format!("model_providers.{id}.wire_api"), "`responses` or `chat`"));
        }
        if provider.stream_idle_timeout_ms == Some(0) {
            return Some(Wrong::new(&format!("model_providers.{id}.stream_idle_timeout_ms"), MILLISECONDS));
        }
    }
    let strict = keys.valet.compat == Compat::Strict;
    let (valet, workspaces) = (&keys.valet, keys.forced_chatgpt_workspace_id.clone().map(OneOrMore::into_vec));
    let rows = [
        (!strict && keys.model.as_deref().is_some_and(is_blank), "model", "the name of a model"),
        (
            !is_one_of(keys.model_verbosity.as_deref(), &["low", "medium", "high"]),
            "model_verbosity",
            "`low`, `medium` or `high`",
        ),
        (
            !is_one_of(keys.forced_login_method.as_deref(), &["api", "chatgpt"]),
            "forced_login_method",
            "`api` or `chatgpt`",
        ),
        (
            // A restriction that somebody forgot to fill in would be none, as it is in the reference.
            !strict && workspaces.is_some_and(|ids| ids.is_empty() || ids.iter().any(|id| is_blank(id))),
            "forced_chatgpt_workspace_id",
            "a workspace, or a list of them, and none is empty",
        ),
        (
            valet.auth_refresh_timeout_ms.is_some_and(|asked| !REFRESH_TIMEOUT_MS.contains(&asked)),
            "valet.auth_refresh_timeout_ms",
            "a number of milliseconds from 1 to 300000",
        ),
        (valet.exit_when_idle_ms == Some(0), "valet.exit_when_idle_ms", MILLISECONDS),
        (
            valet.opencode_auth_file.as_ref().is_some_and(|file| file.as_os_str().is_empty()),
            "valet.opencode_auth_file",
            "the name of a file",
        ),
    ];
    if let Some((_, key, has_to_be)) = rows.into_iter().find(|(wrong, ..)| *wrong) {
        return Some(Wrong::new(key, has_to_be));
    }
    if let Some(error) = valet.allow_origins.iter().find_map(|origin| origin.parse::<AllowedOrigin>().err()) {
        return Some(Wrong::because("valet.allow_origins", format!("`valet.allow_origins`: {error}")));
    }
    if strict && valet.auth_scope == AuthScope::Connection {
        let reason = "valet.compat = \"strict\" asks everybody for a token, and valet.auth_scope = \"connection\" nobody but the lender; choose one";
        return Some(Wrong::because("valet.auth_scope", reason.to_owned()));
    }
    None
}

/// The same of the variables that count more than a key.
pub(super) fn find_variable() -> Option<Wrong> {
    let is_wrong = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty() && !is_address(&value));
    let name = ADDRESS_VARIABLES.into_iter().find(is_wrong)?;
    Some(Wrong::because("", format!("the variable `{name}` has to be {ADDRESS}")))
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn is_one_of(value: Option<&str>, known: &[&str]) -> bool {
    value.is_none_or(|value| known.contains(&value))
}

fn is_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pretty_assertions::assert_eq;

    use crate::config::Config;

    const ADDRESS: &str = "has to be an address that begins with http:// or https://";
    const MILLISECONDS: &str = "has to be a number of milliseconds, 1 or more";
    const WORKSPACES: &str =
        "`forced_chatgpt_workspace_id` has to be a workspace, or a list of them, and none is empty";

    #[test]
    fn a_value_of_no_use_is_refused_with_its_line_and_its_key() {
        let rows = [
            ("\nchatgpt_base_url = \"not a url\"", format!("line 2: `chatgpt_base_url` {ADDRESS}")),
            ("openai_base_url = \"localhost:80\"", format!("line 1: `openai_base_url` {ADDRESS}")),
            ("[valet]\nissuer = \"foo\"", format!("line 2: `valet.issuer` {ADDRESS}")),
            (
                "[model_providers.\"a.b\"]\nname = \"x\"\nbase_url = \"ftp://h/v1\"",
                format!("line 3: `model_providers.a.b.base_url` {ADDRESS}"),
            ),
            ("valet.issuer = \"/\"", format!("line 1: `valet.issuer` {ADDRESS}")),
            (
                "[model_providers.x.http_headers]\n\"a b\" = \"sk-1\"",
                "line 2: `model_providers.x.http_headers.a b` has to be named as a header can be".to_owned(),
            ),
            (
                "[model_providers.x]\nenv_http_headers = { \"a:\" = \"HOME\" }",
                "line 2: `model_providers.x.env_http_headers.a:` has to be named as a header can be".to_owned(),
            ),
            (
                "model_providers.x.http_headers.a = \"sk-1\\n\"",
                "line 1: `model_providers.x.http_headers.a` has to be what can stand in a header".to_owned(),
            ),
            ("model_verbosity = \"loud\"", "line 1: `model_verbosity` has to be `low`, `medium` or `high`".to_owned()),
            ("forced_login_method = \"x\"", "line 1: `forced_login_method` has to be `api` or `chatgpt`".to_owned()),
            (
                "[model_providers.x]\n\nwire_api = \"grpc\"",
                "line 3: `model_providers.x.wire_api` has to be `responses` or `chat`".to_owned(),
            ),
            (
                "valet.auth_refresh_timeout_ms = 0",
                "line 1: `valet.auth_refresh_timeout_ms` has to be a number of milliseconds from 1 to 300000"
                    .to_owned(),
            ),
            ("[valet]\nexit_when_idle_ms = 0", format!("line 2: `valet.exit_when_idle_ms` {MILLISECONDS}")),
            (
                "[model_providers.x]\nstream_idle_timeout_ms = 0",
                format!("line 2: `model_providers.x.stream_idle_timeout_ms` {MILLISECONDS}"),
            ),
            ("forced_chatgpt_workspace_id = []", format!("line 1: {WORKSPACES}")),
            ("forced_chatgpt_workspace_id = \"\"", format!("line 1: {WORKSPACES}")),
            ("\nforced_chatgpt_workspace_id = [\"ws-a\", \" \"]", format!("line 2: {WORKSPACES}")),
            ("model = \"\"", "line 1: `model` has to be the name of a model".to_owned()),
            (
                "[valet]\nopencode_auth_file = \"\"",
                "line 2: `valet.opencode_auth_file` has to be the name of a file".to_owned(),
            ),
            (
                "[valet]\nallow_origins = [\"https://a.example\", \"x\"]",
                "line 2: `valet.allow_origins`: invalid origin `x`; expected `scheme://host[:port]` or `null`, as browsers send it"
                    .to_owned(),
            ),
        ];
        for (text, words) in rows {
            let error = Config::parse(Path::new("/h"), text, &[]).unwrap_err().to_string();
            assert_eq!(error, format!("invalid configuration: /h/config.toml, {words}"));
        }
    }

    #[test]
    fn what_is_put_on_top_of_a_value_of_no_use_counts_and_has_no_line() {
        let text = "chatgpt_base_url = \"not a url\"";
        let parse = |text, over: &str| Config::parse(Path::new("/h"), text, &[format!("chatgpt_base_url={over}")]);
        assert_eq!(parse(text, "http://127.0.0.1:1").unwrap().chatgpt_base_url(), "http://127.0.0.1:1");
        for text in ["", text, "chatgpt_base_url = \"http://h\""] {
            let error = parse(text, "no").unwrap_err().to_string();
            assert_eq!(error, format!("invalid configuration: `chatgpt_base_url` {ADDRESS}"));
        }
    }

    #[test]
    fn in_strict_mode_an_empty_workspace_is_no_restriction() {
        for (ids, restricted) in [("\"\"", &[][..]), ("[]", &[]), ("[\" \", \"ws-a\"]", &["ws-a"])] {
            let text = format!("valet.compat = \"strict\"\nforced_chatgpt_workspace_id = {ids}");
            let config = Config::parse(Path::new("/h"), &text, &[]).unwrap();
            assert_eq!(config.rules().workspaces, restricted, "{ids}");
        }
    }
}
