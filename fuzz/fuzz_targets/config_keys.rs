//! libFuzzer's way to [`valet_fuzz::config_keys`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| valet_fuzz::config_keys(input));
