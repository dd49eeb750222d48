//! A parent application: it lends Valet a token of its own login, and a new one whenever Valet asks.
//!
//! `valet-example-parent ORIGIN`, where ORIGIN is that of a running `valet sim`. `VALET_BIN` names the binary.
#![expect(clippy::print_stdout, reason = "a sample talks to its terminal")]

use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use valet_client::{AppServer, Client, Handlers, Notifications};
use valet_protocol::v2::{
    ChatgptAuthTokensRefreshResponse, LoginAccountParams, ThreadStartParams, Turn, TurnStartParams, TurnStatus,
    UserInput,
};
use valet_protocol::{ErrorObject, methods};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let origin = std::env::args().nth(1).context("usage: valet-example-parent ORIGIN")?;
    let home = tempfile::tempdir()?;
    std::fs::write(home.path().join("config.toml"), config(&origin))?;
    let valet = std::env::var_os("VALET_BIN").unwrap_or_else(|| "valet".into());
    let server = AppServer::spawn(Command::new(&valet).arg("app-server").env("VALET_HOME", home.path()))
        .with_context(|| format!("cannot start {}", valet.display()))?;

    // The server asks in the middle of a turn, which waits for the answer for ten seconds. An error is an answer, too:
    // it fails the turn at once and says why.
    let refreshes = Arc::new(AtomicUsize::new(0));
    let handlers = Handlers::new().on::<methods::ChatgptAuthTokensRefresh, _>({
        let (origin, refreshes) = (origin.clone(), Arc::clone(&refreshes));
        move |params| {
            let (origin, refreshes) = (origin.clone(), Arc::clone(&refreshes));
            async move {
                refreshes.fetch_add(1, Ordering::Relaxed);
                // The account must be the one that the refused token was for.
                let token = log_in(&origin, params.previous_account_id).await;
                token.map_err(|error| ErrorObject::internal(format!("no new token: {error:#}")))
            }
        }
    });
    let (client, notifications) = Client::new(server.link, handlers);
    let turn = run_turn(&client, notifications, &origin).await?;

    // Without a client the server sees the end of its input. It ends by itself; the limit is in case it hangs.
    drop(client);
    let exit = server.process.wait(Duration::from_secs(10)).await?;
    println!("\n[{}]", turn.status.as_str());
    if let Some(error) = turn.error {
        bail!("the turn failed: {}", error.message);
    }
    ensure!(turn.status == TurnStatus::Completed, "the turn is not complete");
    let asked = refreshes.load(Ordering::Relaxed) > 0;
    ensure!(asked, "no new token was asked for; the sim refuses only the first one after its start");
    ensure!(exit.success(), "the app server ended with {exit}");
    Ok(())
}

async fn run_turn(client: &Client, mut notifications: Notifications, origin: &str) -> anyhow::Result<Turn> {
    // Lent tokens are an experimental part of the protocol, which has to be asked for.
    client.initialize("example-parent", "1.0.0", true).await.context("initialize")?;
    let token = log_in(origin, None).await.context("cannot log in")?;
    let login = LoginAccountParams::lend(token.access_token.expose(), token.chatgpt_account_id);
    client.request::<methods::AccountLoginStart>(login).await.context("account/login/start")?;
    let thread = client.request::<methods::ThreadStart>(ThreadStartParams::default()).await?.thread;
    let input = vec![UserInput::Text { text: "Say hello.".to_owned(), text_elements: Vec::new() }];
    let turn = TurnStartParams { thread_id: thread.id, input, ..Default::default() };
    client.request::<methods::TurnStart>(turn).await.context("turn/start")?;

    while let Some(notification) = notifications.next().await {
        if let Some(login) = notification.read::<methods::AccountLoginCompleted>() {
            ensure!(login.success, "the login failed: {}", login.error.unwrap_or_default());
        } else if let Some(message) = notification.read::<methods::AgentMessageDelta>() {
            print!("{}", message.delta);
            std::io::stdout().flush()?;
        } else if let Some(done) = notification.read::<methods::TurnCompleted>() {
            return Ok(done.turn);
        }
    }
    bail!("the app server ended before the turn did")
}

/// Stands for the parent's own login: the sim issues the tokens that it accepts.
async fn log_in(origin: &str, account: Option<String>) -> anyhow::Result<ChatgptAuthTokensRefreshResponse> {
    let request = reqwest::Client::new().post(format!("{origin}/sim/tokens")).json(&json!({ "account": account }));
    Ok(request.send().await?.error_for_status()?.json().await?)
}

fn config(origin: &str) -> String {
    format!(
        "model = 'gpt-5.5'\nmodel_provider = 'sim'\nchatgpt_base_url = '{origin}/backend-api'\n\
        [model_providers.sim]\nbase_url = '{origin}/v1'\nrequires_openai_auth = true\n"
    )
}
