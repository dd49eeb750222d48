//! Logins that wait for a person: at most one by browser and one by device code. Each ends with exactly one
//! `account/login/completed`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use valet_auth::Keeping;
use valet_auth::issuer::DeviceCodeError;
use valet_auth::login::{BrowserLogin, Gate, Granted, Options, Refusal};
use valet_auth::store::{Login, Tokens};
use valet_protocol::methods as m;
use valet_protocol::v2::{self, LoginAccountResponse};
use valet_protocol::{ErrorKind, ErrorObject};

use super::{Accounts, Change};
use crate::connection::ConnectionId;
use crate::convert::login_error;

/// How the person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Browser,
    Device,
}

/// Why an attempt is ended by somebody else, in the words of the reference.
const CANCELLED: &str = "Login was not completed";
const DISPLACED: &str = "Login cancelled";

/// The attempts that wait.
#[derive(Default)]
pub(super) struct Attempts(Mutex<Vec<Attempt>>);

struct Attempt {
    id: Uuid,
    way: Way,
    /// Ends it, with the reason.
    end: mpsc::Sender<&'static str>,
    /// Resolves when it was told how it ended.
    told: oneshot::Receiver<()>,
    /// Where an address can be pasted.
    gate: Option<Gate>,
}

/// An attempt's own side.
struct Waiting {
    id: Uuid,
    way: Way,
    end: mpsc::Receiver<&'static str>,
    _told: oneshot::Sender<()>,
}

/// A cancellation that was accepted: the response goes out, and then this is dropped.
pub(crate) struct Cancelled(Option<Attempt>);

impl Attempts {
    fn waiting(&self) -> MutexGuard<'_, Vec<Attempt>> {
        // Nothing under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, way: Way, gate: Option<Gate>) -> Waiting {
        let id = Uuid::new_v4();
        let ((end, ended), (tell, told)) = (mpsc::channel(1), oneshot::channel());
        self.waiting().push(Attempt { id, way, end, told, gate });
        Waiting { id, way, end: ended, _told: tell }
    }

    /// Takes an attempt away, so that nobody else can end it.
    fn take(&self, is: impl Fn(&Attempt) -> bool) -> Option<Attempt> {
        let mut waiting = self.waiting();
        let position = waiting.iter().position(is)?;
        Some(waiting.swap_remove(position))
    }

    /// Ends what the new attempt takes the place of, and waits until that was told.
    async fn displace(&self, way: Way) {
        self.end(DISPLACED, |attempt| attempt.way == way).await;
    }

    /// Ends all, and waits until that was told.
    pub(super) async fn end_all(&self) {
        self.end(CANCELLED, |_| true).await;
    }

    async fn end(&self, reason: &'static str, which: impl Fn(&Attempt) -> bool) {
        while let Some(attempt) = self.take(&which) {
            let _ = attempt.end.try_send(reason);
            let _ = attempt.told.await;
        }
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let Some(attempt) = &self.0 {
            let _ = attempt.end.try_send(CANCELLED);
        }
    }
}

impl Cancelled {
    /// Whether there was something to cancel.
    pub(crate) fn was_there(&self) -> bool {
        self.0.is_some()
    }
}

impl Accounts {
    /// Where a ChatGPT login would be kept, if it may begin. In strict mode it may where it will not be kept.
    async fn keeping_for_login(&self, asker: ConnectionId) -> Result<Keeping, ErrorObject> {
        self.check_chatgpt_login(asker).map_err(|error| login_error(&error))?;
        let keeping = self.shared.keeping()?;
        if !self.shared.config.strict() {
            keeping.check().await.map_err(|error| login_error(&error.into()))?;
        }
        Ok(keeping)
    }

    /// Begins a login by browser: the answer says which URL is to be opened.
    pub(crate) async fn begin_browser_login(
        &self,
        asker: ConnectionId,
        originator: &str,
    ) -> Result<LoginAccountResponse, ErrorObject> {
        let keeping = self.keeping_for_login(asker).await?;
        self.shared.attempts.displace(Way::Browser).await;
        let options = Options { workspaces: self.shared.config.rules().workspaces, ..Options::of(originator) };
        let login = BrowserLogin::begin(keeping.issuer(), &options).await;
        let login = login.map_err(|error| ErrorObject::internal(format!("failed to start login server: {error}")))?;
        let waiting = self.shared.attempts.begin(Way::Browser, Some(login.gate()));
        let response =
            LoginAccountResponse::Chatgpt { login_id: waiting.id.to_string(), auth_url: login.auth_url.clone() };
        let accounts = self.clone();
        tokio::spawn(async move {
            let keeping = keeping.clone();
            let granted = async {
                let granted = login.granted(keeping.issuer(), keeping.http()).await;
                granted.map_err(|error| error.to_string())
            };
            accounts.finish(asker, waiting, granted, |granted| granted.tokens.clone(), show).await;
        });
        Ok(response)
    }

