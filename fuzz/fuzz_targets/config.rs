//! libFuzzer's way to [`valet_fuzz::config`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| valet_fuzz::config(input));
