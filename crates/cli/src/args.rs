//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use valet_transport::listener::AllowedOrigin;

use crate::listen::{Listen, WebSocketAuthArgs};
use crate::logins;
use crate::redeem::RedeemArgs;

/// An app server that a parent application embeds, and that holds no keys of its own.
#[derive(Debug, Parser)]
#[command(name = "valet", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the app-server protocol, over stdio unless --listen says otherwise.
    AppServer(Box<AppServerArgs>),
    /// Run a scripted backend to try a parent application against.
    Sim(SimArgs),
    /// Show a token being lent, refused, refreshed and used, against a scripted backend.
    Demo,
    /// Renew the tokens of a login, for a host that asks on stdin.
    #[command(hide = true)]
    Redeem(RedeemArgs),
    /// Start the interactive client with an app server of its own, which goes on under another login of this home when
    /// one is at its limit.
    #[cfg(unix)]
    Run(Box<crate::run::RunArgs>),
    #[command(flatten)]
    Logins(logins::args::Command),
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AppServerArgs {
    #[command(subcommand)]
    pub(crate) command: Option<AppServerCommand>,
    /// Where to listen: stdio://, ws://IP:PORT (port 0: any free one, printed on stderr), unix:// (a socket
    /// in the home directory), unix://PATH, systemd:// (the socket that LISTEN_FDS hands over) or off.
    #[arg(long, value_name = "URL", default_value = "stdio://")]
    pub(crate) listen: Listen,
    /// The same as --listen stdio://.
    #[arg(long, conflicts_with = "listen")]
    pub(crate) stdio: bool,
    /// Set a configuration key; the value is TOML, else a string. Repeatable.
    #[arg(short = 'c', long = "config", value_name = "KEY=VALUE")]
    pub(crate) config: Vec<String>,
    /// Accepted for clients that pass it; the same as -c features.NAME=true.
    #[arg(long, value_name = "FEATURE")]
    pub(crate) enable: Vec<String>,
    /// Accepted for clients that pass it; the same as -c features.NAME=false.
    #[arg(long, value_name = "FEATURE")]
    pub(crate) disable: Vec<String>,
    /// How closely to follow the reference where Valet does better: default or strict.
    #[arg(long, value_name = "MODE", value_parser = ["default", "strict"])]
    pub(crate) compat: Option<String>,
    /// How long a parent may take to answer a token refresh, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    pub(crate) auth_refresh_timeout: Option<u64>,
    /// Whether a lent token is renewed before it expires: on or off.
    #[arg(long, value_name = "SWITCH", value_parser = ["on", "off"])]
    pub(crate) auth_proactive: Option<String>,
    /// For whom a login holds: process, or connection to make each connection a tenant of its own.
    #[arg(long, value_name = "SCOPE", value_parser = ["process", "connection"])]
    pub(crate) auth_scope: Option<String>,
    /// How long running turns may go on after SIGTERM, in seconds; 0: as long as they take. Without it: 30 on a
    /// listener; over stdio they are interrupted at once.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) drain_timeout: Option<u64>,
    /// End when a listener has had no connection and no running turn for so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) exit_when_idle: Option<u64>,
    /// The process to live with: when it ends, however it ends, so does the host.
    #[arg(long, value_name = "PID", allow_negative_numbers = true)]
    pub(crate) parent_pid: Option<i64>,
    /// Refuse to start when the configuration holds keys that nobody knows.
    #[arg(long)]
    pub(crate) strict_config: bool,
    /// Let a web page connect that comes from this origin, such as `https://app.example.com`, or `null`. Repeatable.
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<AllowedOrigin>,
    /// Serve /metrics beside the websocket.
    #[arg(long)]
    pub(crate) metrics: bool,
    #[command(flatten)]
    pub(crate) ws: WebSocketAuthArgs,
    /// Accepted for clients that pass it; this host reports nothing to anybody.
    #[arg(long, hide = true)]
    pub(crate) analytics_default_enabled: bool,
}

impl AppServerArgs {
    /// Where to listen.
    pub(crate) fn endpoint(&self) -> &Listen {
        if self.stdio { &Listen::Stdio } else { &self.listen }
    }

    /// Everything on the command line that sets a configuration key, as `key=value`. A flag beats `-c`.
    pub(crate) fn overrides(&self) -> Vec<String> {
        let mut overrides = self.config.clone();
        let feature = |on: bool| move |name: &String| format!("features.{name}={on}");
        overrides.extend(self.enable.iter().map(feature(true)));
        overrides.extend(self.disable.iter().map(feature(false)));
        let quoted = |key: &str, value: &String| format!("valet.{key}=\"{value}\"");
        overrides.extend(self.compat.iter().map(|mode| quoted("compat", mode)));
        overrides.extend(self.auth_scope.iter().map(|scope| quoted("auth_scope", scope)));
        overrides.extend(self.auth_proactive.iter().map(|on| format!("valet.auth_proactive_refresh={}", on == "on")));
        let times = [
            ("auth_refresh_timeout_ms", self.auth_refresh_timeout),
            ("drain_timeout_ms", self.drain_timeout),
            ("exit_when_idle_ms", self.exit_when_idle),
        ];
        overrides.extend(times.into_iter().filter_map(|(key, seconds)| {
            let milliseconds = seconds?.saturating_mul(1000);
            Some(format!("valet.{key}={milliseconds}"))
        }));
        if !self.allow_origin.is_empty() {
            let origins: Vec<String> = self.allow_origin.iter().map(|origin| format!("\"{origin}\"")).collect();
            overrides.push(format!("valet.allow_origins=[{}]", origins.join(",")));
        }
        overrides.extend(self.metrics.then(|| "valet.metrics=true".to_owned()));
        overrides
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppServerCommand {
    /// Write the TypeScript bindings.
    GenerateTs(GenerateArgs),
    /// Write the JSON Schema.
    GenerateJsonSchema(GenerateArgs),
    /// Carry bytes between stdin, stdout and the socket of an app server that listens on unix://.
    #[cfg(unix)]
    Proxy(ProxyArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ProxyArgs {
    /// The socket; without it, the one in the home directory.
    #[arg(long, value_name = "SOCKET_PATH")]
    pub(crate) sock: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GenerateArgs {
    /// The directory to write to; made when it does not exist.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Also what needs capabilities.experimentalApi.
    #[arg(long)]
    pub(crate) experimental: bool,
    /// Accepted for scripts that pass it; nothing is formatted.
    #[arg(short, long, hide = true)]
    pub(crate) prettier: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SimArgs {
    /// The port on 127.0.0.1; 0: any free one.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// A script in JSON; docs/sim.md describes it. Without one, every turn is answered with a greeting.
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
}
