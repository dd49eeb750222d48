//! The accounts of a home against the sim's issuer and backend. Here: what the tests share.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod meters;
mod wallet;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use valet_auth::issuer::Issuer;
use valet_auth::store::{CodexFile, CredentialStore, Login, Shelf, Shelving, Tokens};
use valet_auth::{AccessToken, Rules};
use valet_sim::{Script, Sim, TokenRequest};
use valet_switch::wallet::{Parts, Wallet};

const FIRST: &str = "a@b.c_acct-1";
const SECOND: &str = "c@d.e_acct-2";

/// A home and the issuer of its logins.
struct Desk {
    sim: Sim,
    home: TempDir,
}

impl Desk {
    /// The first account is used, the second one waits.
    async fn open(script: Script) -> Self {
        let desk = Self { sim: Sim::start(script).await.unwrap(), home: tempfile::tempdir().unwrap() };
        desk.log_in("c@d.e", "acct-2", None);
        desk.log_in("a@b.c", "acct-1", None);
        desk
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    /// Somebody logs in, and the one before is put aside. The token has that long to live, or an hour.
    fn log_in(&self, email: &str, account: &str, lifetime: Option<Duration>) {
        let request = TokenRequest { email: email.to_owned(), lifetime, ..TokenRequest::account(account) };
        let token = self.sim.tokens().issue(request);
        let [id, access, refresh] = [token.id_token, token.access_token, token.refresh_token].map(AccessToken::new);
        self.keep(&Login::Chatgpt(Tokens::issued(id, access, refresh, 1)));
    }

    fn keep(&self, login: &Login) {
        let store = Shelving::new(Arc::new(CodexFile::of_home(self.path())), self.shelf());
        store.lock(Duration::ZERO).unwrap().save(login).unwrap();
    }

    fn shelf(&self) -> Shelf {
        Shelf::of_home(self.path())
    }

    /// As another process has it.
    fn wallet(&self) -> Arc<Wallet> {
        self.wallet_with(Rules::default())
    }

    fn wallet_with(&self, rules: Rules) -> Arc<Wallet> {
        self.wallet_of(Arc::new(CodexFile::of_home(self.path())), rules)
    }

    fn wallet_of(&self, store: Arc<dyn CredentialStore>, rules: Rules) -> Arc<Wallet> {
        let issuer = Issuer::at(&self.sim.origin());
        Arc::new(Wallet::new(Parts { store, shelf: self.shelf(), rules, issuer, http: Arc::default(), redeemer: None }))
    }

    /// The refresh token of the login that is used.
    fn used(&self) -> String {
        refresh_of(CodexFile::of_home(self.path()).load().unwrap())
    }

    /// The refresh token of a login that waits.
    fn waiting(&self, name: &str) -> String {
        refresh_of(self.shelf().get(name).unwrap())
    }

    /// How often the issuer was asked for new tokens.
    fn refreshes(&self) -> usize {
        self.sim.requests().iter().filter(|request| request.body["grant_type"] == "refresh_token").count()
    }

    /// No refresh token was handed in twice.
    fn no_token_was_spent_twice(&self) {
        let grants = self.sim.tokens().grants();
        assert!(grants.iter().flat_map(|grant| &grant.redemptions).all(|redemption| redemption.refused.is_none()));
    }
}

fn refresh_of(login: Option<Login>) -> String {
    match login {
        Some(Login::Chatgpt(tokens)) => tokens.refresh.expose().to_owned(),
        other => panic!("a login of ChatGPT, and not {other:?}"),
    }
}
