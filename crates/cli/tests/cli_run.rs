//! `linger run`: exit statuses, what the command sees of the network, and what is told afterwards.
#![cfg(target_os = "linux")]

mod support;

use nix::sys::signal::Signal::{SIGINT, SIGTERM};
use std::io::{BufRead, BufReader};
use support::{Ended, Scratch, as_nobody, finish, in_fresh_network, linger, run, send_signal};

/// Runs a shell script in the namespace.
fn script(options: &[&str], script: &str) -> Ended {
    run(&[&["run"], options, &["--", "sh", "-c", script]].concat())
}

#[test]
fn exit_status_is_that_of_the_command() {
    in_fresh_network(|| {
        assert_eq!(script(&[], "exit 0").status, 0);
        assert_eq!(script(&[], "exit 7").status, 7);
        assert_eq!(script(&[], "kill -9 $$").status, 137);
        run(&["run", "--", "no-such-command"]).assert_mistake(127, "no-such-command: command not found");
        run(&["run", "--", "/etc/passwd"]).assert_mistake(126, "cannot be executed");
    });
}

#[test]
fn command_has_its_own_options_and_streams() {
    in_fresh_network(|| {
        let ended = run(&["run", "-q", "--", "echo", "--loss", "-q", "--help"]);
        assert_eq!(
            (ended.status, ended.stdout.as_str(), ended.stderr.as_str()),
            (0, "--loss -q --help\n", "")
        );
    });
}

#[test]
fn only_linger_is_reachable_by_address_and_by_name() {
    in_fresh_network(|| {
        let before = std::fs::read("/etc/hosts").expect("a hosts file");
        let scratch = Scratch::new();
        let script = "curl -sS http://10.7.0.2/ && curl -sS -g 'http://[fd07::2]/' && curl -sS -4 http://linger.test/ && \
             curl -sS -6 http://linger.test/ && { curl -sS http://10.7.0.2:81/; echo $?; } && \
             { curl -sS http://10.7.0.9/; echo $?; } && { curl -sS http://192.0.2.1/; echo $?; }";
        let mut command = linger(&["run", "--", "sh", "-c", script]);
        let ended = finish(command.env("TMPDIR", scratch.at("")).spawn().expect("starts"));
        assert_eq!(ended.status, 0, "{ended:?}");
        assert_eq!(ended.stdout.matches("<title>linger</title>").count(), 4, "{ended:?}");
        // curl cannot connect: a refusal, and two addresses without a way, none of them after a timeout.
        assert!(ended.stdout.ends_with("7\n7\n7\n"), "{ended:?}");
        assert!(ended.stderr.contains("10.7.0.2:81 was tried once, and nothing listens there"), "{ended:?}");
        assert_eq!(std::fs::read("/etc/hosts").expect("a hosts file"), before);
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    });
}

#[test]
fn each_connection_is_told_in_one_line() {
    in_fresh_network(|| {
        let scratch = Scratch::new();
        scratch.file("file", vec![b'x'; 3000]);
        let ended = script(
            &["--serve", &scratch.at("")],
            "for i in 1 2; do curl -sSo /dev/null http://10.7.0.2/file; done",
        );
        assert_eq!((ended.status, ended.stdout.as_str()), (0, ""), "{ended:?}");
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{ended:?}");
        for line in lines {
            assert!(line.starts_with("linger: 10.7.0.1:") && line.contains(" -> 10.7.0.2:80: "), "{line}");
            assert!(
                line.contains(" B in, 3.1 KiB out, ") && line.contains("; peer closed first; "),
                "{line}"
            );
            let mut rest = line;
            for state in ["SYN-RECEIVED ", ", ESTABLISHED ", ", CLOSE-WAIT ", ", LAST-ACK "] {
                rest = rest.split_once(state).unwrap_or_else(|| panic!("no {state} in {line}")).1;
            }
        }
    });
}

#[test]
fn server_that_closes_first_is_seen_in_time_wait() {
    in_fresh_network(|| {
        let ended = script(&[], "curl -sSo /dev/null -H 'Connection: close' http://10.7.0.2/");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(ended.stderr.contains("; linger closed first; "), "{ended:?}");
        assert!(
            ended.stderr.contains(", FIN-WAIT-2 ") || ended.stderr.contains(", FIN-WAIT-1 "),
            "{ended:?}"
        );
        assert!(ended.stderr.contains(", TIME-WAIT "), "{ended:?}");
    });
}

#[test]
fn delayed_and_captured_link_shows_its_delay() {
    in_fresh_network(|| {
        let scratch = Scratch::new();
        let capture = scratch.at("out.pcapng");
        let began = std::time::Instant::now();
        let ended = script(
            &["--delay", "50ms", "--rate", "10mbit", "--seed", "11", "--pcap", &capture],
            "curl -sSo /dev/null http://10.7.0.2/",
        );
        assert_eq!(ended.status, 0, "{ended:?}");
        // The handshake and the request take two round trips of 100 ms.
        assert!(began.elapsed().as_millis() >= 200, "{:?}", began.elapsed());
        assert!(ended.stderr.contains("--seed 11"), "{ended:?}");
        assert!(std::fs::read(&capture).expect("a capture").starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]));
    });
}

#[test]
fn signals_are_passed_on_and_the_command_is_waited_for() {
    in_fresh_network(|| {
        for (signal, word) in [(SIGTERM, "term"), (SIGINT, "int")] {
            let trap =
                format!("trap 'echo caught {word}; exit 5' {word}; echo ready; while :; do sleep 0.05; done");
            let mut child = linger(&["run", "--", "sh", "-c", &trap]).spawn().expect("starts");
            let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
            let mut line = String::new();
            stdout.read_line(&mut line).expect("readable");
            assert_eq!(line, "ready\n");
            send_signal(child.id(), signal);
            assert_eq!(finish(child).status, 5, "{word}");
            line.clear();
            stdout.read_line(&mut line).expect("readable");
            assert_eq!(line, format!("caught {word}\n"));
        }
        let child =
            linger(&["run", "--", "sh", "-c", "kill -s TERM $PPID; exec sleep 20"]).spawn().expect("starts");
        assert_eq!(finish(child).status, 143);
    });
}

#[test]
fn ordinary_user_keeps_the_own_name_and_has_no_capability() {
    let ended = as_nobody(0o666, |command| {
        let script = "id -u; grep CapEff /proc/self/status; curl -sS http://linger.test/";
        finish(command.args(["run", "--", "sh", "-c", script]).spawn().expect("starts"))
    });
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(ended.stdout.starts_with("65534\nCapEff:\t0000000000000000\n"), "{ended:?}");
    assert!(ended.stdout.contains("<title>linger</title>"), "{ended:?}");
}

#[test]
fn ordinary_user_without_the_device_is_told_what_to_do() {
    let ended =
        as_nobody(0o600, |command| finish(command.args(["run", "--", "true"]).spawn().expect("starts")));
    ended.assert_mistake(
        2,
        "cannot open /dev/net/tun: permission denied; run as root, or `chmod 666 /dev/net/tun`",
    );
}
