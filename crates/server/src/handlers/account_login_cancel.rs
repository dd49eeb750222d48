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
        let Ok(id) = Uuid::parse_str(&login_id) else {
            return responder
                .respond(Err(ErrorObject::invalid_request_params(format!("invalid login id: {login_id}"))));
        };
        let cancelled = context.host.accounts.cancel_login(id);
        let status = match cancelled.was_there() {
            true => CancelLoginAccountStatus::Canceled,
            false => CancelLoginAccountStatus::NotFound,
        };
        responder.respond(Ok(CancelLoginAccountResponse { status }));
        // The login ends behind the answer.
        drop(cancelled);
    }
}
