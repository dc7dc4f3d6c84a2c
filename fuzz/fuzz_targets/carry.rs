//! See [`linger_fuzz::carry`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| linger_fuzz::carry(data));
