//! `valet accounts`: the login that is used, and the shelf with the others.

use std::fmt::{Display, Formatter};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use valet_auth::store::{Locked, Login, PATIENCE, Shelf, StoreError};
use valet_switch::wallet::Activated;

use crate::args::ConfigArgs;

use super::args::AccountsCommand;
use super::who::Who;
use super::{carry, logout, tell, usage, wallet};

pub(super) fn run(command: &AccountsCommand) -> anyhow::Result<ExitCode> {
    match command {
        AccountsCommand::List { json, config } => list(config, *json)?,
        AccountsCommand::Use { who, config } => switch(config, who)?,
        AccountsCommand::Usage(args) => usage::run(args)?,
        AccountsCommand::Remove { who, revocation, config } => {
            let config = config.load_for_logins()?;
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
                match login {
                    Err(error) if revocation.wanted(&config) => {
                        let words = "its file could not be read, so its tokens stay good until they expire";
                        return Err(anyhow::Error::from(error).context(words));
                    }
                    login => login.ok().flatten(),
                }
            };
            return logout::revoke(&config, removed, revocation.wanted(&config));
        }
        AccountsCommand::Import { format, path, config } => {
            carry::import(&config.load_for_logins()?, *format, path.as_deref())?
        }
        AccountsCommand::Export { format, path, who, config } => {
            carry::export(&config.load_for_logins()?, *format, path, who.as_deref())?;
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
        let names = shelf.names_after(current.as_deref())?;
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

/// The login that is meant by its name, or by a part of it that no other one has.
pub(crate) fn find<'a>(names: &'a [String], who: &str) -> anyhow::Result<&'a str> {
    let wanted = who.to_lowercase();
    let matches: Vec<&String> = names.iter().filter(|name| name.to_lowercase().contains(&wanted)).collect();
    let exact = matches.iter().copied().find(|name| *name == who);
    match (exact, matches.as_slice()) {
        (Some(name), _) => Ok(name),
        (None, [one]) => Ok(one),
        (None, []) => bail!("no login is called `{who}`; `valet accounts list` says which there are"),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            bail!("`{who}` could be {}", names.join(" or "))
        }
    }
}

fn list(config: &ConfigArgs, as_json: bool) -> anyhow::Result<()> {
    let config = config.load_for_logins()?;
    let (used, shelf) = (config.store().load()?, Shelf::of_home(&config.home));
    let used = used.map(|login| Who::of(&login));
    let mut rows = Vec::new();
    for name in shelf.names_after(used.as_ref().map(|who| who.name.as_str()))? {
        let row = match used.as_ref().filter(|who| who.name == name) {
            Some(who) => Row { name, who: Ok(Some(who.clone())), current: true },
            None => Row { who: shelf.get(&name).map(|login| login.as_ref().map(Who::of)), name, current: false },
        };
        rows.push(row);
    }
    if as_json {
        tell(format_args!("{:#}", Value::from_iter(rows.iter().map(Row::as_json))));
    } else if rows.is_empty() {
        tell("There are no logins. `valet login` makes one.");
    } else {
        rows.iter().for_each(tell);
    }
    Ok(())
}

/// A login on the list.
struct Row {
    name: String,
    /// None: it was removed meanwhile.
    who: Result<Option<Who>, StoreError>,
    current: bool,
}

impl Row {
    fn as_json(&self) -> Value {
        let mut row = match &self.who {
            Ok(Some(who)) => json!(who),
            Ok(None) => json!({ "name": self.name }),
            Err(error) => json!({ "name": self.name, "error": error.to_string() }),
        };
        row["current"] = self.current.into();
        row
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", if self.current { '*' } else { ' ' }, self.name)?;
        match &self.who {
            Ok(Some(Who { plan: Some(plan), .. })) => write!(f, "  {plan}"),
            Ok(_) => Ok(()),
            Err(error) => write!(f, "  cannot be read: {error}"),
        }
    }
}

fn switch(config: &ConfigArgs, who: &str) -> anyhow::Result<()> {
    let config = config.load_for_logins()?;
    let name = {
        let store = config.store();
        let locked = store.lock(PATIENCE)?;
        LockedAccounts::of(&*locked, Shelf::of_home(&config.home))?.find(who)?.to_owned()
    };
    tell(match wallet(&config).activate(&name)? {
        Activated::Already => format!("{name} is used already."),
        Activated::Now => {
            format!(
                "{name} is used from now on. `valet run` follows; any other host that runs goes on with the login that \
                 it has: start it again."
            )
        }
    });
    Ok(())
}
