//! See [`linger_fuzz::parse`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| linger_fuzz::parse(data));
