//! `/oauth/authorize`: the browser comes, is asked or not, and is sent back.

use crate::{
    http::{call::Call, issuer::pages, reply::Reply},
    issuer::Authorized,
    shared::Shared,
};

pub(super) fn begin(shared: &Shared, call: &Call) -> Reply {
    match shared.issuer.authorize(&call.query()) {
        Ok(Authorized::Ask(login)) => pages::consent(&login),
        Ok(Authorized::Redirect(location)) => Reply::redirect(location),
        Err(problem) => pages::problem(&problem),
    }
}

/// A button of the page was pressed.
pub(super) fn decide(shared: &Shared, call: &Call) -> Reply {
    let fields = call.fields();
    let request = fields.get("request").map_or("", String::as_str);
    let decided = match fields.get("account") {
        Some(account) => shared.issuer.approve(request, account),
        None => shared.issuer.deny(request),
    };
    match decided {
        Ok(Some(location)) => Reply::redirect(location),
        // The id of a device login does not belong here, yet it is decided now.
        Ok(None) => pages::done(),
        Err(error) => pages::problem(&error.to_string()),
    }
}
