//! `valet/login/redirect`.

use uuid::Uuid;
use valet_protocol::methods::ValetLoginRedirect;
use valet_protocol::v2::{LoginRedirectParams, LoginRedirectResponse};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ValetLoginRedirect {
    async fn answer(context: Context, params: LoginRedirectParams) -> Answered<Self> {
        // An id that nobody gave out is unknown in any form.
        let id = Uuid::parse_str(&params.login_id).unwrap_or_default();
        context.host.accounts.paste_redirect(id, params.redirect_url.expose()).await?;
        Ok(LoginRedirectResponse {})
    }
}
