//! The target `varint`: `fuzz/targets` says what it does.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz_targets::varint(data));
