//! `valet app-server`: the host over stdio or a websocket, and the generators.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, bail};
use tokio::runtime::Runtime;
use valet_protocol::export::{self, Surface};
use valet_server::{Config, ConfigError, Host};
use valet_transport::{OutboxLimits, stdio, websocket};

use crate::args::{AppServerArgs, AppServerCommand, GenerateArgs};
use crate::ending::Endings;
use crate::logging;

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

/// Where to listen.
enum Listen {
    Stdio,
    WebSocket(SocketAddr),
}

fn listen(url: &str) -> anyhow::Result<Listen> {
    if url == "stdio://" {
        return Ok(Listen::Stdio);
    }
    match url.strip_prefix("ws://") {
        Some(address) => match address.parse() {
            Ok(address) => Ok(Listen::WebSocket(address)),
            Err(_) => bail!("invalid websocket --listen URL `{url}`; expected `ws://IP:PORT`"),
        },
        None => bail!("unsupported --listen URL `{url}`; expected `stdio://` or `ws://IP:PORT`"),
    }
}

fn serve(args: &AppServerArgs) -> anyhow::Result<ExitCode> {
    logging::start();
    let listen = listen(if args.stdio { "stdio://" } else { &args.listen })?;
    match listen {
        Listen::WebSocket(_) if args.wants_websocket_auth() => {
            bail!("websocket auth (--ws-*) is not served yet: listen on a loopback address without it")
        }
        Listen::Stdio if args.wants_websocket_auth() => tracing::warn!("--ws-* flags have no effect on stdio"),
        _ => {}
    }
    let config = Config::load(&valet_server::config::home()?, &args.overrides())?;
    if args.strict_config && !config.unknown_keys().is_empty() {
        return Err(ConfigError::unknown_keys(config.unknown_keys()).into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let endings = match listen {
            Listen::Stdio => Endings::of_stdio(&config),
            Listen::WebSocket(_) => Endings::of_listener(&config),
        };
        let host = Host::start(config);
        if let Some(pid) = args.parent_pid {
            host.watch_parent(pid).context("--parent-pid")?;
        }
        match listen {
            Listen::Stdio => serve_stdio(host, endings).await,
            Listen::WebSocket(address) => serve_websocket(host, endings, address).await,
        }
    });
    end(runtime);
    outcome
}

/// The stdin thread may still wait in a read that nobody will answer.
fn end(runtime: Runtime) {
    runtime.shutdown_background();
}

async fn serve_stdio(host: Host, endings: Endings) -> anyhow::Result<ExitCode> {
    let link = stdio::connect(OutboxLimits::default())?;
    tokio::select! {
        () = host.serve(link) => {}
        // The parent's end of the pipes is still there, so it can be told how things ended.
        () = endings.end(&host) => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve_websocket(host: Host, endings: Endings, address: SocketAddr) -> anyhow::Result<ExitCode> {
    let mut listener = websocket::listen(address, OutboxLimits::default()).await?;
    logging::say(format_args!("valet app-server listening on: ws://{}", listener.address));
    let ended = endings.end(&host);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            accepted = listener.accepted.recv() => {
                let Some(link) = accepted else { bail!("the websocket listener ended") };
                let host = host.clone();
                tokio::spawn(async move { host.connect(link).await });
            }
            () = &mut ended => break,
        }
    }
    listener.stop();
    Ok(ExitCode::SUCCESS)
}
