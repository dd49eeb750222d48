//! `--listen` and the `--ws-*` flags: what they may say, and what they stand for. Texts are the reference's.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use clap::{Args as ClapArgs, ValueEnum};
use valet_transport::listener::{Auth, SignedRules};

use crate::args::WHO_MAY_CONNECT;

/// Where to listen.
#[derive(Clone, Debug)]
pub(crate) enum Listen {
    Stdio,
    WebSocket(SocketAddr),
    /// A socket file; without a path, the one in the home directory.
    #[cfg(unix)]
    Unix(Option<PathBuf>),
    /// The socket that the starter of the process has opened.
    #[cfg(unix)]
    Systemd,
    Off,
}

#[cfg(unix)]
const EXPECTED: &str = "`stdio://`, `unix://`, `unix://PATH`, `systemd://`, `ws://IP:PORT`, or `off`";
#[cfg(not(unix))]
const EXPECTED: &str = "`stdio://`, `ws://IP:PORT`, or `off`";

/// Why a text is no `--listen`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadListen {
    #[error("invalid websocket --listen URL `{0}`; expected `ws://IP:PORT`, with an address and no name")]
    WebSocket(String),
    #[error("unsupported --listen URL `{0}`; expected {EXPECTED}")]
    Unsupported(String),
}

impl FromStr for Listen {
    type Err = BadListen;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        if let Some(address) = url.strip_prefix("ws://") {
            return address.parse().map(Self::WebSocket).map_err(|_| BadListen::WebSocket(url.to_owned()));
        }
        #[cfg(unix)]
        if let Some(path) = url.strip_prefix("unix://") {
            return Ok(Self::Unix((!path.is_empty()).then(|| path.into())));
        }
        match url {
            "stdio://" => Ok(Self::Stdio),
            #[cfg(unix)]
            "systemd://" => Ok(Self::Systemd),
            "off" => Ok(Self::Off),
            _ => Err(BadListen::Unsupported(url.to_owned())),
        }
    }
}

/// How a websocket asks for a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WebSocketAuthMode {
    /// One token for everybody.
    CapabilityToken,
    /// Tokens that somebody signs with a shared secret (JWT, HS256).
    SignedBearerToken,
}

#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = WHO_MAY_CONNECT)]
pub(crate) struct WebSocketAuthArgs {
    /// Ask every connection for a credential, in the header `Authorization: Bearer`; an address that other machines can
    /// reach needs one.
    #[arg(long = "ws-auth", value_name = "MODE")]
    mode: Option<WebSocketAuthMode>,
    /// The file with the token of capability-token, without the white space around it; read once, at the start.
    #[arg(long = "ws-token-file", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The SHA-256 of the token of capability-token, instead of the token.
    #[arg(long = "ws-token-sha256", value_name = "HEX")]
    token_sha256: Option<String>,
    /// The file with the secret of signed-bearer-token, 32 bytes or more without the white space around them; read
    /// once, at the start.
    #[arg(long = "ws-shared-secret-file", value_name = "FILE")]
    shared_secret_file: Option<PathBuf>,
    /// What the claim `iss` of a signed-bearer-token must be; anything unless given.
    #[arg(long = "ws-issuer", value_name = "ISSUER")]
    issuer: Option<String>,
    /// What the claim `aud` of a signed-bearer-token must be, or hold; anything unless given.
    #[arg(long = "ws-audience", value_name = "AUDIENCE")]
    audience: Option<String>,
    /// How far the clock of whoever signs a signed-bearer-token may be off, in seconds; 30 unless given.
    #[arg(long = "ws-max-clock-skew-seconds", value_name = "SECONDS")]
    max_clock_skew_seconds: Option<u64>,
}

/// Why the flags make no sense together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadAuth {
    #[error("`--ws-token-file` or `--ws-token-sha256` is required when `--ws-auth capability-token` is set")]
    NoToken,
    #[error("`--ws-token-file` and `--ws-token-sha256` are mutually exclusive")]
    TwoTokens,
    #[error("`--ws-shared-secret-file` is required when `--ws-auth signed-bearer-token` is set")]
    NoSecret,
    #[error("websocket auth flags require `--ws-auth capability-token` or `--ws-auth signed-bearer-token`")]
    NoMode,
    #[error(
        "`--ws-shared-secret-file`, `--ws-issuer`, `--ws-audience`, and `--ws-max-clock-skew-seconds` require `--ws-auth signed-bearer-token`"
    )]
    SignedFlags,
    #[error(
        "`--ws-token-file` and `--ws-token-sha256` require `--ws-auth capability-token`, not `signed-bearer-token`"
    )]
    CapabilityFlags,
    #[error("--ws-token-sha256 must be a 64-character hex SHA-256 digest")]
    Digest,
}

/// Flags that make sense together. No file has been read.
#[derive(Debug)]
pub(crate) enum AuthPlan {
    TokenFile(PathBuf),
    TokenDigest([u8; 32]),
    Signed(PathBuf, SignedRules),
}

