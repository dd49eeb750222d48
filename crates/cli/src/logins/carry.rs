//! Logins from and for other programs' files.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use valet_auth::store::{CodexFile, CredentialStore, Login, OpencodeFile, PATIENCE, Shelf};
use valet_server::Config;

use crate::logging;

use super::accounts::LockedAccounts;
use super::args::Format;
use super::tell;
use super::who::Who;

/// Makes the login of another program the one that is used.
pub(super) fn log_in(config: &Config, format: Format) -> anyhow::Result<()> {
    let login = read(config, format, None)?;
    config.store().lock(PATIENCE)?.save(&login)?;
    warn(format, &login);
    Ok(())
}

/// Puts the login of another program beside the one that is used.
pub(super) fn import(config: &Config, format: Format, path: Option<&Path>) -> anyhow::Result<()> {
    let login = read(config, format, path)?;
    let name = login.name();
    let store = config.store();
    let locked = store.lock(PATIENCE)?;
    if locked.load()?.is_some_and(|current| current.name() == name) {
        locked.save(&login)?;
    } else {
        Shelf::of_home(&config.home).put(&login)?;
    }
    tell(format_args!("Imported {}. Its name is {name}.", Who::of(&login)));
    warn(format, &login);
    Ok(())
}

/// Writes a login into a file of another program's.
pub(super) fn export(config: &Config, format: Format, path: &Path, who: Option<&str>) -> anyhow::Result<()> {
    let store = config.store();
    let locked = store.lock(PATIENCE)?;
    let login = match who {
        Some(who) => {
            let accounts = LockedAccounts::of(&*locked, Shelf::of_home(&config.home))?;
            accounts.login(&*locked, accounts.find(who)?)?
        }
        None => locked.load()?.context("nobody is logged in; `valet login` makes a login")?,
    };
    drop(locked);
    file(format, path).lock(PATIENCE)?.save(&login)?;
    tell(format_args!("{} is in {} now.", Who::of(&login).name, path.display()));
    warn(format, &login);
    Ok(())
}

fn read(config: &Config, format: Format, path: Option<&Path>) -> anyhow::Result<Login> {
    let path = path.map_or_else(|| usual_path(format), |path| Ok(path.to_owned()))?;
    let own = [Some(config.home.join(CodexFile::NAME)), config.opencode_auth_file()];
    let same = |own: PathBuf| own.canonicalize().is_ok_and(|own| path.canonicalize().is_ok_and(|path| path == own));
    ensure!(!own.into_iter().flatten().any(same), "{} is where the login is kept already", path.display());
    ensure!(path.exists(), "{} is not there: log in with that program first, or name its file", path.display());
    let login = file(format, &path).load()?;
    let login = login.with_context(|| {
        format!("{} holds no login that can be kept: neither a key nor tokens that can be renewed", path.display())
    })?;
    config.rules().check(&login)?;
    Ok(login)
}

fn file(format: Format, path: &Path) -> Box<dyn CredentialStore> {
    match format {
        Format::Codex => Box::new(CodexFile::at(path)),
        Format::Opencode => Box::new(OpencodeFile::at(path.to_owned())),
    }
}

/// Where the program keeps it, as its own variables say.
fn usual_path(format: Format) -> anyhow::Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || std::env::home_dir().context("no home directory: name the file");
    Ok(match format {
        Format::Codex => match variable("CODEX_HOME") {
            Some(folder) => folder,
            None => home()?.join(".codex"),
        },
        Format::Opencode => match variable("XDG_DATA_HOME") {
            Some(data) => data,
            None => home()?.join(".local/share"),
        }
        .join("opencode"),
    }
    .join("auth.json"))
}

/// A refresh token is good for one use, and now two programs have it.
fn warn(format: Format, login: &Login) {
    let (other, instead) = match format {
        Format::Codex => ("codex", "VALET_HOME or CODEX_HOME"),
        Format::Opencode => ("opencode", "valet.opencode_auth_file"),
    };
    if matches!(login, Login::Chatgpt(_)) {
        logging::say(format_args!(
            "valet: {other} has the same login now. Whichever program renews it first leaves the other one logged out. \
             Use it in one of them, or let both use one file ({instead}); see docs/logins.md."
        ));
    }
}
