//! The issuer over HTTP: the faults first, then the endpoint.

mod authorize;
mod device;
mod pages;
mod revoke;
mod token;

use crate::{
    http::{
        call::Call,
        reply::{self, Reply},
    },
    issuer::Fault,
    shared::Shared,
};

/// The paths of the issuer. `/deviceauth/callback` is not among them: nobody goes there.
pub(crate) const PATHS: [&str; 6] = [
    "/oauth/authorize",
    "/oauth/token",
    "/oauth/revoke",
    "/api/accounts/deviceauth/usercode",
    "/api/accounts/deviceauth/token",
    "/codex/device",
];

/// Answers a call of one of the [`PATHS`].
pub(super) fn reply(shared: &Shared, call: &Call) -> Reply {
    let fields = call.fields();
    let grant_type = fields.get("grant_type").map(String::as_str);
    match shared.issuer.fault(&call.path, grant_type) {
        Some(fault) => {
            let answer = fault.status.map(|status| failure(&fault, status));
            answer.unwrap_or_else(|| work(shared, call)).after(fault.pause())
        }
        None => work(shared, call),
    }
}

fn failure(fault: &Fault, status: u16) -> Reply {
    Reply::value(status, fault.body.clone().unwrap_or_else(|| reply::words(status)))
}

/// A button of a page was pressed; the login that it is about is in that field.
fn decide(shared: &Shared, call: &Call, field: &str) -> Reply {
    let fields = call.fields();
    let login = fields.get(field).map_or("", |login| login.trim());
    let decided = match fields.get("account") {
        Some(account) => shared.issuer.approve(login, account),
        None => shared.issuer.deny(login),
    };
    match decided {
        // A browser login, on whichever page it was decided.
        Ok(Some(location)) => Reply::redirect(location),
        Ok(None) => pages::done(),
        Err(error) => pages::problem(&error.to_string()),
    }
}

fn work(shared: &Shared, call: &Call) -> Reply {
    match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/oauth/authorize") => authorize::begin(shared, call),
        ("POST", "/oauth/authorize") => decide(shared, call, "request"),
        ("POST", "/oauth/token") => token::reply(shared, call),
        ("POST", "/oauth/revoke") => revoke::reply(shared, call),
        ("POST", "/api/accounts/deviceauth/usercode") => device::code(shared, call),
        ("POST", "/api/accounts/deviceauth/token") => device::poll(shared, call),
        ("GET", "/codex/device") => device::page(shared, call),
        ("POST", "/codex/device") => decide(shared, call, "user_code"),
        _ => Reply::unknown_endpoint(call),
    }
}
