//! Model providers: the built-in one and those of the configuration, made ready for requests.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use valet_agent::{FailureClass, Provider, Retries, Wire};
use valet_auth::{AccessToken, Account, Mode};
use valet_protocol::COMPATIBLE_VERSION;

use super::{Config, ConfigError, ProviderToml};

/// The provider that needs no entry in the configuration.
pub(crate) const BUILT_IN: &str = "openai";

/// What a provider has to be.
pub(super) const ONE_OF_THEM: &str = "`model_provider` has to be a key of `model_providers`, or \"openai\"";

const API_BASE_URL: &str = "https://api.openai.com/v1";
const REQUEST_RETRIES: u32 = 4;
const STREAM_RETRIES: u32 = 5;
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

impl Config {
    /// The provider of new threads.
    pub(crate) fn provider_id(&self) -> &str {
        self.keys.model_provider.as_deref().unwrap_or(BUILT_IN)
    }

    /// Whether requests to the provider carry the login.
    pub(crate) fn uses_login(&self, provider_id: &str) -> bool {
        match self.keys.model_providers.get(provider_id) {
            Some(provider) => provider.requires_openai_auth,
            None => provider_id == BUILT_IN,
        }
    }

    /// Who pays for a request to a provider. A key that the configuration names beats the login; a provider that wants
    /// neither gets neither.
    pub(crate) fn payer(&self, provider: &Provider, login: Option<Arc<Account>>) -> Option<Arc<Account>> {
        provider.key.clone().or(login.filter(|_| self.uses_login(&provider.id)))
    }

    /// Whether there is such a provider.
    pub(super) fn has_provider(&self, provider_id: &str) -> bool {
        provider_id == BUILT_IN || self.keys.model_providers.contains_key(provider_id)
    }

    /// The same, for whoever has named it.
    pub(crate) fn check_provider(&self, provider_id: &str) -> Result<(), ConfigError> {
        if self.has_provider(provider_id) {
            return Ok(());
        }
        let not_found = format!("Model provider `{provider_id}` not found");
        Err(ConfigError::Value(if self.strict() { not_found } else { format!("{not_found}; {ONE_OF_THEM}") }))
    }

    /// What a person can do about a failure of a provider, if the configuration tells.
    pub(crate) fn remedy(&self, provider_id: &str, failure: &FailureClass) -> Option<String> {
        let entry = self.keys.model_providers.get(provider_id);
        match failure {
            FailureClass::HttpStatus(401) => Some(match entry.and_then(|entry| entry.env_key.as_ref()) {
                Some(variable) => format!("check the key in the variable `{variable}`"),
                None if self.uses_login(provider_id) => "log in with `account/login/start`, or lend a token".to_owned(),
                None => {
                    format!("`model_providers.{provider_id}` has no `env_key`, and no `requires_openai_auth = true`")
                }
            }),
            FailureClass::Unreachable => Some(Self::unreached(&self.address_keys(provider_id))),
            // The end of the address is missing, such as `/v1`, or the server says so of a model.
            FailureClass::HttpStatus(404) if entry.is_some_and(|entry| entry.base_url.is_some()) => {
                Some(format!("check {} and the model", self.address_keys(provider_id)))
            }
            _ => None,
        }
    }

    /// What a person can do when nobody answers at an address that these keys hold.
    pub(crate) fn unreached(keys: &str) -> String {
        format!("check {keys}, the network and the proxy")
    }

    fn address_keys(&self, provider_id: &str) -> String {
        let entry = self.keys.model_providers.get(provider_id);
        if entry.is_some_and(|entry| entry.base_url.is_some()) {
            return format!("`model_providers.{provider_id}.base_url`");
        }
        "`openai_base_url` and `chatgpt_base_url`".to_owned()
    }

