//! The command line.

#![expect(rustdoc::bare_urls, reason = "the comments are help texts: an address is typed as it is read")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand};
use valet_server::Config;
use valet_transport::listener::AllowedOrigin;

use crate::examples;
use crate::listen::{Listen, WebSocketAuthArgs};
use crate::logins;
use crate::redeem;

/// The sections of `valet app-server --help`.
const LISTENING: &str = "Where to listen";
pub(crate) const WHO_MAY_CONNECT: &str = "Who may connect";
const LOGINS: &str = "Logins";
const THE_END: &str = "When to end";
const CONFIGURATION: &str = "Configuration";

/// The longest time that a flag can say, in seconds: a key has it in milliseconds, and TOML no longer number.
const MOST_SECONDS: u64 = i64::MAX.unsigned_abs() / 1000;

/// An app server that a parent application embeds, and that holds no keys of its own.
#[derive(Debug, Parser)]
#[command(name = "valet", version, max_term_width = 100, after_help = examples::VALET)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the app-server protocol, over stdio unless --listen says otherwise.
    #[command(after_help = examples::APP_SERVER)]
    AppServer(Box<AppServerArgs>),
    /// Start the interactive client with an app server of its own, and go on under another login when one is at its limit.
    #[cfg(unix)]
    #[command(after_help = examples::RUN)]
    Run(Box<crate::run::RunArgs>),
    #[command(flatten)]
    Logins(logins::args::Command),
    /// Run a scripted backend to test a parent application against.
    #[command(after_help = examples::SIM)]
    Sim(SimArgs),
    /// Show a token being lent, refused, refreshed and used, against a scripted backend.
    Demo,
    /// Renew the tokens of a login, for a host that asks on stdin.
    #[command(hide = true)]
    Redeem(ConfigArgs),
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AppServerArgs {
    #[command(subcommand)]
    pub(crate) command: Option<AppServerCommand>,
    /// Where to listen: stdio://, ws://IP:PORT, unix://, unix://PATH, systemd:// or off.
    ///
    /// Port 0 takes any free one; the address in use is said on stderr. unix:// is a socket in Valet's home, and
    /// systemd:// the socket that LISTEN_FDS hands over. off refuses to start.
    #[arg(long, value_name = "URL", default_value = "stdio://", help_heading = LISTENING)]
    pub(crate) listen: Listen,
    /// Serve over stdio, the same as --listen stdio://.
    #[arg(long, conflicts_with = "listen", help_heading = LISTENING)]
    pub(crate) stdio: bool,
    /// Serve metrics for Prometheus at /metrics of a listener; off unless valet.metrics says otherwise.
    #[arg(long, help_heading = LISTENING)]
    pub(crate) metrics: bool,
    #[command(flatten)]
    pub(crate) ws: WebSocketAuthArgs,
    /// Let web pages of this origin connect, such as https://app.example.com; null is a page without one; repeatable.
    #[arg(long, value_name = "ORIGIN", help_heading = WHO_MAY_CONNECT)]
    pub(crate) allow_origin: Vec<AllowedOrigin>,
    /// How long a parent may take to answer a token refresh, in seconds, 1 to 300; 10 unless
    /// valet.auth_refresh_timeout_ms says otherwise.
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=300),
        help_heading = LOGINS
    )]
    pub(crate) auth_refresh_timeout: Option<u64>,
    /// Whether a lent token is renewed before it expires; on unless valet.auth_proactive_refresh says otherwise.
    #[arg(long, value_name = "SWITCH", value_parser = ["on", "off"], help_heading = LOGINS)]
    pub(crate) auth_proactive: Option<String>,
    /// For whom a login holds, the process or each connection as a tenant of its own; process unless valet.auth_scope
    /// says otherwise.
    #[arg(long, value_name = "SCOPE", value_parser = ["process", "connection"], help_heading = LOGINS)]
    pub(crate) auth_scope: Option<String>,
    /// Live with this process, and end when it does, however it ends.
    #[arg(long, value_name = "PID", allow_negative_numbers = true, help_heading = THE_END)]
    pub(crate) parent_pid: Option<i64>,
    /// How long running turns may go on after SIGTERM, in seconds; 0 is as long as they take.
    ///
    /// Unless valet.drain_timeout_ms says otherwise it is 30 on a listener. Over stdio turns are interrupted at once.
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(..=MOST_SECONDS),
        help_heading = THE_END
    )]
    pub(crate) drain_timeout: Option<u64>,
    /// End a listener that had no connection and no running turn for so many seconds; never unless
    /// valet.exit_when_idle_ms says otherwise.
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=MOST_SECONDS),
        help_heading = THE_END
    )]
    pub(crate) exit_when_idle: Option<u64>,
    #[command(flatten, next_help_heading = CONFIGURATION)]
    pub(crate) config: ConfigArgs,
    /// Refuse to start when the configuration holds keys that nobody knows.
    #[arg(long, help_heading = CONFIGURATION)]
    pub(crate) strict_config: bool,
    /// How closely to follow the reference: strict is its way wherever a client could depend on it; default unless
    /// valet.compat says otherwise.
    #[arg(long, value_name = "MODE", value_parser = ["default", "strict"], help_heading = CONFIGURATION)]
    pub(crate) compat: Option<String>,
    /// Switch a feature on, the same as -c features.FEATURE=true; for clients that pass it; repeatable.
    #[arg(long, value_name = "FEATURE", help_heading = CONFIGURATION)]
    pub(crate) enable: Vec<String>,
    /// Switch a feature off, the same as -c features.FEATURE=false; for clients that pass it; repeatable.
    #[arg(long, value_name = "FEATURE", help_heading = CONFIGURATION)]
    pub(crate) disable: Vec<String>,
    /// Do nothing: clients pass it, and this host reports nothing to anybody.
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
        let mut overrides = self.config.pairs.clone();
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
            let milliseconds = seconds? * 1000;
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