impl WebSocketAuthArgs {
    /// What the flags ask for; `None` when there are none.
    pub(crate) fn plan(&self) -> Result<Option<AuthPlan>, BadAuth> {
        let capability = self.token_file.is_some() || self.token_sha256.is_some();
        let signed = self.shared_secret_file.is_some()
            || self.issuer.is_some()
            || self.audience.is_some()
            || self.max_clock_skew_seconds.is_some();
        match self.mode {
            None if capability || signed => Err(BadAuth::NoMode),
            None => Ok(None),
            Some(WebSocketAuthMode::CapabilityToken) if signed => Err(BadAuth::SignedFlags),
            Some(WebSocketAuthMode::SignedBearerToken) if capability => Err(BadAuth::CapabilityFlags),
            Some(WebSocketAuthMode::CapabilityToken) => match (&self.token_file, &self.token_sha256) {
                (Some(file), None) => Ok(Some(AuthPlan::TokenFile(file.clone()))),
                (None, Some(hex)) => digest(hex).map(|digest| Some(AuthPlan::TokenDigest(digest))),
                (Some(_), Some(_)) => Err(BadAuth::TwoTokens),
                (None, None) => Err(BadAuth::NoToken),
            },
            Some(WebSocketAuthMode::SignedBearerToken) => {
                let secret = self.shared_secret_file.clone().ok_or(BadAuth::NoSecret)?;
                Ok(Some(AuthPlan::Signed(secret, self.rules())))
            }
        }
    }

    fn rules(&self) -> SignedRules {
        // An issuer of white space only is none, as with the reference.
        let given =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let default = SignedRules::default();
        SignedRules {
            issuer: given(&self.issuer),
            audience: given(&self.audience),
            max_clock_skew: self.max_clock_skew_seconds.map_or(default.max_clock_skew, Duration::from_secs),
        }
    }
}

impl AuthPlan {
    /// Reads the secret.
    pub(crate) fn load(self) -> anyhow::Result<Auth> {
        match self {
            Self::TokenFile(file) => Auth::token_file(&file).context("--ws-token-file"),
            Self::TokenDigest(digest) => Ok(Auth::token_digest(digest)),
            Self::Signed(file, rules) => Auth::signed(&file, rules).context("--ws-shared-secret-file"),
        }
    }
}

fn digest(hex: &str) -> Result<[u8; 32], BadAuth> {
    let hex = hex.trim().as_bytes();
    let mut digest = [0; 32];
    if hex.len() != 2 * digest.len() {
        return Err(BadAuth::Digest);
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    for (byte, digits) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        let (high, low) = (nibble(digits[0]), nibble(digits[1]));
        *byte = high.zip(low).map(|(high, low)| high << 4 | low).ok_or(BadAuth::Digest)?;
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use pretty_assertions::assert_eq;

    use super::{AuthPlan, EXPECTED, Listen, WebSocketAuthArgs};

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        ws: WebSocketAuthArgs,
    }

    fn plan(flags: &str) -> Result<Option<AuthPlan>, String> {
        let flags = Flags::parse_from(["valet"].into_iter().chain(flags.split_whitespace()));
        flags.ws.plan().map_err(|error| error.to_string())
    }

    #[test]
    fn a_digest_may_be_in_any_case_and_an_issuer_of_blanks_is_none() {
        let hex = format!("{}{}", "aB".repeat(16), "01".repeat(16));
        let Ok(Some(AuthPlan::TokenDigest(digest))) =
            plan(&format!("--ws-auth capability-token --ws-token-sha256 {hex}"))
        else {
            panic!("a digest")
        };
        assert_eq!((digest[0], digest[15], digest[16], digest[31]), (0xab, 0xab, 1, 1));
        let flags =
            ["valet", "--ws-auth=signed-bearer-token", "--ws-shared-secret-file=f", "--ws-issuer= ", "--ws-audience=a"];
        let Ok(Some(AuthPlan::Signed(_, rules))) = Flags::parse_from(flags).ws.plan() else { panic!("signed") };
        assert_eq!((rules.issuer, rules.audience.as_deref(), rules.max_clock_skew.as_secs()), (None, Some("a"), 30));
    }

    #[test]
    fn no_flags_are_no_auth() {
        assert!(plan("").unwrap().is_none());
    }

    #[test]
    fn a_listen_url_is_taken_by_the_letter() {
        let bad = |url: &str| url.parse::<Listen>().unwrap_err().to_string();
        for url in ["ws://localhost:1", "ws://127.0.0.1", "ws://127.0.0.1:0/x", "ws://"] {
            assert_eq!(
                bad(url),
                format!("invalid websocket --listen URL `{url}`; expected `ws://IP:PORT`, with an address and no name")
            );
        }
        for url in ["tcp://1", "", "stdio", "OFF", "wss://127.0.0.1:1"] {
            let words = format!("unsupported --listen URL `{url}`; expected {EXPECTED}");
            assert_eq!(bad(url), words);
        }
        assert!(matches!("ws://[::1]:0".parse(), Ok(Listen::WebSocket(address)) if address.is_ipv6()));
    }
}
