//! Tokens that say whose they are and that expire when the backend says so.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use crate::stage::lock;

/// Long enough that nobody asks ahead of it.
const HOUR: i64 = 3600;
/// So short that the host asks for another one with the next turn.
const SOON: i64 = 120;

/// The issuer, and what it does not accept any more.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    last: AtomicU64,
    expired: Mutex<HashSet<u64>>,
}

/// The name of an account.
pub(crate) fn account_name(account: usize) -> String {
    format!("acct-{account}")
}

impl Tokens {
    /// A new token of an account. Its third part says so again, for the backend.
    pub(crate) fn issue(&self, account: usize, short: bool) -> String {
        let serial = self.last.fetch_add(1, Ordering::Relaxed);
        let name = account_name(account);
        let expires_at = chrono::Utc::now().timestamp() + if short { SOON } else { HOUR };
        let ids = json!({ "chatgpt_account_id": name, "chatgpt_user_id": format!("user-{account}") });
        let claims = json!({ "exp": expires_at, "jti": serial, "https://api.openai.com/auth": ids });
        let encode = |part: String| BASE64_URL_SAFE_NO_PAD.encode(part);
        let header = encode(json!({ "alg": "none", "typ": "JWT" }).to_string());
        format!("{header}.{}.{name}x{serial}", encode(claims.to_string()))
    }

    /// A token that the backend refuses.
    pub(crate) fn issue_expired(&self, account: usize) -> String {
        let token = self.issue(account, false);
        if let Some((_, serial)) = read(&token) {
            self.expire(serial);
        }
        token
    }

    pub(crate) fn expire(&self, serial: u64) {
        lock(&self.expired).insert(serial);
    }

    pub(crate) fn is_expired(&self, serial: u64) -> bool {
        lock(&self.expired).contains(&serial)
    }
}

/// The account's name and the serial number of a token.
pub(crate) fn read(token: &str) -> Option<(&str, u64)> {
    let (name, serial) = token.rsplit('.').next()?.split_once('x')?;
    Some((name, serial.parse().ok()?))
}
