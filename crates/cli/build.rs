//! Packs what `generate-ts` and `generate-json-schema` write, so that the binary carries the text and not its
//! generators, which are thirty times as large. `src/bindings.rs` unpacks it.

use std::error::Error;
use std::fs::File;
use std::path::Path;

use lzma_rust2::{LzmaOptions, LzmaWriter};
use valet_protocol::export::{self, Files, Surface};

fn main() -> Result<(), Box<dyn Error>> {
    // A new table is a new build script, which runs again in any case.
    println!("cargo::rerun-if-changed=build.rs");
    let folder = std::env::var("OUT_DIR")?;
    pack(export::typescript, &Path::new(&folder).join("typescript.lzma"))?;
    pack(export::json_schema, &Path::new(&folder).join("json_schema.lzma"))
}

/// Both surfaces in one archive: they have most of their text in common.
fn pack(files: fn(Surface) -> Files, to: &Path) -> Result<(), Box<dyn Error>> {
    let both = [files(Surface::Stable), files(Surface::Experimental)];
    let mut writer = LzmaWriter::new_use_header(File::create(to)?, &LzmaOptions::with_preset(6), None)?;
    serde_json::to_writer(&mut writer, &both)?;
    writer.finish()?;
    Ok(())
}
