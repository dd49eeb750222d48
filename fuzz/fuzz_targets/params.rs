//! libFuzzer's way to [`valet_fuzz::params`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| valet_fuzz::params(input));
