//! Which models a login can use: what the backend says, kept for a while, and the built-in list where it says nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use valet_auth::{Account, Caller, HttpClient, HttpError, Identity, Mode, send_authorized};

use super::entry::{Model, read};
use super::{catalog, errors};
use crate::failure::{Failure, FailureClass};
use crate::settings::{Origin, Provider};

/// How long anybody waits for the backend's list.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// How long a list is good, unless a response says that there is another.
const FRESH: Duration = Duration::from_secs(300);

/// How long the backend is left alone after it did not answer.
const PAUSE: Duration = Duration::from_secs(30);

/// How long a list that is out of date is kept where no login says when it is over.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// The models that are known, for each provider and login.
#[derive(Debug, Default)]
pub struct Models(Mutex<Vec<Place>>);

/// Whose list it is. It goes with the account.
#[derive(Debug)]
struct Place {
    /// Two with one address may each have a key of its own.
    provider: String,
    url: String,
    login: Option<Login>,
    shelf: Arc<Shelf>,
}

/// A login with its holder: a refresh may bring another.
#[derive(Debug)]
struct Login {
    account: Weak<Account>,
    identity: Option<Identity>,
}

/// One list.
#[derive(Debug, Default)]
struct Shelf {
    /// Held by whoever asks the backend; the others wait for its answer.
    flight: tokio::sync::Mutex<()>,
    kept: Mutex<Option<CachedList>>,
}

#[derive(Clone, Debug)]
struct CachedList {
    /// None: the backend has never told.
    models: Option<Arc<[Model]>>,
    etag: Option<String>,
    until: Instant,
}

/// Whose models are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Where the models are.
    pub provider: &'a Provider,
    /// Who pays.
    pub account: Option<&'a Arc<Account>>,
    /// Who the backend is told is calling.
    pub origin: &'a Origin,
}

impl Models {
    /// The models of a provider for a login, best first. None: nobody has said which. Takes 5 s at most.
    pub async fn told(&self, http: &HttpClient, asker: Asker<'_>) -> Option<Arc<[Model]>> {
        let url = asker.provider.models_url.as_deref()?;
        let shelf = self.shelf(url, asker);
        let asked = async {
            let _flight = shelf.flight.lock().await;
            if shelf.fresh().is_none() {
                let kept = ask(http, url, asker).await.unwrap_or_else(|reason| shelf.missed(&reason));
                shelf.keep(kept);
            }
        };
        if tokio::time::timeout(TIME_LIMIT, asked).await.is_err() && shelf.fresh().is_none() {
            shelf.keep(shelf.missed("no answer in time"));
        }
        shelf.kept().as_ref()?.models.clone()
    }

    /// The same, or else the built-in ones.
    pub async fn list(&self, http: &HttpClient, asker: Asker<'_>) -> Arc<[Model]> {
        self.told(http, asker).await.unwrap_or_else(Model::built_in)
    }

    /// Adds to the refusal of a model which others there are.
    pub(crate) async fn explain(&self, http: &HttpClient, asker: Asker<'_>, model: &str, failure: Failure) -> Failure {
        if !matches!(failure.class(), FailureClass::ModelNotFound | FailureClass::ModelNotSupported) {
            return failure;
        }
        let told = self.told(http, asker).await;
        let subscribed = asker.account.is_some_and(|account| account.mode() != Mode::ApiKey);
        if told.is_none() && asker.provider.models_url.is_some() && !subscribed {
            // Nobody knows what a server of somebody's own has.
            return failure;
        }
        let words = errors::words(&failure.message).unwrap_or_else(|| failure.message.clone());
        failure.in_words(format!("{words} {}", catalog::others(told.as_deref(), model)))
    }

    /// A response has said which list is the latest.
    pub(crate) fn hear(&self, asker: Asker<'_>, etag: &str) {
        let Some(url) = asker.provider.models_url.as_deref() else { return };
        if let Some(kept) = self.shelf(url, asker).kept().as_mut().filter(|kept| kept.models.is_some()) {
            let is_ours = kept.etag.as_deref() == Some(etag);
            kept.until = Instant::now() + if is_ours { FRESH } else { Duration::ZERO };
        }
    }

    fn shelf(&self, url: &str, asker: Asker<'_>) -> Arc<Shelf> {
        // A key that the configuration names is the provider's own.
        let login = asker.account.filter(|_| asker.provider.key.is_none()).map(Login::of);
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        places.retain(|place| place.is_of_use(now));
        let same = |place: &&Place| match (&place.login, &login) {
            (Some(one), Some(other)) => Weak::ptr_eq(&one.account, &other.account) && one.identity == other.identity,
            (one, other) => one.is_none() && other.is_none(),
        };
        let provider = &asker.provider.id;
        if let Some(place) = places.iter().filter(same).find(|place| place.url == url && place.provider == *provider) {
            return Arc::clone(&place.shelf);
        }
        let shelf = Arc::new(Shelf::default());
        places.push(Place { provider: provider.clone(), url: url.to_owned(), login, shelf: Arc::clone(&shelf) });
        shelf
    }
}

