//! Where the configuration is.

use std::path::PathBuf;

/// Why there is no home directory.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A variable points at something that is not there.
    #[error("{variable} points at {}, which is not a directory", path.display())]
    NotADirectory {
        /// The variable.
        variable: &'static str,
        /// Where it points.
        path: PathBuf,
    },
    /// No variable is set, and the user has no home.
    #[error("no home directory: set VALET_HOME")]
    Unknown,
}

/// `VALET_HOME`, else `CODEX_HOME`, else `~/.valet`. The last need not exist.
pub fn home() -> Result<PathBuf, HomeError> {
    for variable in ["VALET_HOME", "CODEX_HOME"] {
        let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) else { continue };
        let path = PathBuf::from(path);
        return match path.canonicalize() {
            Ok(path) if path.is_dir() => Ok(path),
            _ => Err(HomeError::NotADirectory { variable, path }),
        };
    }
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    home.map(|home| home.join(".valet")).ok_or(HomeError::Unknown)
}
