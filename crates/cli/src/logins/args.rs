//! What the commands for logins take.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use valet_server::Config;

use crate::args::ConfigArgs;
use crate::examples;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in, with ChatGPT in a browser unless told otherwise.
    #[command(after_help = examples::LOGIN)]
    Login(LoginArgs),
    /// Forget the login that is used, and have the issuer take its tokens back.
    #[command(after_help = examples::LOGOUT)]
    Logout(LogoutArgs),
    /// Say who is logged in, until when, and how much of the plan is used.
    #[command(after_help = examples::STATUS)]
    Status(StatusArgs),
    /// Keep several logins, and choose the one that is used.
    #[command(after_help = examples::ACCOUNTS)]
    Accounts(AccountsArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LoginArgs {
    /// Log in with a code that is entered in a browser on any device.
    #[arg(long, group = "way")]
    pub(super) device: bool,
    /// Log in with an API key, read from stdin and never from here, where others can see it.
    #[arg(long, group = "way", num_args = 0..=1, default_missing_value = "-", value_name = "-")]
    pub(super) api_key: Option<String>,
    /// Take over the login that another program keeps.
    #[arg(long, group = "way", value_name = "PROGRAM")]
    pub(super) import: Option<Format>,
    /// Say which address is to be opened, and open no browser.
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
    /// Ask the issuer to take the tokens back, also when valet.logout_revoke is false.
    #[arg(long)]
    revoke: bool,
    /// Forget the tokens here only; whoever else has them can go on.
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
    /// List the logins, with a star at the one that is used.
    List {
        /// Say it in JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Use another login; the one that was used before stays on the list.
    Use {
        /// A part of the login's name that no other one has.
        who: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Show how much of each login's plan is used, when it starts anew, and how long it lasts at this pace.
    Usage(UsageArgs),
    /// Forget a login that is not used.
    #[command(after_help = examples::REMOVE)]
    Remove {
        /// A part of the login's name that no other one has.
        who: String,
        #[command(flatten)]
        revocation: Revocation,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Take over the login that another program keeps, for `valet accounts use`.
    Import {
        /// The program.
        #[arg(value_name = "PROGRAM")]
        format: Format,
        /// The file with the login; the program's own unless given.
        #[arg(value_name = "FILE")]
        path: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Write a login into the file of another program, and leave what else is in it.
    Export {
        /// The program.
        #[arg(value_name = "PROGRAM")]
        format: Format,
        /// The file to write to.
        #[arg(value_name = "FILE")]
        path: PathBuf,
        /// A part of the login's name that no other one has; the login that is used unless given.
        who: Option<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UsageArgs {
    /// Say it in JSON.
    ///
    /// With --watch, each change is one line.
    #[arg(long)]
    pub(super) json: bool,
    /// Go on until Ctrl-C, and ask for each login once a minute.
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
