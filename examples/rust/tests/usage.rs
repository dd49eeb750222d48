//! Without this test, `cargo test --workspace` would not build the binary, which `samples.rs` of `valet-cli` runs
//! against a sim.

use std::process::Command;

#[test]
fn without_an_origin_the_sample_says_how_it_is_used() {
    let output = Command::new(env!("CARGO_BIN_EXE_valet-example-parent")).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("usage: valet-example-parent ORIGIN"), "{stderr}");
    assert!(!output.status.success());
}
