#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| spawn_fuzz::schedule::target(data));
