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
fn wrong_call_is_told_in_one_line_before_the_search() {
    let scratch = Scratch::new();
    let (directory, below) = (scratch.at(""), scratch.at("nothing/file"));
    let (nothing, script) = (scratch.at("nothing.txt"), scratch.file("script", "msl=0\n"));
    for (arguments, what) in [
        (&["--faults", "many"][..], "--faults"),
        (&["--states", "0"], "a number from 1 on is wanted"),
        (&["--depth", "0"], "a number from 1 on is wanted"),
        (&["--jobs", "0"], "a number from 1 on is wanted"),
        (&["--full", "--faults", "1"], "cannot be used with"),
        (&["--msl", "864000001"], "up to ten days"),
        (&["--replay", &nothing], "cannot read the script"),
        (&["--replay", &directory], "cannot read the script"),
        (&["--replay", &script, "--full"], "--replay"),
        (&["--svg", &below], "cannot write the drawing"),
        (&["--svg", &directory], "cannot write the drawing"),
        (&["--scripts", &below], "cannot write scripts"),
        (&["--scripts", &script], "cannot write scripts"),
    ] {
        run(&[&["sim", "explore"], arguments].concat()).assert_mistake(2, what);
    }
    run(&["sim"]).assert_mistake(2, "see 'linger sim --help'");
    assert_eq!(scratch.names(), ["script"]);
}

#[test]
fn script_that_is_none_is_told_with_its_line() {
    let scratch = Scratch::new();
    for (octets, what) in [
        (&b""[..], "the script is empty"),
        (b"# only this\n\n", "the script is empty"),
        (b"msl=0\nconnect\njump 1\n", "line 3: 'jump 1' is no action"),
        (b"msl=0\ntimer soon\n", "line 2: 'timer soon' is no action"),
        (b"msl=0\ndeliver 1 twice\n", "line 2: 'deliver 1 twice' is no action"),
        (b"msl=0\nconnect\ndeliver 0\n", "action 2, 'deliver 0', is not possible there"),
        (b"\n\nfaults=300\n", "line 3: '300' in 'faults=300' is no small number"),
        (b"msl=99999999999\n", "line 1: 'msl=99999999999' is more than ten days"),
        (b"connect\n", "line 1: 'connect' is no key=value"),
        (b"msl=0\n\xff\xfe\n", "it is not text"),
        (&[b'#'; (1 << 20) + 1], "larger than 1 MiB"),
    ] {
        let script = scratch.at("script");
        std::fs::write(&script, octets).expect("scratch");
        run(&["sim", "explore", "--replay", &script]).assert_mistake(2, what);
    }
}

#[test]
fn what_was_found_is_told_although_the_drawing_cannot_be_written() {
    let ended = run(&["sim", "explore", "--states", "150", "--svg", "/dev/full"]);
    assert!(ended.stdout.ends_with("no violation\n"), "{}", ended.stdout);
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains("cannot write the drawing '/dev/full': no space left"), "{}", ended.stderr);
}
