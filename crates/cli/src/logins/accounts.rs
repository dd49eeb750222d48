//! `valet accounts`: the login that is used, and the shelf with the others.

use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::json;
use valet_auth::store::{Locked, Login, PATIENCE, Shelf};
use valet_switch::wallet::Activated;

use super::args::{AccountsCommand, ConfigArgs};
use super::who::Who;
use super::{carry, logout, tell, usage, wallet};

pub(super) fn run(command: &AccountsCommand) -> anyhow::Result<ExitCode> {
    match command {
        AccountsCommand::List { json, config } => list(config, *json)?,
        AccountsCommand::Use { who, config } => switch(config, who)?,
        AccountsCommand::Usage(args) => usage::run(args)?,
        AccountsCommand::Remove { who, revocation, config } => {
            let config = config.load()?;
            let store = config.store();
            let removed = {
                let locked = store.lock(PATIENCE)?;
                let accounts = LockedAccounts::of(&*locked, Shelf::of_home(&config.home))?;
                let name = accounts.find(who)?;
                if accounts.current.as_deref() == Some(name) {
                    bail!("{name} is the login that is used; `valet logout` ends it");
                }
                let login = accounts.shelf.get(name);
                accounts.shelf.remove(name)?;
                tell(format_args!("{name} is forgotten here."));
                // A file that cannot be read is gone now, too.
                login.ok().flatten()
            };
            return logout::revoke(&config, removed, revocation.wanted(&config));
        }
        AccountsCommand::Import { format, path, config } => carry::import(&config.load()?, *format, path.as_deref())?,
        AccountsCommand::Export { format, path, who, config } => {
            carry::export(&config.load()?, *format, path, who.as_deref())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What there is, while the lock is held.
pub(super) struct LockedAccounts {
    shelf: Shelf,
    current: Option<String>,
    names: Vec<String>,
}

impl LockedAccounts {
    pub(super) fn of(locked: &dyn Locked, shelf: Shelf) -> anyhow::Result<Self> {
        let current = locked.load()?.map(|login| login.name());
        let mut names = shelf.names()?;
        // One that a crash has left in both places is the one that is used.
        names.retain(|name| Some(name) != current.as_ref());
        names.splice(0..0, current.clone());
        Ok(Self { shelf, current, names })
    }

    /// The one that is meant.
    pub(super) fn find(&self, who: &str) -> anyhow::Result<&str> {
        find(&self.names, who)
    }

    pub(super) fn login(&self, locked: &dyn Locked, name: &str) -> anyhow::Result<Login> {
        let login = if self.current.as_deref() == Some(name) { locked.load()? } else { self.shelf.get(name)? };
        login.with_context(|| format!("the file of {name} holds no login"))
    }
}

/// The account that is meant by its name, or by a part of it that no other one has.
pub(crate) fn find<'a>(names: &'a [String], who: &str) -> anyhow::Result<&'a str> {
    let wanted = who.to_lowercase();
    let matches: Vec<&String> = names.iter().filter(|name| name.to_lowercase().contains(&wanted)).collect();
    let exact = matches.iter().copied().find(|name| *name == who);
    match (exact, matches.as_slice()) {
        (Some(name), _) => Ok(name),
        (None, [one]) => Ok(one),
        (None, []) => bail!("no account is called `{who}`; `valet accounts list` says which there are"),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            bail!("`{who}` could be {}", names.join(" or "))
        }
    }
}

fn list(config: &ConfigArgs, as_json: bool) -> anyhow::Result<()> {
    let config = config.load()?;
    let (current, shelf) = (config.store().load()?, Shelf::of_home(&config.home));
    let current = current.map(|login| Who::of(&login));
    let mut rows: Vec<_> = current.iter().map(|who| (true, Ok(json!(who)))).collect();
    for name in shelf.names()?.into_iter().filter(|name| current.as_ref().is_none_or(|who| who.name != *name)) {
        let read = shelf.get(&name);
        let who = read.map(|login| login.map_or(json!({ "name": name }), |login| json!(Who::of(&login))));
        rows.push((false, who.map_err(|error| (name, error))));
    }
    if as_json {
        let rows = rows.into_iter().map(|(current, row)| {
            let mut row = row.unwrap_or_else(|(name, error)| json!({ "name": name, "error": error.to_string() }));
            row["current"] = current.into();
            row
        });
        tell(format_args!("{:#}", serde_json::Value::from_iter(rows)));
        return Ok(());
    }
    if rows.is_empty() {
        tell("There are no logins. `valet login` makes one.");
    }
    for (current, row) in rows {
        let mark = if current { '*' } else { ' ' };
        match row {
            Ok(who) => {
                let text = |key: &str| who[key].as_str().unwrap_or_default().to_owned();
                tell(format!("{mark} {}  {}", text("name"), text("plan")).trim_end());
            }
            Err((name, error)) => tell(format_args!("{mark} {name}  cannot be read: {error}")),
        }
    }
    Ok(())
}

fn switch(config: &ConfigArgs, who: &str) -> anyhow::Result<()> {
    let config = config.load()?;
    let name = {
        let store = config.store();
        let locked = store.lock(PATIENCE)?;
        LockedAccounts::of(&*locked, Shelf::of_home(&config.home))?.find(who)?.to_owned()
    };
    tell(match wallet(&config).activate(&name)? {
        Activated::Already => format!("{name} is used already."),
        Activated::Now => {
            format!("{name} is used from now on. A host that runs goes on with the login that it has: start it again.")
        }
    });
    Ok(())
}
