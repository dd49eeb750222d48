//! `valet app-server`: the host over stdio or a listener, and the generators.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::runtime::Runtime;
use valet_protocol::export::{self, Surface};
use valet_server::{Config, ConfigError, Host};
use valet_transport::listener::{self, Auth, Endpoint, Settings};
use valet_transport::{OutboxLimits, stdio};

use crate::args::{AppServerArgs, AppServerCommand, GenerateArgs};
use crate::listen::{AuthPlan, Listen};
use crate::logging;

/// The socket file that `--listen unix://` means, below the home directory.
#[cfg(unix)]
const CONTROL_SOCKET: &str = "app-server-control/app-server-control.sock";

pub(crate) fn run(args: AppServerArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Some(AppServerCommand::GenerateTs(args)) => generate(&args, export::typescript),
        Some(AppServerCommand::GenerateJsonSchema(args)) => generate(&args, export::json_schema),
        None => serve(&args),
    }
}

fn generate(args: &GenerateArgs, files: fn(Surface) -> export::Files) -> anyhow::Result<ExitCode> {
    let surface = if args.experimental { Surface::Experimental } else { Surface::Stable };
    let written = export::write(&files(surface), &args.out);
    written.with_context(|| format!("cannot write to {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn serve(args: &AppServerArgs) -> anyhow::Result<ExitCode> {
    let auth = args.ws.plan()?;
    let home = valet_server::config::home()?;
    let endpoint = match args.endpoint() {
        Listen::Off => bail!("no transport configured; use --listen or enable remote control"),
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
    logging::start();
    if endpoint.is_none() && auth.is_some() {
        tracing::warn!("--ws-* flags have no effect on stdio");
    }
    let config = Config::load(&home, &args.overrides())?;
    if args.strict_config && !config.unknown_keys().is_empty() {
        return Err(ConfigError::unknown_keys(config.unknown_keys()).into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match endpoint {
            None => serve_stdio(config).await,
            Some(endpoint) => serve_listener(config, endpoint, auth.map(AuthPlan::load).transpose()?).await,
        }
    });
    end(runtime);
    outcome
}

/// The stdin thread may still wait in a read that nobody will answer.
fn end(runtime: Runtime) {
    runtime.shutdown_background();
}

async fn serve_stdio(config: Config) -> anyhow::Result<ExitCode> {
    let host = Host::start(config);
    let link = stdio::connect(OutboxLimits::default())?;
    tokio::select! {
        () = host.serve(link) => {}
        // The parent's end of the pipes is still there, so it can be told how things ended.
        () = terminated() => host.shutdown().await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve_listener(config: Config, endpoint: Endpoint, auth: Option<Auth>) -> anyhow::Result<ExitCode> {
    // From here on a signal ends the process in order: the socket file goes.
    let stopped = terminated();
    tokio::pin!(stopped);
    let origins = config.keys.valet.allow_origins.iter().map(|origin| origin.parse());
    let origins = origins.collect::<Result<_, _>>().context("valet.allow_origins")?;
    let metrics = config.keys.valet.metrics;
    let host = Host::start(config);
    let settings = Settings { auth, origins, metrics, ..Settings::new(Arc::new(host.clone())) };
    let mut listener = listener::listen(endpoint, settings).await?;
    let _ = writeln!(std::io::stderr(), "valet app-server listening on: {}", listener.address);
    loop {
        tokio::select! {
            accepted = listener.accepted.recv() => {
                let Some(link) = accepted else { bail!("the listener ended") };
                let host = host.clone();
                tokio::spawn(async move { host.connect(link).await });
            }
            () = &mut stopped => break,
        }
    }
    listener.stop();
    host.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// Resolves when somebody asks the process to end. Whoever asks after the call is heard.
fn terminated() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let terminate = {
        use tokio::signal::unix::{SignalKind, signal};
        [SignalKind::terminate(), SignalKind::interrupt()].map(|kind| signal(kind).ok())
    };
    async move {
        #[cfg(unix)]
        {
            let [mut terminate, mut interrupt] = terminate;
            tokio::select! {
                () = heard(&mut terminate) => {}
                () = heard(&mut interrupt) => {}
            }
        }
        #[cfg(not(unix))]
        {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

#[cfg(unix)]
async fn heard(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
