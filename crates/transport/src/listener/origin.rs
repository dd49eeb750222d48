//! Whether a request comes from a web page, by what browsers say of it: `Origin` names the page, and `Host`
//! the name that the page's address was looked up by.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};

/// An origin that may connect: `scheme://host[:port]`, or `null` for pages that have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(String);

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Why a text names no origin.
#[derive(Debug, thiserror::Error)]
#[error("invalid origin `{0}`; expected `scheme://host[:port]` or `null`, as browsers send it")]
pub struct BadOrigin(String);

impl FromStr for AllowedOrigin {
    type Err = BadOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadOrigin(text.to_owned());
        if text != "null" {
            let (scheme, host) = text.split_once("://").ok_or_else(bad)?;
            let scheme_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
            if scheme.is_empty() || !scheme.bytes().all(scheme_letter) || !plain(host) {
                return Err(bad());
            }
        }
        Ok(Self(text.to_owned()))
    }
}

/// A host with or without a port, and nothing else.
fn plain(host: &str) -> bool {
    !host.contains('@') && !host.ends_with(':') && host.parse::<Authority>().is_ok_and(|it| !it.host().is_empty())
}

/// Whether the request names no web page, or only those that may come.
pub(super) fn may_come(headers: &HeaderMap, allowed: &[AllowedOrigin]) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        // Letters of scheme and host count in either case, and there are no others in an origin.
        allowed.iter().any(|allowed| origin.as_bytes().eq_ignore_ascii_case(allowed.0.as_bytes()))
    })
}

/// Whether the request was meant for this address. A page whose name was made to point here says that name.
pub(super) fn is_meant_for(headers: &HeaderMap, address: SocketAddr) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(host) = host.to_str().ok().filter(|host| plain(host)) else { return false };
    let Ok(host) = host.parse::<Authority>() else { return false };
    let name = host.host();
    let ours = name.eq_ignore_ascii_case("localhost") || ["127.0.0.1", "[::1]"].contains(&name);
    let bound = name.trim_matches(['[', ']']).parse() == Ok(address.ip());
    (ours || bound) && host.port().is_none_or(|port| port.as_str() == address.port().to_string())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};
    use pretty_assertions::assert_eq;

    use super::{AllowedOrigin, is_meant_for, may_come};

    #[test]
    fn only_what_browsers_send_is_an_origin() {
        for good in ["https://example.com", "http://localhost:3000", "null", "vscode-webview://0a1b", "http://[::1]:8"]
        {
            assert!(good.parse::<AllowedOrigin>().is_ok(), "{good}");
        }
        for bad in ["", "*", "example.com", "https://", "https://example.com/", "https://a@b", "https://a:", "://a"] {
            let error = bad.parse::<AllowedOrigin>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid origin `{bad}`; expected")), "{error}");
        }
    }

    #[test]
    fn an_origin_comes_in_only_if_it_is_listed_and_all_of_several_must_be() {
        let allowed = [AllowedOrigin("https://App.example.com:8443".to_owned())];
        let rows: [(&[&str], bool); 8] = [
            (&[], true),
            (&["https://app.example.com:8443"], true),
            (&["https://APP.example.com:8443"], true),
            (&["https://app.example.com"], false),
            (&["http://app.example.com:8443"], false),
            (&["https://app.example.com:8443.evil.example"], false),
            (&["null"], false),
            (&["https://app.example.com:8443", "https://evil.example"], false),
        ];
        for (origins, may) in rows {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(may_come(&headers, &allowed), may, "{origins:?}");
        }
    }

    #[test]
    fn only_the_bound_address_and_the_names_of_this_machine_are_meant() {
        let address = "127.0.0.2:4500".parse().unwrap();
        let rows: [(&[&str], bool); 14] = [
            (&["127.0.0.2:4500"], true),
            (&["127.0.0.1:4500"], true),
            (&["LocalHost:4500"], true),
            (&["localhost"], true),
            (&["[::1]:4500"], true),
            (&["[::1]"], true),
            (&["localhost:4501"], false),
            (&["localhost:"], false),
            (&["evil.example:4500"], false),
            (&["localhost.evil.example"], false),
            (&["a@localhost:4500"], false),
            (&["127.0.0.3:4500"], false),
            (&[], false),
            (&["localhost", "evil.example"], false),
        ];
        for (hosts, meant) in rows {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_static(host));
            }
            assert_eq!(is_meant_for(&headers, address), meant, "{hosts:?}");
        }
    }
}
