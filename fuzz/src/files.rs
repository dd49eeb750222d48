//! What people write into files: configuration and scripts.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use valet_server::{Config, ConfigError};
use valet_sim::Script;

/// A text is a configuration or it is refused with words; what it says does not change when nothing is put on top.
pub fn config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    must_hold(Config::parse(Path::new("home"), &text, &[]));
    must_hold(Config::parse(Path::new("home"), "", &[text.into_owned()]));
}

/// The keys that a request brings are taken or refused with words; the same keys once more change nothing.
pub fn config_keys(input: &[u8]) {
    let Ok(keys) = serde_json::from_slice::<BTreeMap<String, Value>>(input) else { return };
    let Ok(below) = Config::parse(Path::new("home"), "model = \"m\"\n[valet]\ncompat = \"strict\"", &[]) else {
        panic!("a good configuration is refused")
    };
    let once = below.overlay(&keys);
    if let Ok(once) = &once {
        match once.overlay(&keys) {
            Ok(twice) => assert_eq!(in_force(&twice), in_force(once)),
            Err(error) => panic!("the same keys are refused the second time: {error}"),
        }
    }
    must_hold(once);
}

fn must_hold(config: Result<Config, ConfigError>) {
    let config = match config {
        Ok(config) => config,
        Err(error) => return crate::must_speak(&error),
    };
    let warnings = config.warnings();
    let of_keys = warnings.iter().filter(|warning| warning.summary.starts_with("Unknown configuration keys"));
    assert_eq!(of_keys.count(), usize::from(!config.unknown_keys().is_empty()));
    match config.overlay(&BTreeMap::new()) {
        Ok(same) => assert_eq!(in_force(&same), in_force(&config)),
        Err(error) => panic!("a good configuration is refused the second time: {error}"),
    }
}

fn in_force(config: &Config) -> String {
    format!("{:?} {:?}", config.keys, config.unknown_keys())
}

/// A text is a script or it is refused with words.
pub fn script(input: &[u8]) {
    if let Err(error) = Script::from_json(&String::from_utf8_lossy(input)) {
        crate::must_speak(&error);
    }
}
