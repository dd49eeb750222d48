//! Files of the host, and watches on them.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A path that is absolute and holds no `.` and no `..`. These are taken out by the text alone, without a look
/// at the file system; a relative path is an error.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, TS)]
#[ts(rename = "AbsolutePathBuf", type = "string")]
#[schemars(rename = "AbsolutePathBuf", transparent, example = "/")]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// The path; none when it is relative.
    pub fn new(path: &Path) -> Option<Self> {
        path.is_absolute().then(|| {
            let mut plain = PathBuf::new();
            for part in path.components() {
                match part {
                    Component::ParentDir => {
                        plain.pop();
                    }
                    Component::CurDir => {}
                    part => plain.push(part),
                }
            }
            Self(plain)
        })
    }
}

impl AsRef<Path> for AbsolutePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Serialize for AbsolutePath {
    /// What is no UTF-8 in a path has a sign in its place, as everywhere on the wire.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.display())
    }
}

impl<'de> Deserialize<'de> for AbsolutePath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = AbsolutePath;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("path string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AbsolutePath, E> {
                // The words of the reference, which clients may look for.
                AbsolutePath::new(Path::new(text))
                    .ok_or_else(|| E::custom("AbsolutePathBuf deserialized without a base path"))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// `fs/readFile`.
///
/// Errors: -32600 for what is no regular file or is larger than 16 MiB, -32603 with the operating system's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsReadFileParams {
    /// The file.
    pub path: AbsolutePath,
}

/// The answer to `fs/readFile`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsReadFileResponse {
    /// The content, in base64.
    pub data_base64: String,
}

/// `fs/writeFile`. Makes the file, or replaces its content; the directory must exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsWriteFileParams {
    /// The file.
    pub path: AbsolutePath,
    /// The content, in base64 with padding.
    pub data_base64: String,
}

/// The answer to `fs/writeFile`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct FsWriteFileResponse {}

/// `fs/createDirectory`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct FsCreateDirectoryParams {
    /// The directory.
    pub path: AbsolutePath,
    /// Also make those above it, and be content with one that is there. The default.
    pub recursive: Option<bool>,
}

/// The answer to `fs/createDirectory`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct FsCreateDirectoryResponse {}

/// `fs/getMetadata`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsGetMetadataParams {
    /// What to look at. A link that leads nowhere is not found.
    pub path: AbsolutePath,
}

/// The answer to `fs/getMetadata`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsGetMetadataResponse {
    /// A directory, or a link to one.
    pub is_directory: bool,
    /// A regular file, or a link to one.
    pub is_file: bool,
    /// The path itself is a symbolic link.
    pub is_symlink: bool,
    /// Unix time in milliseconds; 0 where the file system does not know.
    #[ts(type = "number")]
    pub created_at_ms: i64,
    /// Unix time in milliseconds; 0 where the file system does not know.
    #[ts(type = "number")]
    pub modified_at_ms: i64,
}

/// `fs/readDirectory`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsReadDirectoryParams {
    /// The directory.
    pub path: AbsolutePath,
}

/// The answer to `fs/readDirectory`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsReadDirectoryResponse {
    /// The direct children, by name. Links that lead nowhere are left out.
    pub entries: Vec<FsReadDirectoryEntry>,
}

/// One direct child of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsReadDirectoryEntry {
    /// Its name, and no path.
    pub file_name: String,
    /// A directory, or a link to one.
    pub is_directory: bool,
    /// A regular file, or a link to one.
    pub is_file: bool,
}

/// `fs/remove`. Of a symbolic link, the link goes and not what it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct FsRemoveParams {
    /// What is to go.
    pub path: AbsolutePath,
    /// Also a directory that is not empty. The default.
    pub recursive: Option<bool>,
    /// Be content when there is nothing. The default.
    pub force: Option<bool>,
}

/// The answer to `fs/remove`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct FsRemoveResponse {}

/// `fs/copy`. Links are copied as links; what is no file, directory or link is left out of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsCopyParams {
    /// What is copied.
    pub source_path: AbsolutePath,
    /// What it is to be, not the directory to put it in.
    pub destination_path: AbsolutePath,
    /// Needed for a directory.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub recursive: bool,
}

/// The answer to `fs/copy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct FsCopyResponse {}

/// `fs/watch`. Told by `fs/changed` until `fs/unwatch` or the end of the connection: of a directory what happens
/// to its direct children, of any other path what happens to itself. The path need not exist yet, but the
/// directory that holds it must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsWatchParams {
    /// Chosen by the client, unique among the watches of its connection.
    pub watch_id: String,
    /// What to watch.
    pub path: AbsolutePath,
}

/// The answer to `fs/watch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsWatchResponse {
    /// What is watched.
    pub path: AbsolutePath,
}

/// `fs/unwatch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsUnwatchParams {
    /// From `fs/watch`. One that is not in use is no error.
    pub watch_id: String,
}

/// The answer to `fs/unwatch`. Nothing is told of the watch afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct FsUnwatchResponse {}

/// `fs/changed`, to the connection that watches. Changes are gathered for 200 ms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FsChangedNotification {
    /// From `fs/watch`.
    pub watch_id: String,
    /// What was made, changed or removed, each path once, by name. The watched path itself: it has changed, or
    /// the operating system lost count; look again.
    pub changed_paths: Vec<AbsolutePath>,
}

#[cfg(test)]
mod tests {
    use super::AbsolutePath;
    use pretty_assertions::assert_eq;

    fn read(text: &str) -> Result<String, String> {
        let path: Result<AbsolutePath, _> = serde_json::from_str(text);
        path.map(|path| path.as_ref().display().to_string()).map_err(|error| error.to_string())
    }

    #[cfg(unix)]
    #[test]
    fn a_path_is_made_plain_by_its_text_alone() {
        for (given, plain) in [("/a/./b/../c/", "/a/c"), ("/../..", "/"), ("/no/where/..", "/no")] {
            assert_eq!(read(&format!("{given:?}")).unwrap(), plain);
        }
    }

    #[test]
    fn a_relative_path_and_no_path_are_refused() {
        for text in ["\"\"", "\"a\"", "\"./a\"", "\"~/a\""] {
            assert!(read(text).unwrap_err().starts_with("AbsolutePathBuf deserialized without a base path"));
        }
        assert!(read("5").unwrap_err().starts_with("invalid type: integer `5`, expected path string"));
    }
}
