//! `linger sim explore` from outside: what it prints, and its exit status.
#![cfg(target_os = "linux")]

mod support;

use support::{Scratch, run};

#[test]
fn without_time_wait_both_failures_are_found_and_one_of_them_replays() {
    let scratch = Scratch::new();
    let scripts = scratch.at("");
    let ended = run(&["sim", "explore", "--without-time-wait", "--scripts", &scripts]);
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""), "{}", ended.stdout);
    for what in ["an orderly close was turned into an error", "text of another incarnation was delivered"] {
        assert!(ended.stdout.contains(&format!("VIOLATION: {what}")), "{}", ended.stdout);
    }
    let script = scratch.at("text-of-another-incarnation.txt");
    let again = run(&["sim", "explore", "--replay", &script]);
    assert_eq!(again.status, 1);
    assert!(again.stdout.contains("text of another incarnation was delivered"), "{}", again.stdout);
}

#[test]
fn with_time_wait_a_short_search_finds_nothing() {
    let ended = run(&["sim", "explore", "--states", "150"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("no violation\n"), "{}", ended.stdout);
}

#[test]
fn wrong_call_is_status_2() {
    let scratch = Scratch::new();
    for arguments in [
        &["sim", "explore", "--faults", "many"][..],
        &["sim", "explore", "--full", "--faults", "1"],
        &["sim", "explore", "--replay", &scratch.at("nothing.txt")],
        &["sim"],
    ] {
        assert_eq!(run(arguments).status, 2, "{arguments:?}");
    }
}
