//! The pages of the issuer: plain HTML with forms, for people and for browsers without a head.

use crate::{http::reply::Reply, issuer::PendingLogin, tokens::Identity};

/// Asks whether a client may log in, and as whom.
pub(super) fn consent(login: &PendingLogin) -> Reply {
    let name = escape(login.originator.as_deref().unwrap_or("A client without a name"));
    let client = escape(&login.client_id);
    let back = escape(login.redirect_uri.as_deref().unwrap_or_default());
    let nobody = if login.accounts.is_empty() { "<p>No account is in a workspace that is allowed.</p>" } else { "" };
    let content = format!(
        "<p><b>{name}</b> ({client}) asks to log in, and to be told at <code>{back}</code>.</p>{nobody}\n\
         <form method=\"post\" action=\"/oauth/authorize\">\n\
         <input type=\"hidden\" name=\"request\" value=\"{}\">\n{}</form>",
        escape(&login.id),
        buttons(&login.accounts),
    );
    page(200, "Log in", &content)
}

/// Asks for the code of a device, and whether it may log in, and as whom.
pub(super) fn device(user_code: &str, accounts: &[Identity]) -> Reply {
    let content = format!(
        "<form method=\"post\" action=\"/codex/device\">\n\
         <p><label>Code of the device <input name=\"user_code\" value=\"{}\" autofocus></label></p>\n{}</form>",
        escape(user_code),
        buttons(accounts),
    );
    page(200, "Log in a device", &content)
}

/// The decision about a device was taken.
pub(super) fn done() -> Reply {
    page(200, "Done", "<p>You can close this page.</p>")
}

/// The request cannot be answered.
pub(super) fn problem(problem: &str) -> Reply {
    page(400, "This does not work", &format!("<p>{}</p>", escape(problem)))
}

/// One button for each account, and one to refuse.
fn buttons(accounts: &[Identity]) -> String {
    let approve = accounts.iter().map(|Identity { account, email, .. }| {
        let (account, email) = (escape(account), escape(email));
        format!("<p><button name=\"account\" value=\"{account}\">Continue as {email} ({account})</button></p>\n")
    });
    approve.chain(["<p><button name=\"deny\" value=\"yes\">Cancel</button></p>\n".to_owned()]).collect()
}

fn page(status: u16, title: &str, content: &str) -> Reply {
    Reply::page(
        status,
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body><main>\n<h1>{title}</h1>\n{content}\n</main></body>\n</html>\n"
        ),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
