//! Values of the right kind that are of no use all the same, such as an address that is none: found when the host
//! starts, and not in somebody's turn.

use std::ops::RangeInclusive;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use super::wrong::Wrong;
use super::{AuthScope, Compat, ConfigToml};

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
            return Some(Wrong::new(&key, "an address that begins with http:// or https://"));
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
    }
    if !is_one_of(keys.model_verbosity.as_deref(), &["low", "medium", "high"]) {
        return Some(Wrong::new("model_verbosity", "`low`, `medium` or `high`"));
    }
    if !is_one_of(keys.forced_login_method.as_deref(), &["api", "chatgpt"]) {
        return Some(Wrong::new("forced_login_method", "`api` or `chatgpt`"));
    }
    if keys.valet.auth_refresh_timeout_ms.is_some_and(|asked| !REFRESH_TIMEOUT_MS.contains(&asked)) {
        return Some(Wrong::new("valet.auth_refresh_timeout_ms", "a number of milliseconds from 1 to 300000"));
    }
    if keys.valet.compat == Compat::Strict && keys.valet.auth_scope == AuthScope::Connection {
        let reason = "valet.compat = \"strict\" asks everybody for a token, and valet.auth_scope = \"connection\" nobody but the lender; choose one";
        return Some(Wrong::because("valet.auth_scope", reason.to_owned()));
    }
    None
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
}
