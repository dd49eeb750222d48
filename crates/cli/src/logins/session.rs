//! A host in this process, and a client of it.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::mpsc;
use valet_client::{Client, Handlers, Notifications, RequestError};
use valet_protocol::methods as m;
use valet_protocol::v2::{AccountLoginCompletedNotification, CancelLoginAccountParams, LoginRedirectParams};
use valet_protocol::{Secret, v2};
use valet_server::{Config, Host};
use valet_transport::{OutboxLimits, memory};

use crate::ending::Signals;
use crate::logging;

/// How long a login that is cancelled may take to say so.
const CANCELLED: Duration = Duration::from_secs(5);

pub(super) struct Session {
    pub(super) client: Client,
    told: Notifications,
    host: Host,
}

impl Session {
    pub(super) async fn open(config: Config) -> anyhow::Result<Self> {
        let host = Host::start(config);
        let (near, far) = memory::pair(OutboxLimits::default());
        let serving = host.clone();
        tokio::spawn(async move { serving.connect(far).await });
        let (client, told) = Client::new(near, Handlers::new());
        // The issuer shows the name to the person who logs in.
        client.initialize("valet", env!("CARGO_PKG_VERSION"), true).await?;
        Ok(Self { client, told, host })
    }

    pub(super) async fn log_in(&self, params: v2::LoginAccountParams) -> anyhow::Result<v2::LoginAccountResponse> {
        self.client.request::<m::AccountLoginStart>(params).await.map_err(words)
    }

    /// Waits until a login has ended; a signal cancels it. What comes in from the channel is the address that a
    /// browser elsewhere ended at.
    pub(super) async fn completed(
        &mut self,
        login_id: &str,
        addresses: mpsc::UnboundedReceiver<String>,
        mut signals: Signals,
    ) -> anyhow::Result<Ended> {
        let client = self.client.clone();
        let ended = tokio::select! {
            ended = ended(&mut self.told, login_id) => ended?,
            never = hand_in(&client, login_id, addresses) => match never {},
            _ = signals.next() => {
                let params = CancelLoginAccountParams { login_id: login_id.to_owned() };
                client.request_part::<m::AccountLoginCancel, serde::de::IgnoredAny>(params).await?;
                let ended = tokio::time::timeout(CANCELLED, ended(&mut self.told, login_id)).await;
                // It may have been too late for that.
                match ended.context("the login does not end")?? {
                    ended if ended.success => ended,
                    _ => return Ok(Ended::Cancelled),
                }
            }
        };
        if ended.success {
            return Ok(Ended::LoggedIn);
        }
        Err(match ended.error {
            Some(error) => for_a_person(&error),
            None => anyhow!("the login failed"),
        })
    }

    pub(super) async fn close(self) {
        self.host.shutdown().await;
    }
}

/// What a person is told of a refusal: its sentence, without the code for machines.
pub(super) fn words(error: RequestError) -> anyhow::Error {
    match error {
        RequestError::Server(error) => for_a_person(&error.message),
        other => other.into(),
    }
}

/// What the host says in the words of the reference, which clients may know, leaves open what to do.
fn for_a_person(words: &str) -> anyhow::Error {
    match words {
        "Login server error: Login cancelled" => {
            anyhow!("another login began on this machine and has ended this one; start again")
        }
        "State mismatch" => anyhow!("this address is of another login; copy the one from the browser of this login"),
        _ if words.starts_with("failed to start login server: cannot listen") => {
            anyhow!("{words}; end what listens there, or use --device")
        }
        _ => anyhow!("{}", without_status(words)),
    }
}

/// A refusal that the issuer explains is told without the number before it.
fn without_status(words: &str) -> &str {
    words.strip_prefix("400 Bad Request: ").filter(|reason| !reason.is_empty()).unwrap_or(words)
}

/// How a login ended that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    LoggedIn,
    Cancelled,
}

async fn ended(told: &mut Notifications, login_id: &str) -> anyhow::Result<AccountLoginCompletedNotification> {
    let ended = told.wait_for::<m::AccountLoginCompleted>(|ended| ended.login_id.as_deref() == Some(login_id)).await;
    ended.context("the host has left")
}

/// Hands in one address after the other. A good one ends the login, and that is told.
async fn hand_in(client: &Client, login_id: &str, mut addresses: mpsc::UnboundedReceiver<String>) -> Infallible {
    while let Some(address) = addresses.recv().await {
        let params = LoginRedirectParams { login_id: login_id.to_owned(), redirect_url: Secret::new(address) };
        if let Err(error) = client.request::<m::ValetLoginRedirect>(params).await {
            logging::complain(&words(error));
        }
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::for_a_person;

    #[test]
    fn what_the_reference_says_is_told_with_what_to_do() {
        let taken = "failed to start login server: cannot listen for the login: port 1455: Address already in use";
        let rows = [
            (taken, format!("{taken}; end what listens there, or use --device")),
            ("400 Bad Request: The person refused.", "The person refused.".to_owned()),
            ("400 Bad Request", "400 Bad Request".to_owned()),
            ("Login timed out", "Login timed out".to_owned()),
        ];
        for (words, expected) in rows {
            assert_eq!(for_a_person(words).to_string(), expected);
        }
    }
}
