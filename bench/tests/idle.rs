//! Idle connections cost a busy one nothing: counted in instructions, so that the machine's mood plays no part.
#![forbid(unsafe_code)]
#![cfg(target_os = "linux")]

use std::process::Command;

/// Instructions of one piece of gated work, by callgrind.
fn instructions(name: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"])
        .args([env!("CARGO_BIN_EXE_linger_mem"), "gated", name])
        .output()
        .expect("valgrind is there: apt-get install valgrind");
    let text = String::from_utf8_lossy(&output.stderr);
    let counted = text.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    counted.unwrap_or_else(|| panic!("{name}: {text}"))
}

/// smoltcp #934: everything was looked through for every segment.
#[test]
fn segment_of_a_busy_connection_costs_the_same_beside_forty_thousand_idle_ones() {
    let (alone, beside) = (instructions("segment"), instructions("segment_next_to_40k"));
    assert!(alone > 100_000, "something was counted: {alone}");
    assert!(beside <= alone + alone / 50, "{beside} instructions beside 40,000 idle ones, {alone} alone");
}