    /// Begins a login by device code: the answer says what is to be typed in where.
    pub(crate) async fn begin_device_login(&self, asker: ConnectionId) -> Result<LoginAccountResponse, ErrorObject> {
        let keeping = self.keeping_for_login(asker).await?;
        self.shared.attempts.displace(Way::Device).await;
        let code = keeping.issuer().device_code(keeping.http()).await.map_err(|error| match error {
            DeviceCodeError::Disabled => ErrorObject::invalid_request(error.to_string()).kind(ErrorKind::NotSupported),
            _ => ErrorObject::internal(error.to_string()).kind(ErrorKind::Upstream),
        })?;
        let waiting = self.shared.attempts.begin(Way::Device, None);
        let response = LoginAccountResponse::ChatgptDeviceCode {
            login_id: waiting.id.to_string(),
            verification_url: code.verification_url.clone(),
            user_code: code.user_code.clone(),
        };
        let accounts = self.clone();
        tokio::spawn(async move {
            let keeping = keeping.clone();
            let tokens = async {
                let tokens = keeping.issuer().wait_for_device(keeping.http(), &code).await;
                tokens.map_err(|error| error.to_string())
            };
            accounts.finish(asker, waiting, tokens, Tokens::clone, |_, _| async {}).await;
        });
        Ok(response)
    }

    /// Waits for the person, keeps what they bring, and tells how it ended.
    async fn finish<T, S: Future<Output = ()>>(
        &self,
        asker: ConnectionId,
        mut waiting: Waiting,
        granted: impl Future<Output = Result<T, String>>,
        tokens: impl Fn(&T) -> Tokens,
        show: impl FnOnce(T, Result<(), String>) -> S,
    ) {
        let granted = tokio::select! {
            granted = granted => granted,
            Some(reason) = waiting.end.recv() => Err(reason.to_owned()),
        };
        // From here on nobody can end it.
        self.shared.attempts.take(|attempt| attempt.id == waiting.id);
        let id = waiting.id.to_string();
        let scope = self.shared.scope(asker);
        let failed = match granted {
            Err(reason) => reason,
            Ok(granted) => match self.shared.auth.log_in(scope, Login::Chatgpt(tokens(&granted))).await {
                Ok(account) => {
                    let login_id = Some(id);
                    self.announce(Change::login(scope, account, login_id));
                    return show(granted, Ok(())).await;
                }
                Err(error) => {
                    let reason = error.to_string();
                    show(granted, Err(reason.clone())).await;
                    reason
                }
            },
        };
        let error = match waiting.way {
            Way::Browser => format!("Login server error: {failed}"),
            Way::Device => failed,
        };
        let told = v2::AccountLoginCompletedNotification {
            login_id: Some(id),
            success: false,
            error: Some(error),
            onboarding_entrypoint: None,
        };
        self.shared.connections.tell::<m::AccountLoginCompleted>(self.shared.audience(scope), &told);
    }

    /// Ends what waits for a person. Nobody listens for a browser any more.
    pub(crate) async fn end_logins(&self) {
        self.shared.attempts.end_all().await;
    }

    /// Ends an attempt, once the response is on its way.
    pub(crate) fn cancel_login(&self, id: Uuid) -> Cancelled {
        Cancelled(self.shared.attempts.take(|attempt| attempt.id == id))
    }

    /// Takes the address that a browser on another machine ended at.
    pub(crate) async fn paste_redirect(&self, id: Uuid, address: &str) -> Result<(), ErrorObject> {
        let gate = {
            let waiting = self.shared.attempts.waiting();
            waiting.iter().find(|attempt| attempt.id == id).and_then(|attempt| attempt.gate.clone())
        };
        let nobody = || ErrorObject::invalid_request("no login of this id waits for a browser");
        let refused = |error: Refusal| ErrorObject::invalid_request_params(error.to_string());
        let shown = gate.ok_or_else(nobody)?.paste(address).await.map_err(refused)?;
        shown.map_err(|why| ErrorObject::internal(why).kind(ErrorKind::Upstream))
    }
}

async fn show(granted: Granted, outcome: Result<(), String>) {
    granted.show(outcome).await;
}
