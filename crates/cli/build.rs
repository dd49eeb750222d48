//! Packs what `generate-ts` and `generate-json-schema` write, so that the binary carries the text and not its
//! generators, which are thirty times as large. `src/bindings.rs` unpacks it. And says how the binary is linked.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use lzma_rust2::{LzmaOptions, LzmaWriter};
use valet_protocol::export::{self, Files, Surface};

fn main() -> Result<(), Box<dyn Error>> {
    // A new table is a new build script, which runs again in any case.
    println!("cargo::rerun-if-changed=build.rs");
    if loads_packed_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    println!("cargo::rerun-if-changed=start.ld");
    if is("PROFILE", "release") && links_with_lld() {
        let script = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("start.ld");
        println!("cargo::rustc-link-arg-bins=-Wl,--script={}", script.display());
        // Functions that are the same become one, which Rust allows. Who asks for debug info wants each under its name.
        if is("DEBUG", "false") {
            println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        }
    }
    let folder = std::env::var("OUT_DIR")?;
    pack(export::typescript, &Path::new(&folder).join("typescript.lzma"))?;
    pack(export::json_schema, &Path::new(&folder).join("json_schema.lzma"))
}

fn is(name: &str, value: &str) -> bool {
    std::env::var(name).is_ok_and(|is| is == value)
}

/// Packed, relocations take 20 KB and not 460. glibc reads them from 2.36 on: a binary for older systems is built on
/// one of them, as always.
fn loads_packed_relocations() -> bool {
    let native = std::env::var_os("HOST") == std::env::var_os("TARGET");
    if !native || !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return false;
    }
    // "glibc 2.36"
    let Ok(said) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.trim().rsplit(' ').next().and_then(|version| version.split_once('.'));
    let number = |text: &str| text.parse::<u32>().unwrap_or_default();
    version.is_some_and(|(major, minor)| (number(major), number(minor)) >= (2, 36))
}

/// The linker that the compiler brings along on this platform can fold functions and place them by script; whoever asks
/// for another one gets what that does by itself.
fn links_with_lld() -> bool {
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let target = std::env::var("TARGET").unwrap_or_default();
    target == "x86_64-unknown-linux-gnu" && !flags.contains("link") && std::env::var_os("RUSTC_LINKER").is_none()
}

/// Both surfaces in one archive: they have most of their text in common.
fn pack(files: fn(Surface) -> Files, to: &Path) -> Result<(), Box<dyn Error>> {
    let both = [files(Surface::Stable), files(Surface::Experimental)];
    let mut writer = LzmaWriter::new_use_header(File::create(to)?, &LzmaOptions::with_preset(6), None)?;
    serde_json::to_writer(&mut writer, &both)?;
    writer.finish()?;
    Ok(())
}
