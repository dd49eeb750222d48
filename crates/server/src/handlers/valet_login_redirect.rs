//! `valet/login/redirect`.

use uuid::Uuid;
use valet_protocol::methods::ValetLoginRedirect;
use valet_protocol::v2::{LoginRedirectParams, LoginRedirectResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ValetLoginRedirect {
    async fn handle(context: Context, params: LoginRedirectParams, responder: Responder<Self>) {
        // An id that nobody gave out is unknown in any form.
        let id = Uuid::parse_str(&params.login_id).unwrap_or_default();
        let pasted = context.host.accounts.paste_redirect(id, params.redirect_url.expose()).await;
        responder.respond(pasted.map(|()| LoginRedirectResponse {}));
    }
}