impl Place {
    /// What was known of an account that is gone is forgotten, and so is what nobody has asked for in a long time.
    fn is_of_use(&self, now: Instant) -> bool {
        match &self.login {
            Some(login) => login.account.strong_count() > 0,
            None if Arc::strong_count(&self.shelf) > 1 => true,
            None => self.shelf.kept().as_ref().is_some_and(|kept| now < kept.until + FORGOTTEN),
        }
    }
}

impl Login {
    fn of(account: &Arc<Account>) -> Self {
        Self { account: Arc::downgrade(account), identity: account.snapshot().identity.clone() }
    }
}

impl Shelf {
    fn kept(&self) -> MutexGuard<'_, Option<CachedList>> {
        // Values are replaced as a whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, kept: CachedList) {
        *self.kept() = Some(kept);
    }

    fn fresh(&self) -> Option<CachedList> {
        self.kept().clone().filter(|kept| Instant::now() < kept.until)
    }

    /// What was told before stays, and the backend is left alone for a moment.
    fn missed(&self, reason: &str) -> CachedList {
        tracing::warn!(reason, "the backend did not say which models there are");
        let (models, etag) = self.kept().clone().map(|kept| (kept.models, kept.etag)).unwrap_or_default();
        CachedList { models, etag, until: Instant::now() + PAUSE }
    }
}

async fn ask(http: &HttpClient, url: &str, asker: Asker<'_>) -> Result<CachedList, String> {
    let client = http.get().map_err(|error| error.to_string())?;
    let url = Url::parse(url).map_err(|error| error.to_string())?;
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("*/*"))]);
    let request = asker.provider.request(client, Method::GET, url, asker.origin).headers(headers).build();
    let request = request.map_err(|error| HttpError::from(error).to_string())?;
    let sent = send_authorized(client, asker.account, &Caller::Program, request, TIME_LIMIT).await;
    let response = sent.map_err(|error| error.to_string())?;
    let response = response.error_for_status().map_err(|error| HttpError::from(error).to_string())?;
    let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let body = response.bytes().await.map_err(|error| HttpError::from(error).to_string())?;
    let models = read(&body).ok_or("there is none to choose in the list")?;
    Ok(CachedList { models: Some(models.into()), etag, until: Instant::now() + FRESH })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use reqwest::header::HeaderMap;
    use valet_auth::{AccessToken, Account};

    use super::{Asker, CachedList, FORGOTTEN, Models};
    use crate::model::wire::Wire;
    use crate::settings::{Origin, Provider, Retries};

    const URL: &str = "http://127.0.0.1:9/v1/models";

    fn with_a_key(id: &str) -> Provider {
        Provider {
            id: id.to_owned(),
            wire: Wire::Responses,
            base_url: "http://127.0.0.1:9/v1".to_owned(),
            query: BTreeMap::new(),
            headers: HeaderMap::new(),
            models_url: Some(URL.to_owned()),
            retries: Retries::Together(0),
            stream_idle_timeout: Duration::ZERO,
            key: Some(Account::api_key(AccessToken::new(id))),
        }
    }

    fn origin() -> Origin {
        Origin { originator: "me".to_owned(), user_agent: "me/1".to_owned() }
    }

    #[test]
    fn two_providers_with_one_address_have_a_list_each() {
        let (models, origin) = (Models::default(), origin());
        let shelf_of = |id| models.shelf(URL, Asker { provider: &with_a_key(id), account: None, origin: &origin });
        let (one, two) = (shelf_of("one"), shelf_of("two"));
        assert!(!Arc::ptr_eq(&one, &two));
        assert!(Arc::ptr_eq(&one, &shelf_of("one")));
    }

    #[test]
    fn a_list_without_a_login_is_forgotten_when_nobody_has_asked_for_it_in_a_long_time() {
        let (models, origin) = (Models::default(), origin());
        let shelf = models.shelf(URL, Asker { provider: &with_a_key("one"), account: None, origin: &origin });
        let until = Instant::now();
        let is_of_use = |now| models.0.lock().unwrap()[0].is_of_use(now);
        assert!(is_of_use(until), "somebody asks");
        shelf.keep(CachedList { models: None, etag: None, until });
        drop(shelf);
        assert!(is_of_use(until + FORGOTTEN / 2), "better than nothing when the backend does not answer");
        assert!(!is_of_use(until + FORGOTTEN));
    }
}
