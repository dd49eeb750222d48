//! `account/login/cancel`.

use uuid::Uuid;
use valet_protocol::ErrorObject;
use valet_protocol::methods::AccountLoginCancel;
use valet_protocol::v2::{CancelLoginAccountParams, CancelLoginAccountResponse, CancelLoginAccountStatus};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for AccountLoginCancel {
    async fn handle(context: Context, params: CancelLoginAccountParams, responder: Responder<Self>) {
        let CancelLoginAccountParams { login_id } = params;
        let id = Uuid::parse_str(&login_id);
        let cancelled = id.as_ref().ok().map(|id| context.host.accounts.cancel_login(*id));
        let status = match &cancelled {
            Some(cancelled) if cancelled.was_there() => CancelLoginAccountStatus::Canceled,
            _ => CancelLoginAccountStatus::NotFound,
        };
        responder.respond(match id {
            Ok(_) => Ok(CancelLoginAccountResponse { status }),
            Err(_) => Err(ErrorObject::invalid_params(format!("invalid login id: {login_id}"))),
        });
    }
}
