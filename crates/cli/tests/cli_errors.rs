//! Mistakes that are found before anything is touched: one clear line, exit status 2, nothing left behind.
#![cfg(target_os = "linux")]

mod support;

use support::{Scratch, run};

#[test]
fn without_arguments_the_help_is_shown() {
    let ended = run(&[]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    for command in ["tour", "serve", "fetch", "run"] {
        assert!(ended.stdout.contains(&format!("\n  {command} ")), "{}", ended.stdout);
    }
}

#[test]
fn version_and_help_go_to_stdout() {
    let ended = run(&["--version"]);
    assert_eq!(ended.stdout, concat!("linger ", env!("CARGO_PKG_VERSION"), "\n"));
    for command in ["serve", "fetch", "run"] {
        let ended = run(&["help", command]);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
        assert!(ended.stdout.contains("Examples:") && ended.stdout.contains("Exit status:"), "{command}");
    }
}

#[test]
fn wrong_arguments_are_told_in_one_line() {
    let scratch = Scratch::new();
    let dir = scratch.at("");
    for (arguments, what) in [
        (&["sevre"][..], "unrecognized subcommand 'sevre'"),
        (&["serve"], "<DIR>"),
        (&["serve", &dir, "--port", "0"], "--port"),
        (&["serve", &dir, "--port", "http"], "--port"),
        (&["serve", &dir, "--nonsense"], "--nonsense"),
        (&["serve", &dir, "--loss", "1"], "1% or 100%"),
        (&["serve", &dir, "--delay", "20"], "such as 20ms"),
        (&["serve", &dir, "--rate", "100mbps"], "such as 100mbit"),
        (&["serve", &dir, "--msl", "soon"], "--msl"),
        (&["serve", &dir, "--msl", "241h"], "more than ten days"),
        (&["serve", &dir, "--address", "10.7.0.2"], "no prefix length"),
        (&["serve", &dir, "--address", "10.7.0.2/32"], "no address for the kernel's end"),
        (&["serve", &dir, "--tun", "a name with spaces"], "cannot name an interface"),
        (&["fetch"], "<URL>"),
        (&["fetch", "http://"], "is not a URL"),
        (&["fetch", "https://10.7.1.1/"], "no TLS"),
        (&["fetch", "gopher://10.7.1.1/"], "'gopher' is not supported"),
        (&["fetch", "http://localhost/"], "use the kernel's end"),
        (&["fetch", "http://[::1]:8000/"], "use the kernel's end"),
        (&["run"], "<COMMAND>"),
        (&["run", "--seed", "x", "--", "true"], "--seed"),
    ] {
        run(arguments).assert_mistake(2, what);
    }
}

#[test]
fn paths_that_cannot_be_used_are_told_in_one_line() {
    let scratch = Scratch::new();
    let (dir, file, nothing) = (scratch.at(""), scratch.file("file", "x"), scratch.at("nothing"));
    let below = scratch.at("nothing/page");
    for (arguments, what) in [
        (&["serve", &nothing][..], "there is no directory"),
        (&["serve", &file], "is not a directory"),
        (&["run", "--serve", &nothing, "--", "true"], "there is no directory"),
        (&["serve", &dir, "--pcap", &below], "cannot write the capture"),
        (&["run", "--pcap", &below, "--", "true"], "cannot write the capture"),
        (&["fetch", "http://10.7.1.1/", "-o", &dir], "is a directory"),
        (&["fetch", "http://10.7.1.1/", "-o", &below], "no directory"),
    ] {
        run(arguments).assert_mistake(2, what);
    }
    assert_eq!(scratch.names(), ["file"]);
}

#[test]
fn capture_that_never_begins_leaves_the_file_as_it_was() {
    let scratch = Scratch::new();
    let (dir, old, new) = (scratch.at(""), scratch.file("old", "an older capture"), scratch.at("new"));
    for capture in [&old, &new] {
        // Nobody can make a TUN of that name.
        run(&["serve", &dir, "--tun", "lo", "--pcap", capture]).assert_mistake(2, "lo");
    }
    assert_eq!(scratch.names(), ["old"]);
    assert_eq!(std::fs::read_to_string(&old).expect("it is there"), "an older capture");
}
