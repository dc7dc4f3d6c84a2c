//! See [`linger_fuzz::frames`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| linger_fuzz::frames(data));
