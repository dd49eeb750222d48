//! What a request carried that nobody may read in what is said of its answer: some proxies, and some backends, answer
//! with what they were sent.

use reqwest::{Request, Response};

use crate::token::AccessToken;

/// A shorter value guards nothing, and would be found in the middle of words.
const LEAST_BYTES: usize = 8;

/// What the name of a query parameter has in it whose value is to be read in an error. Any other may be a key.
const NO_KEY: &str = "version";

/// The secrets of one request: the values of its sensitive headers, and those of its query.
#[derive(Clone, Default)]
pub struct Secrets(Vec<AccessToken>);

impl Secrets {
    pub(crate) fn of_request(request: &Request) -> Self {
        let values = request.headers().values().filter(|value| value.is_sensitive());
        let words = values.filter_map(|value| value.to_str().ok()?.rsplit(' ').next());
        // As the backend reads them, and as they are sent.
        let decoded = request.url().query_pairs().filter(|(name, _)| is_key(name)).map(|(_, value)| value);
        let sent = request.url().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let sent = sent.filter(|(name, _)| is_key(name)).map(|(_, value)| value.into());
        Self(words.map(Into::into).chain(decoded).chain(sent).map(AccessToken::new).collect())
    }

    /// Those of the request that was answered with this.
    pub fn of(response: &Response) -> Self {
        response.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// A text of the backend's, with `[redacted]` where it repeats a secret.
    pub fn hide_in(&self, text: String) -> String {
        hide(text, self.0.iter().map(AccessToken::expose))
    }
}

fn is_key(name: &str) -> bool {
    !name.to_ascii_lowercase().contains(NO_KEY)
}

/// The text with `[redacted]` where it repeats one of these.
pub(crate) fn hide<'a>(text: String, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let found = |text: &str, secret: &str| secret.len() >= LEAST_BYTES && text.contains(secret);
    let hide = |text: String, secret| if found(&text, secret) { text.replace(secret, "[redacted]") } else { text };
    secrets.into_iter().fold(text, hide)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use reqwest::header::{AUTHORIZATION, HeaderValue};
    use reqwest::{Method, Request, Url};

    use super::Secrets;

    #[test]
    fn what_a_request_kept_secret_is_hidden_wherever_it_is_repeated() {
        let mut request = Request::new(Method::GET, Url::parse("http://x").unwrap());
        let header = |text: &'static str, is_sensitive| {
            let mut value = HeaderValue::from_static(text);
            value.set_sensitive(is_sensitive);
            value
        };
        request.headers_mut().insert(AUTHORIZATION, header("Bearer token-of-somebody", true));
        request.headers_mut().insert("x-key", header("key-of-somebody", true));
        request.headers_mut().insert("x-short", header("true", true));
        request.headers_mut().insert("x-plain", header("said-by-everybody", false));
        request.url_mut().set_query(Some("api-version=2024-10-21&Subscription-Key=of%2Fthe%2Fhouse"));
        let said = "Bearer token-of-somebody, key-of-somebody, token-of-somebody: true, said-by-everybody, \
                    api-version=2024-10-21&Subscription-Key=of%2Fthe%2Fhouse, of/the/house";
        let hidden = "Bearer [redacted], [redacted], [redacted]: true, said-by-everybody, \
                      api-version=2024-10-21&Subscription-Key=[redacted], [redacted]";
        assert_eq!(Secrets::of_request(&request).hide_in(said.to_owned()), hidden);
    }
}
