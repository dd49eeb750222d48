//! Redemption in a process of its own. Between the issuer's answer and the moment in which it is kept the new token is
//! in memory only, and the old one is spent. Whoever kills the host in that moment does not kill this.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Redeem, RedeemError, Redeemed, Redemption, of_account};
use crate::store::CredentialStore;

/// The program that redeems: it is told on stdin what is asked for, does what [`redeem`](super::redeem) does with the
/// same store, and says on stdout what came of it. No token passes between the two.
#[derive(Clone, Debug)]
pub struct Redeemer {
    /// The executable.
    pub path: PathBuf,
    /// What it is started with.
    pub arguments: Vec<OsString>,
}

/// What the program says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The store has newer tokens.
    Renewed {
        /// They were there already.
        found: bool,
    },
    /// It has not.
    Failed(RedeemError),
}

/// Redeems by a program; where that cannot be started, by somebody else.
pub(crate) struct Apart {
    pub(crate) program: Redeemer,
    pub(crate) store: Arc<dyn CredentialStore>,
    pub(crate) otherwise: Arc<dyn Redeem>,
}

impl Redeem for Apart {
    fn redeem(&self, request: Redemption) -> BoxFuture<'static, Result<Redeemed, RedeemError>> {
        let request = Redemption { name: self.store.account().map(str::to_owned), ..request };
        let (program, store, otherwise) = (self.program.clone(), Arc::clone(&self.store), Arc::clone(&self.otherwise));
        async move {
            let child = match program.start() {
                Ok(child) => child,
                // It may have been replaced by another version.
                Err(error) => {
                    tracing::warn!(%error, "a token is renewed in this process, which must not be killed meanwhile");
                    return otherwise.redeem(request).await;
                }
            };
            let redeemed = tokio::task::spawn_blocking(move || ask(child, &*store, &request)).await;
            redeemed.unwrap_or_else(|error| Err(RedeemError::Failed(error.to_string())))
        }
        .boxed()
    }
}

impl Redeemer {
    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    }
}

fn ask(mut child: Child, store: &dyn CredentialStore, request: &Redemption) -> Result<Redeemed, RedeemError> {
    let failed = |error: &dyn std::fmt::Display| RedeemError::Failed(format!("the process that redeems: {error}"));
    let question = serde_json::to_vec(request).map_err(|error| failed(&error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read has ended, and says why.
        let _ = stdin.write_all(&question);
    }
    let said = child.wait_with_output().map_err(|error| failed(&error))?;
    match serde_json::from_slice(&said.stdout) {
        Ok(Outcome::Renewed { found }) => Ok(Redeemed { tokens: of_account(store.load()?, request)?, found }),
        Ok(Outcome::Failed(error)) => Err(error),
        Err(_) => Err(failed(&said.status)),
    }
}
