//! What the commands for logins take.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use valet_server::Config;

use crate::redeem;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in with ChatGPT in a browser, or in another way.
    Login(LoginArgs),
    /// Forget the login.
    Logout(LogoutArgs),
    /// Say who is logged in, until when, and how much of the plan is used. Exit code 1: nobody.
    Status(StatusArgs),
    /// Several logins: which there are, and which one is used.
    Accounts(AccountsArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ConfigArgs {
    /// Set a configuration key; the value is TOML, else a string. Repeatable.
    #[arg(short = 'c', long = "config", value_name = "KEY=VALUE")]
    config: Vec<String>,
}

impl ConfigArgs {
    /// The configuration in force. A login is the same whatever the turns of a host go to, and nobody here is a client
    /// that depends on the reference's way.
    pub(crate) fn load(&self) -> anyhow::Result<Config> {
        let ours = ["model_provider=\"openai\"", "valet.compat=\"default\""].map(str::to_owned);
        let overrides = [self.config.as_slice(), &ours].concat();
        let config = Config::load(&valet_server::config::home()?, &overrides)?;
        Ok(config.redeemed_by(redeem::program(&overrides)?))
    }

    /// The same for a program that is started.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        self.config.iter().flat_map(|pair| ["-c".into(), pair.into()]).collect()
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LoginArgs {
    /// Log in with a code, in a browser on any device.
    #[arg(long, group = "way")]
    pub(super) device: bool,
    /// Log in with an API key, read from stdin. It is not taken from here, where others can see it.
    #[arg(long, group = "way", num_args = 0..=1, default_missing_value = "-", value_name = "-")]
    pub(super) api_key: Option<String>,
    /// Take the login over that another program keeps.
    #[arg(long, group = "way", value_name = "PROGRAM")]
    pub(super) import: Option<Format>,
    /// Only say which address is to be opened.
    #[arg(long, conflicts_with = "way")]
    pub(super) no_browser: bool,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LogoutArgs {
    #[command(flatten)]
    pub(super) revocation: Revocation,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

/// What becomes of the tokens.
#[derive(Debug, ClapArgs)]
pub(crate) struct Revocation {
    /// Ask the issuer to take the tokens back, whatever valet.logout_revoke says.
    #[arg(long)]
    revoke: bool,
    /// Forget them here only: whoever else has them can go on.
    #[arg(long, conflicts_with = "revoke")]
    keep_tokens: bool,
}

impl Revocation {
    /// Whether the issuer is asked.
    pub(super) fn wanted(&self, config: &Config) -> bool {
        self.revoke || !self.keep_tokens && config.keys.valet.logout_revoke.unwrap_or(true)
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StatusArgs {
    /// Say it in JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AccountsArgs {
    #[command(subcommand)]
    pub(super) command: AccountsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// List the logins; a star marks the one that is used.
    List {
        /// Say it in JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Use another login. The one that was used before stays on the list.
    Use {
        /// A part of its name that no other one has.
        who: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Show how much of each subscription is used, when it starts anew, and how long it lasts at this pace.
    Usage(UsageArgs),
    /// Forget a login that is not used.
    Remove {
        /// A part of its name that no other one has.
        who: String,
        #[command(flatten)]
        revocation: Revocation,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Take a login over that another program keeps. `accounts use` uses it.
    Import {
        /// Whose file it is.
        format: Format,
        /// The file; without it, the one that the program has.
        path: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Write a login into a file of another program's. What else is in the file stays.
    Export {
        /// Whose file it is.
        format: Format,
        /// The file.
        path: PathBuf,
        /// A part of its name that no other one has; without it, the one that is used.
        who: Option<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UsageArgs {
    /// Say it in JSON; with --watch in a line for each change.
    #[arg(long)]
    pub(super) json: bool,
    /// Go on until Ctrl-C. Each account is asked for once a minute.
    #[arg(long)]
    pub(super) watch: bool,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

/// A program that keeps logins in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Codex,
    Opencode,
}
