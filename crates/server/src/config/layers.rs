//! The layers that a configuration is made of, and how they lie on each other.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use serde_json::Value;
use toml::Table;
use valet_protocol::v2::{
    Config as WireConfig, ConfigLayer, ConfigLayerMetadata, ConfigLayerSource, ConfigReadResponse,
};

use super::{Config, ConfigError};

/// What stands in the place of a value that clients are not shown.
const HIDDEN: &str = "[hidden]";

/// Parts of a dotted path.
const MAX_PATH: usize = 64;

/// One layer.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    source: ConfigLayerSource,
    pub(super) table: Table,
}

impl Layer {
    /// What a file in the home says. Its relative roots begin there, and not where a thread works.
    pub(super) fn user(path: &Path, home: &Path, mut table: Table) -> Self {
        let roots = table.get_mut("sandbox_workspace_write").and_then(|inner| inner.get_mut("writable_roots"));
        for root in roots.and_then(toml::Value::as_array_mut).into_iter().flatten() {
            if let Some(path) = root.as_str() {
                *root = home.join(path).display().to_string().into();
            }
        }
        let file = path.display().to_string();
        Self { source: ConfigLayerSource::User { file, profile: None }, table }
    }

    /// `key=value`, each. A value that is not TOML is taken as a string.
    pub(super) fn session_flags(overrides: &[String]) -> Result<Self, ConfigError> {
        let mut table = Table::new();
        for text in overrides {
            let (key, value) = text.split_once('=').ok_or_else(|| ConfigError::Override(text.clone()))?;
            let value = format!("value = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
            let value = value.unwrap_or_else(|| toml::Value::from(text[key.len() + 1..].trim()));
            insert(&mut table, key.trim(), value)?;
        }
        Ok(Self { source: ConfigLayerSource::SessionFlags {}, table })
    }

    /// The keys of one request.
    pub(super) fn request(keys: &BTreeMap<String, Value>) -> Result<Self, ConfigError> {
        let mut table = Table::new();
        for (key, value) in keys {
            if value.is_null() {
                continue;
            }
            let value = toml::Value::try_from(value).map_err(|error| ConfigError::Value(format!("{key}: {error}")))?;
            insert(&mut table, key, value)?;
        }
        Ok(Self { source: ConfigLayerSource::SessionFlags {}, table })
    }

    fn version(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.table.to_string().hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

/// Puts a value where a dotted path says. A path that is deep beyond all sense is refused: tables in tables are
/// walked by recursion, here and elsewhere.
fn insert(table: &mut Table, key: &str, value: toml::Value) -> Result<(), ConfigError> {
    if key.split('.').count() > MAX_PATH {
        return Err(ConfigError::Value(format!("a key has more than {MAX_PATH} parts")));
    }
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| toml::Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = toml::Value::Table(Table::new());
            }
            inner.as_table_mut().map_or(Ok(()), |inner| insert(inner, rest, value))
        }
    }
}

/// Puts `over` onto `under`: tables are merged, everything else is replaced.
pub(super) fn merge(under: &mut Table, over: &Table) {
    for (key, value) in over {
        match (under.get_mut(key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => merge(under, over),
            _ => {
                under.insert(key.clone(), value.clone());
            }
        }
    }
}

impl Config {
    /// The answer to `config/read`.
    pub(crate) fn read(&self, include_layers: bool) -> ConfigReadResponse {
        let mut effective = json(&self.effective);
        effective["chatgpt_base_url"] = self.chatgpt_base_url().into();
        // Every value of `config.toml` fits the open type of its key.
        let config: WireConfig = serde_json::from_value(effective).unwrap_or_default();
        let mut origins = BTreeMap::new();
        for layer in self.layers.iter().rev() {
            let metadata = ConfigLayerMetadata { name: layer.source.clone(), version: layer.version() };
            leaves(&layer.table, "", &mut |key| {
                origins.insert(key, metadata.clone());
            });
        }
        let layers = self.layers.iter().map(|layer| ConfigLayer {
            name: layer.source.clone(),
            version: layer.version(),
            config: json(&layer.table),
            disabled_reason: None,
        });
        ConfigReadResponse { config, origins, layers: include_layers.then(|| layers.collect()) }
    }
}

/// A layer as clients may see it: without the values that are often keys, which no client needs.
fn json(table: &Table) -> Value {
    let mut value = serde_json::to_value(table).unwrap_or_default();
    hide_secrets(&mut value);
    value
}

fn hide_secrets(value: &mut Value) {
    let Some(members) = value.as_object_mut() else { return };
    for (key, value) in members {
        let key = key.to_ascii_lowercase();
        // The environment of child processes, and whatever goes into a header or behind a question mark.
        let holds_secrets = key.ends_with("headers") || ["env", "set", "query_params"].contains(&key.as_str());
        // `env_key` and the like name a variable; they are no secret.
        let is_secret = !key.starts_with("env")
            && !key.contains("limit")
            && ["token", "secret", "password", "api_key", "apikey"].iter().any(|word| key.contains(word));
        match value {
            Value::Object(inner) if holds_secrets => inner.values_mut().for_each(|value| *value = HIDDEN.into()),
            Value::Object(_) => hide_secrets(value),
            Value::String(_) if is_secret => *value = HIDDEN.into(),
            Value::String(text) if key.ends_with("url") => *value = without_userinfo(text).into(),
            _ => {}
        }
    }
}

fn without_userinfo(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
        Some((scheme, (user, rest))) if !user.contains('/') => format!("{scheme}://{HIDDEN}@{rest}"),
        _ => url.to_owned(),
    }
}

fn leaves(table: &Table, prefix: &str, found: &mut impl FnMut(String)) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value.as_table() {
            Some(inner) => leaves(inner, &path, found),
            None => found(path),
        }
    }
}