    /// Makes a provider ready for the requests of one turn. The built-in one has a place for subscriptions
    /// and another for API keys.
    pub(crate) fn provider(&self, provider_id: &str, login: Option<Mode>) -> Result<Arc<Provider>, ConfigError> {
        self.check_provider(provider_id)?;
        let built_in = ProviderToml::default();
        let entry = self.keys.model_providers.get(provider_id).unwrap_or(&built_in);
        let wire = entry.wire();
        if wire == Wire::Chat && takes_only_a_login(entry) && matches!(login, Some(Mode::External | Mode::Chatgpt)) {
            return Err(ConfigError::Value(format!(
                "model provider `{provider_id}` speaks chat completions, which no ChatGPT login is good for; set its \
                 `env_key`, or log in with an API key"
            )));
        }
        let base_url = entry.base_url.clone().unwrap_or_else(|| self.built_in_base_url(login));
        let models_url = self.models_url(provider_id, login, &base_url);
        let idle = entry.stream_idle_timeout_ms.map_or(IDLE_TIMEOUT, Duration::from_millis);
        let requests = entry.request_max_retries.unwrap_or(REQUEST_RETRIES);
        let streams = entry.stream_max_retries.unwrap_or(STREAM_RETRIES);
        Ok(Arc::new(Provider {
            id: provider_id.to_owned(),
            wire,
            base_url,
            query: entry.query_params.clone(),
            models_url,
            headers: headers(provider_id, entry)?,
            retries: if self.strict() {
                Retries::Apart { requests, streams }
            } else {
                Retries::Together(requests.saturating_add(streams))
            },
            stream_idle_timeout: idle,
            key: key(entry, self.strict())?,
        }))
    }

    /// Subscriptions differ in their models, and so do servers. An API key has those that are built in; in strict mode,
    /// the servers of others are not asked either.
    fn models_url(&self, provider_id: &str, login: Option<Mode>, base_url: &str) -> Option<String> {
        let base_url = base_url.trim_end_matches('/');
        let subscribed = matches!(login, Some(Mode::External | Mode::Chatgpt)) && self.uses_login(provider_id);
        if subscribed {
            return Some(format!("{base_url}/models?client_version={COMPATIBLE_VERSION}"));
        }
        (provider_id != BUILT_IN && !self.strict()).then(|| format!("{base_url}/models"))
    }

    fn built_in_base_url(&self, login: Option<Mode>) -> String {
        match (&self.keys.openai_base_url, login) {
            (Some(url), _) => url.clone(),
            (None, Some(Mode::External | Mode::Chatgpt)) => format!("{}/codex", self.chatgpt_base_url()),
            (None, _) => API_BASE_URL.to_owned(),
        }
    }
}

impl ProviderToml {
    /// What the provider speaks.
    fn wire(&self) -> Wire {
        if self.wire_api.as_deref() == Some("chat") { Wire::Chat } else { Wire::Responses }
    }
}

/// Whether requests carry the login, and no key of the configuration.
fn takes_only_a_login(entry: &ProviderToml) -> bool {
    entry.requires_openai_auth && entry.env_key.is_none()
}

fn key(entry: &ProviderToml, strict: bool) -> Result<Option<Arc<Account>>, ConfigError> {
    let Some(variable) = &entry.env_key else { return Ok(None) };
    match std::env::var(variable) {
        Ok(key) if !key.trim().is_empty() => Ok(Some(Account::api_key(AccessToken::new(key.trim())))),
        _ => {
            let remedy = if strict { "." } else { "; set it where the host is started" };
            Err(ConfigError::Value(format!("Missing environment variable: `{variable}`{remedy}")))
        }
    }
}

fn headers(provider_id: &str, entry: &ProviderToml) -> Result<HeaderMap, ConfigError> {
    let from_environment = entry.env_http_headers.iter();
    let from_environment = from_environment.filter_map(|(name, variable)| Some((name, std::env::var(variable).ok()?)));
    let written = entry.http_headers.iter().map(|(name, value)| (name, value.clone()));
    let mut headers = HeaderMap::new();
    for (name, value) in written.chain(from_environment) {
        let bad = || ConfigError::Value(format!("model_providers.{provider_id}: `{name}` is not a valid header"));
        let name = HeaderName::try_from(name.as_str()).map_err(|_| bad())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pretty_assertions::assert_eq;

    use crate::config::Config;

    #[test]
    fn what_is_wrong_with_a_provider_is_told_with_what_to_do_but_not_in_strict_mode() {
        let errors = |compat: &str| {
            let text = format!("valet.compat = \"{compat}\"\nmodel_providers.x.env_key = \"VALET_TEST_IS_NOT_SET\"");
            let config = Config::parse(Path::new("/h"), &text, &[]).unwrap();
            ["nope", "x"].map(|id| config.provider(id, None).err().unwrap().to_string())
        };
        let words = [
            "invalid configuration: Model provider `nope` not found",
            "invalid configuration: Missing environment variable: `VALET_TEST_IS_NOT_SET`",
        ];
        assert_eq!(errors("strict"), [words[0].to_owned(), format!("{}.", words[1])]);
        let remedies = [
            "; `model_provider` has to be a key of `model_providers`, or \"openai\"",
            "; set it where the host is started",
        ];
        assert_eq!(errors("default"), [0, 1].map(|row| format!("{}{}", words[row], remedies[row])));
    }
}