/// For whoever reads the configuration.
#[derive(Debug, ClapArgs)]
pub(crate) struct ConfigArgs {
    /// Set a configuration key on top of config.toml; the value is TOML, else a string; repeatable.
    #[arg(short = 'c', long = "config", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) pairs: Vec<String>,
}

impl ConfigArgs {
    /// The configuration in force for logins. A login is the same whatever the turns of a host go to, and nobody there
    /// is a client that depends on the reference's way.
    pub(crate) fn load_for_logins(&self) -> anyhow::Result<Config> {
        let ours = ["model_provider=\"openai\"", "valet.compat=\"default\""].map(str::to_owned);
        load(&valet_server::config::home()?, &[self.pairs.as_slice(), &ours].concat())
    }

    /// The same for a program that is started.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        arguments(&self.pairs)
    }
}

/// What has a key, if it has a value; the configuration says the rest.
fn pair(text: &str) -> Result<String, &'static str> {
    match text.split_once('=') {
        Some((key, _)) if key.trim().is_empty() => Err("a key goes before the `=`"),
        _ => Ok(text.to_owned()),
    }
}

/// The configuration of a host that has this program renew its tokens.
pub(crate) fn load(home: &Path, overrides: &[String]) -> anyhow::Result<Config> {
    let redeemer = redeem::program(arguments(overrides))?;
    Ok(Config::load(home, overrides)?.redeemed_by(redeemer))
}

fn arguments(overrides: &[String]) -> Vec<OsString> {
    overrides.iter().flat_map(|pair| ["-c".into(), pair.into()]).collect()
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppServerCommand {
    /// Write the TypeScript bindings of the protocol.
    GenerateTs(GenerateArgs),
    /// Write the JSON Schema of the protocol.
    GenerateJsonSchema(GenerateArgs),
    /// Carry bytes from stdin to the socket of an app server that listens on unix://, and back to stdout.
    #[cfg(unix)]
    Proxy(ProxyArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ProxyArgs {
    /// The socket file; the one in Valet's home unless given.
    #[arg(long, value_name = "SOCKET_PATH")]
    pub(crate) sock: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GenerateArgs {
    /// The directory to write to, which is made when it does not exist.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Write also what needs capabilities.experimentalApi.
    #[arg(long)]
    pub(crate) experimental: bool,
    /// Do nothing: scripts pass it, and what is written needs no formatter.
    #[arg(short, long, hide = true)]
    pub(crate) prettier: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SimArgs {
    /// The port on 127.0.0.1; 0 takes any free one, and stdout says which.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,
    /// The script, in JSON, as docs/sim.md describes it; every turn is answered with a greeting unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
}
