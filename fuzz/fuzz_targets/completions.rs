//! libFuzzer's way to [`valet_fuzz::completions`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| valet_fuzz::completions(input));
