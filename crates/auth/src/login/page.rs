//! The pages that a person sees at the end of a login. They load nothing and run nothing.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// The login is done.
pub(super) fn success() -> Response {
    page(StatusCode::OK, "You are logged in", "The login is complete. You can close this page and go back.", true)
}

/// The login is over, without one.
pub(super) fn failure(why: &str) -> Response {
    let text = format!("{}. Go back to where you began, and try again.", escape(why.trim_end_matches('.')));
    page(StatusCode::OK, "You are not logged in", &text, false)
}

fn page(status: StatusCode, title: &str, text: &str, good: bool) -> Response {
    let (colour, mark) = if good { ("#1a7f4b", "M5 12.5l4.5 4.5L19 7.5") } else { ("#b3372f", "M7 7l10 10M17 7L7 17") };
    let html = format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: light-dark(#f6f6f4, #17181a);
  color: light-dark(#1d1e20, #ececea); font: 17px/1.5 system-ui, sans-serif; }}
main {{ max-width: 26rem; padding: 2rem; text-align: center; }}
svg {{ width: 64px; height: 64px; padding: 8px; border-radius: 50%; background: {colour}; }}
h1 {{ margin: 1.25rem 0 .5rem; font-size: 1.5rem; font-weight: 600; }}
p {{ margin: 0; color: light-dark(#55585c, #a9adb2); }}
</style>
<main>
<svg viewBox="0 0 24 24" fill="none" stroke="white" stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="{mark}"/></svg>
<h1>{title}</h1>
<p>{text}</p>
</main>
</html>
"#
    );
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    // Nothing of the address is to reach anybody, and no other page may show this one as its own.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Words of the issuer's are text here.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
