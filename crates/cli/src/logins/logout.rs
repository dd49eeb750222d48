//! `valet logout`, and what becomes of tokens that nobody here wants any more.

use std::process::ExitCode;

use valet_auth::HttpClient;
use valet_auth::store::{Login, PATIENCE};
use valet_server::Config;

use super::args::LogoutArgs;
use super::who::Who;
use super::{block_on, tell};

/// Done at the store and not by a host: a host does not wait for the issuer, and whoever calls this wants to know.
pub(super) fn run(args: &LogoutArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load_for_logins()?;
    let store = config.store();
    let login = {
        let locked = store.lock(PATIENCE)?;
        // What cannot be read stays: somebody may mend it, and its tokens could not be taken back.
        let login = locked.load()?;
        locked.clear()?;
        login
    };
    match &login {
        Some(login) => tell(format_args!("Logged out: {} is forgotten here.", Who::of(login).name)),
        None => tell("Nobody was logged in."),
    }
    revoke(&config, login, args.revocation.wanted(&config))
}

/// Asks the issuer to take the tokens back, if that is wanted and there are any.
pub(super) fn revoke(config: &Config, login: Option<Login>, wanted: bool) -> anyhow::Result<ExitCode> {
    let Some(Login::Chatgpt(tokens)) = login else { return Ok(ExitCode::SUCCESS) };
    if !wanted {
        tell("Its tokens stay good until they expire.");
        return Ok(ExitCode::SUCCESS);
    }
    block_on(async {
        match config.issuer().revoke(&HttpClient::default(), &tokens).await {
            Ok(()) => {
                tell("The issuer has taken its tokens back.");
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                let words = "the issuer did not take the tokens back, so they stay good until they expire";
                Err(anyhow::Error::from(error).context(words))
            }
        }
    })
}
