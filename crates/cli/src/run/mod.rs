//! `valet run`: an interactive client, an app server behind it, and the logins of this home for both.

mod client;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use valet_auth::login;
use valet_auth::store::Shelf;
use valet_switch::meters::Meters;
use valet_switch::policy::Policy;
use valet_switch::{Plan, Program, Switch, Wishes};
use valet_transport::listener::Auth;

use crate::args::ConfigArgs;
use crate::ending::{INTERRUPTED, Signals};
use crate::logging;
use crate::logins::wallet;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Under which login to go on when the one in use is at its limit.
    #[arg(long, value_name = "POLICY", value_parser = policies(), default_value = "tell")]
    policy: Policy,
    /// A login to prefer, by a part of its name that no other one has; repeatable, the most preferred first.
    #[arg(long, value_name = "NAME")]
    prefer: Vec<String>,
    /// Begin a turn once more under the next login, if a limit has stopped it before it did anything.
    #[arg(long)]
    repeat: bool,
    /// The program to use as app server and as client, in place of this one and of codex.
    #[arg(long, value_name = "PROGRAM")]
    codex_bin: Option<PathBuf>,
    /// The interactive client, which has to know --remote, --remote-auth-token-env and -C; codex unless given.
    #[arg(long, value_name = "PROGRAM")]
    client: Option<PathBuf>,
    /// Start no client, say on stderr where others can connect, and serve until a signal comes.
    #[arg(long, requires = "ws_token_file", conflicts_with_all = ["client", "args"])]
    no_client: bool,
    /// Where other clients of this machine can connect; port 0 takes any free one.
    #[arg(long, value_name = "IP:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    listen: SocketAddr,
    /// The file with the token that other clients have to show; only the client that is started can connect unless given.
    #[arg(long, value_name = "FILE")]
    ws_token_file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
    /// What the client is given: its options, `resume` or `fork`, and a prompt, behind a second -- if it is one word.
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

/// The names of the policies, with what each does.
fn policies() -> impl TypedValueParser<Value = Policy> {
    PossibleValuesParser::new(Policy::ALL.map(|(name, policy)| {
        PossibleValue::new(name).help(match policy {
            Policy::Tell => "Under the same one, and say which other one could",
            Policy::Priority => "Under the first of --prefer that can",
            Policy::Headroom => "Under the one with the most left",
            Policy::SoonestReset => "Under the one whose limit starts anew first",
        })
    }))
    .try_map(|name| name.parse())
}

pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    if logs(args) {
        logging::start();
    }
    if !args.listen.ip().is_loopback() {
        bail!("--listen {}: other machines could see what is said; use an address of this one only", args.listen);
    }
    if !args.prefer.is_empty() && args.policy != Policy::Priority {
        logging::say("valet: --prefer decides between equals only; --policy priority goes by it");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(args))
}

/// A client draws on the terminal; nobody else writes there.
fn logs(args: &RunArgs) -> bool {
    args.no_client || !std::io::stderr().is_terminal()
}

async fn serve(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let cwd = std::env::current_dir()?;
    // What the client cannot be given is said before anything is started.
    client::arguments(&args.args, &cwd, args.listen)?;
    // Heard from the beginning, so that nothing is left whenever one comes.
    let mut signals = Signals::new();
    let token = match &args.ws_token_file {
        // Once: it may be a pipe.
        Some(file) => Auth::read_token(file).context("--ws-token-file")?,
        None => login::random()?,
    };
    let switch = tokio::select! {
        started = Switch::start(plan(args, Auth::token(&token))?) => started?,
        _ = signals.next() => {
            return Ok(if args.no_client { ExitCode::SUCCESS } else { ExitCode::from(INTERRUPTED) });
        }
    };
    let address = switch.address();
    let ended = if args.no_client {
        logging::say(format_args!("listening on: ws://{address}"));
        tokio::select! {
            _ = signals.next() => Ok(ExitCode::SUCCESS),
            end = switch.ended() => Err(anyhow!(end)),
        }
    } else {
        let program = args.client.as_ref().or(args.codex_bin.as_ref()).cloned().unwrap_or_else(|| "codex".into());
        let arguments = client::arguments(&args.args, &cwd, address)?;
        let ended = client::run(&program, &arguments, &token, &mut signals).await;
        if !switch.is_running() {
            logging::say(format_args!("valet: {}", switch.ended().await));
        }
        ended
    };
    // Also when it has failed: whoever else is connected is told.
    switch.end().await;
    ended
}

fn plan(args: &RunArgs, auth: Auth) -> anyhow::Result<Plan> {
    let config = args.config.load_for_logins()?;
    let wallet = wallet(&config);
    let path = args.codex_bin.clone().map_or_else(std::env::current_exe, Ok)?;
    let meters = Arc::new(Meters::new(Arc::clone(&wallet), config.chatgpt_base_url()));
    let order = preferred(&wallet.names()?, &args.prefer)?;
    let mut folders = vec![config.home.clone(), config.home.join(Shelf::NAME)];
    folders.extend(config.opencode_auth_file().as_deref().and_then(Path::parent).map(PathBuf::from));
    let log: fn(&str) = |line| logging::say(line);
    Ok(Plan {
        program: Program { path, arguments: args.config.arguments(), log: logs(args).then_some(log) },
        listen: args.listen,
        auth,
        wallet,
        meters,
        folders,
        wishes: Wishes { policy: args.policy, order, repeat: args.repeat },
    })
}

/// The accounts that are meant, by their whole names.
fn preferred(names: &[String], wanted: &[String]) -> anyhow::Result<Vec<String>> {
    wanted.iter().map(|part| Ok(crate::logins::find(names, part)?.to_owned())).collect()
}
