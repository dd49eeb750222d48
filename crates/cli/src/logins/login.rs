//! `valet login`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use valet_protocol::v2::{LoginAccountParams, LoginAccountResponse};
use valet_server::Config;
use valet_server::config::CredentialsStore;

use crate::ending::{INTERRUPTED, Signals};
use crate::logging;

use super::args::LoginArgs;
use super::session::{Ended, Session};
use super::who::Who;
use super::{block_on, carry, paste, tell};

/// How long the browser may take to fetch the last page, and how often that is looked at.
const LAST_PAGE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn run(args: &LoginArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load_for_logins()?.shelving();
    check(&config)?;
    if let Some(format) = args.import {
        carry::log_in(&config, format)?;
    } else {
        let params = match &args.api_key {
            Some(dash) => {
                // It may be a key, so it is not repeated.
                ensure!(
                    dash == "-",
                    "an API key is read from stdin, and not from the command line, where others can see it"
                );
                LoginAccountParams::ApiKey { api_key: paste::api_key()? }
            }
            None if args.device => LoginAccountParams::ChatgptDeviceCode {},
            None => LoginAccountParams::Chatgpt { codex_streamlined_login: false },
        };
        if block_on(log_in(config.clone(), params, !args.no_browser))? == Ended::Cancelled {
            logging::say("valet: the login was cancelled");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    let login = config.store().load()?.context("the login is gone already")?;
    tell(format_args!("Logged in with {}.", Who::of(&login)));
    Ok(ExitCode::SUCCESS)
}

/// Whether a login would be kept at all.
fn check(config: &Config) -> anyhow::Result<()> {
    let keys = &config.keys;
    if keys.cli_auth_credentials_store == CredentialsStore::Ephemeral && keys.valet.opencode_auth_file.is_none() {
        bail!("cli_auth_credentials_store is \"ephemeral\": a login would be gone with this command");
    }
    Ok(())
}

async fn log_in(config: Config, params: LoginAccountParams, browser: bool) -> anyhow::Result<Ended> {
    let mut session = Session::open(config).await?;
    // Heard from the beginning: an issuer may take its time.
    let mut signals = Signals::new();
    let begun = tokio::select! {
        begun = session.log_in(params) => begun?,
        _ = signals.next() => {
            session.close().await;
            return Ok(Ended::Cancelled);
        }
    };
    let ended = match begun {
        LoginAccountResponse::Chatgpt { login_id, auth_url } => {
            let callback = callback(&auth_url);
            explain(&auth_url, callback.as_deref());
            if browser && !is_remote() {
                open_browser(auth_url);
            }
            let ended = session.completed(&login_id, paste::lines(), signals).await;
            if let Some(address) = callback.filter(|_| ended.is_ok()) {
                wait_until_nobody_listens(&address).await;
            }
            ended
        }
        LoginAccountResponse::ChatgptDeviceCode { login_id, verification_url, user_code } => {
            tell(format_args!("Open this address in a browser on any device:\n\n  {verification_url}\n"));
            tell(format_args!("and enter this code there, within 15 minutes:\n\n  {user_code}\n"));
            tell("Enter no code that somebody else has sent you. Ctrl-C cancels.");
            let (_nobody, no_addresses) = mpsc::unbounded_channel();
            session.completed(&login_id, no_addresses, signals).await
        }
        LoginAccountResponse::ApiKey {} | LoginAccountResponse::ChatgptAuthTokens {} => Ok(Ended::LoggedIn),
    };
    // Also when it has failed: what the issuer gave may be on its way back.
    session.close().await;
    ended
}

fn explain(auth_url: &str, callback: Option<&str>) {
    tell(format_args!("Open this address in a browser to log in:\n\n  {auth_url}\n"));
    if let Some(callback) = callback {
        tell(format_args!(
            "If the browser is on another machine, it ends at an address that begins with http://{callback}/ and \
             cannot be opened. Paste that address here and press Enter, or use `valet login --device`."
        ));
    }
    tell("Waiting for the browser. Ctrl-C cancels.");
}

/// A browser on this machine would be nowhere near the person, or a text browser in this terminal.
fn is_remote() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let no_screen = cfg!(all(unix, not(target_os = "macos"))) && !set("DISPLAY") && !set("WAYLAND_DISPLAY");
    set("SSH_CONNECTION") || no_screen
}

/// The address is on the screen anyway, so nobody waits for this.
fn open_browser(url: String) {
    std::thread::spawn(move || {
        if let Err(error) = open::that_detached(url) {
            logging::say(format_args!("valet: no browser could be opened ({error}); open the address yourself"));
        }
    });
}

/// Where the browser is sent back to: `host:port`, from the address that it is to open.
fn callback(auth_url: &str) -> Option<String> {
    let (_, redirect) = auth_url.split_once("redirect_uri=http%3A%2F%2F")?;
    let (authority, _) = redirect.split_once("%2F")?;
    Some(authority.replace("%3A", ":"))
}

/// Waits until the browser has its last page: then the host stops listening.
async fn wait_until_nobody_listens(address: &str) {
    let left = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(LOOK).await;
        }
    };
    // A browser that was closed does not come for it.
    let _ = tokio::time::timeout(LAST_PAGE, left).await;
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::callback;

    #[test]
    fn the_callback_is_found_in_the_address() {
        let url = "https://a.example/oauth/authorize?client_id=c&redirect_uri=http%3A%2F%2F127.0.0.1%3A1455%2Fauth%2Fcallback&scope=x";
        assert_eq!(callback(url).as_deref(), Some("127.0.0.1:1455"));
        assert_eq!(callback("https://a.example/"), None);
    }
}
