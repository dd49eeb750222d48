//! `valet app-server`: the host over stdio or a listener, and the generators.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use valet_protocol::export::{self, Surface};
use valet_server::{Config, Host};
use valet_transport::listener::{self, AllowedOrigin, Auth, Endpoint, ListenError, Settings};
use valet_transport::{OutboxLimits, stdio};

use crate::allocator;
use crate::args::{AppServerArgs, AppServerCommand, GenerateArgs, load};
use crate::bindings::{self, Bindings};
use crate::ending::Endings;
use crate::listen::{AuthPlan, Listen};
use crate::logging;
#[cfg(unix)]
use crate::proxy;

/// The socket file that `--listen unix://` means, below the home directory.
#[cfg(unix)]
const CONTROL_SOCKET: &str = "app-server-control/app-server-control.sock";

pub(crate) fn run(args: AppServerArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Some(AppServerCommand::GenerateTs(args)) => generate(&args, &bindings::TYPESCRIPT),
        Some(AppServerCommand::GenerateJsonSchema(args)) => generate(&args, &bindings::JSON_SCHEMA),
        #[cfg(unix)]
        Some(AppServerCommand::Proxy(args)) => {
            let path = args.sock.map_or_else(|| Ok(valet_server::config::home()?.join(CONTROL_SOCKET)), anyhow::Ok)?;
            proxy::run(&path)
        }
        None => serve(&args),
    }
}

fn generate(args: &GenerateArgs, bindings: &Bindings) -> anyhow::Result<ExitCode> {
    let surface = if args.experimental { Surface::Experimental } else { Surface::Stable };
    let written = export::write(&bindings.unpack(surface)?, &args.out);
    written.with_context(|| format!("cannot write to {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn serve(args: &AppServerArgs) -> anyhow::Result<ExitCode> {
    let auth = args.ws.plan()?;
    let home = valet_server::config::home()?;
    let endpoint = match args.endpoint() {
        Listen::Off => bail!("--listen off: there is nothing to listen on; leave it out for stdio, or name an address"),
        Listen::Stdio => None,
        Listen::WebSocket(address) => Some(Endpoint::Tcp(*address)),
        #[cfg(unix)]
        Listen::Unix(None) => Some(Endpoint::Unix(home.join(CONTROL_SOCKET))),
        #[cfg(unix)]
        Listen::Unix(Some(path)) => Some(Endpoint::Unix(std::path::absolute(path)?)),
        // There is no other thread yet, not even one that logs.
        #[cfg(unix)]
        Listen::Systemd => Some(Endpoint::inherited()?),
    };
    #[cfg(unix)]
    valet_exec::raise_open_files();
    logging::start();
    if endpoint.is_none() {
        warn_of_flags_of_listeners(args, auth.is_some());
    }
    let config = load(&home, &args.overrides())?;
    if args.strict_config {
        config.check_keys()?;
    }
    let (version, pid, home) = (env!("CARGO_PKG_VERSION"), std::process::id(), config.home.display());
    tracing::info!(version, pid, %home, "the host starts");
    let runtime = allocator::runtime()?;
    let outcome = runtime.block_on(async {
        let endings = match endpoint {
            None => Endings::of_stdio(&config),
            Some(_) => Endings::of_listener(&config),
        };
        let guard = Guard::of(&config)?;
        let host = Host::start(config);
        tokio::spawn(allocator::give_back(host.clone()));
        if let Some(pid) = args.parent_pid {
            host.watch_parent(pid).context("--parent-pid")?;
        }
        match endpoint {
            None => serve_stdio(host, endings).await,
            Some(endpoint) => {
                let settings = guard.settings(&host, auth.map(AuthPlan::load).transpose()?);
                serve_listener(host, endings, endpoint, settings).await
            }
        }
    });
    // The stdin thread may still wait in a read that nobody will answer.
    runtime.shutdown_background();
    tracing::info!("the host has ended");
    outcome
}

fn warn_of_flags_of_listeners(args: &AppServerArgs, auth: bool) {
    if auth {
        tracing::warn!("--ws-* flags have no effect on stdio");
    }
    let flags = [
        (args.metrics, "--metrics"),
        (args.exit_when_idle.is_some(), "--exit-when-idle"),
        (!args.allow_origin.is_empty(), "--allow-origin"),
    ];
    for (_, flag) in flags.into_iter().filter(|(given, _)| *given) {
        tracing::warn!("{flag} has no effect on stdio");
    }
}

async fn serve_stdio(host: Host, endings: Endings) -> anyhow::Result<ExitCode> {
    if std::io::stdin().is_terminal() {
        logging::say(
            "valet app-server talks to the program that starts it, in JSON-RPC, one message a line. `valet demo` shows such a talk. Ctrl-D ends it.",
        );
    }
    let link = stdio::connect(OutboxLimits::default())?;
    tokio::select! {
        () = host.serve(link) => {}
        // The parent's end of the pipes is still there, so it can be told how things ended.
        () = endings.end(&host) => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve_listener(
    host: Host,
    endings: Endings,
    endpoint: Endpoint,
    settings: Settings,
) -> anyhow::Result<ExitCode> {
    let mut listener = listener::listen(endpoint, settings).await.map_err(way_out)?;
    logging::say(format_args!("valet app-server listening on: {}", listener.address));
    let ended = endings.end(&host);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            accepted = listener.accepted.recv() => {
                let Some(link) = accepted else { bail!("the listener ended") };
                let host = host.clone();
                tokio::spawn(async move { host.connect(link).await });
            }
            () = &mut ended => break,
        }
    }
    listener.stop();
    Ok(ExitCode::SUCCESS)
}

/// What to do, where the words of the reference do not say it.
fn way_out(error: ListenError) -> anyhow::Error {
    match error {
        ListenError::InUse(_) => anyhow!("{error}; end that server, or name another socket with --listen unix://PATH"),
        _ => error.into(),
    }
}

/// Who may come in, as far as the configuration says it.
struct Guard {
    origins: Vec<AllowedOrigin>,
    metrics: bool,
}

impl Guard {
    fn of(config: &Config) -> anyhow::Result<Self> {
        let keys = &config.keys.valet;
        let origins = keys.allow_origins.iter().map(|origin| origin.parse()).collect::<Result<_, _>>();
        Ok(Self { origins: origins.context("valet.allow_origins")?, metrics: keys.metrics })
    }

    fn settings(self, host: &Host, auth: Option<Auth>) -> Settings {
        let Self { origins, metrics } = self;
        Settings { auth, origins, metrics, ..Settings::new(Arc::new(host.clone())) }
    }
}
