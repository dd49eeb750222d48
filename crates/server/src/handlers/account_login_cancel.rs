//! `account/login/cancel`.

use uuid::Uuid;
use valet_protocol::methods::AccountLoginCancel;
use valet_protocol::v2::{CancelLoginAccountParams, CancelLoginAccountResponse, CancelLoginAccountStatus};
use valet_protocol::{ErrorKind, ErrorObject};

use crate::dispatch::{Context, Handler};
use crate::responder::Responder;

impl Handler for AccountLoginCancel {
    async fn handle(_: Context, params: CancelLoginAccountParams, responder: Responder<Self>) {
        let CancelLoginAccountParams { login_id } = params;
        // The logins that are served complete at once, so there is never one to cancel.
        let status = CancelLoginAccountStatus::NotFound;
        responder.respond(match Uuid::parse_str(&login_id) {
            Ok(_) => Ok(CancelLoginAccountResponse { status }),
            Err(_) => {
                let message = format!("invalid login id: {login_id}");
                Err(ErrorObject::invalid_request(message).kind(ErrorKind::InvalidParams))
            }
        });
    }
}
