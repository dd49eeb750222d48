//! The bindings and the schema, as `build.rs` packed them.

use lzma_rust2::LzmaReader;
use valet_protocol::export::{Files, Surface};

/// Some files, of both surfaces.
pub(crate) struct Bindings(&'static [u8]);

pub(crate) const TYPESCRIPT: Bindings = Bindings(include_bytes!(concat!(env!("OUT_DIR"), "/typescript.lzma")));
pub(crate) const JSON_SCHEMA: Bindings = Bindings(include_bytes!(concat!(env!("OUT_DIR"), "/json_schema.lzma")));

impl Bindings {
    /// Unpacks one surface. Fails only when the binary is damaged.
    pub(crate) fn unpack(&self, surface: Surface) -> anyhow::Result<Files> {
        let text = std::io::read_to_string(LzmaReader::new_mem_limit(self.0, u32::MAX, None)?)?;
        let [stable, experimental]: [Files; 2] = serde_json::from_str(&text)?;
        Ok(match surface {
            Surface::Stable => stable,
            Surface::Experimental => experimental,
        })
    }
}
