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
