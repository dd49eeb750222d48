//! The table written out for other languages: TypeScript, JSON Schema, and a list of the methods.
//! Everything is made in memory first, so that a test can compare it with what is committed.

mod json_schema;
mod meta;
mod typescript;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use json_schema::json_schema;
pub use meta::meta;
pub use typescript::typescript;

use crate::experimental::Gate;

/// Files by path relative to the output directory.
pub type Files = BTreeMap<PathBuf, String>;

/// How much of the protocol is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// What every connection may use. The types of parameters are whole but for their hidden members: a value or a
    /// variant that needs the opt-in is written, too.
    Stable,
    /// Also what needs `capabilities.experimentalApi`.
    Experimental,
}

impl Surface {
    fn includes(self, gates: &[Gate]) -> bool {
        self == Self::Experimental || !gates.contains(&Gate::Method)
    }

    /// The members of the parameters that are left out.
    fn hidden_fields(self, gates: &[Gate]) -> Vec<&'static str> {
        let fields = gates.iter().filter_map(|gate| match gate {
            Gate::Field(name) | Gate::Nullable(name) | Gate::Flag(name) if self == Self::Stable => Some(*name),
            _ => None,
        });
        fields.collect()
    }
}

/// Writes the files below `directory`, which is made when it does not exist.
pub fn write(files: &Files, directory: &Path) -> std::io::Result<()> {
    for (path, text) in files {
        let path = directory.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}
