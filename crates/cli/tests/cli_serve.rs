//! `linger serve` with the kernel as its client, each test in a network namespace of its own.
#![cfg(target_os = "linux")]

mod support;

use nix::sys::signal::Signal::{SIGINT, SIGTERM};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use support::{Scratch, Serving, ask, connect, finish, in_fresh_network, linger, run};

/// The user `nobody`, who may do nothing.
const NOBODY: u32 = 65_534;

fn site() -> Scratch {
    let scratch = Scratch::new();
    scratch.file("index.html", "<h1>index</h1>");
    scratch.file("big", vec![b'x'; 8 << 20]);
    scratch
}

#[test]
fn files_are_served_and_logged_on_both_families_until_ctrl_c() {
    in_fresh_network(|| {
        let site = site();
        let serving = Serving::start(&[&site.at("")]);
        assert!(serving.greeting.contains("http://10.7.0.2/ and http://[fd07::2]/"), "{}", serving.greeting);
        for server in ["10.7.0.2:80", "[fd07::2]:80"] {
            let answer = ask(server, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.ends_with("\r\n\r\n<h1>index</h1>"), "{answer}");
        }
        let part = ask(
            "10.7.0.2:80",
            "GET /big HTTP/1.1\r\nHost: x\r\nRange: bytes=5-9\r\nConnection: close\r\n\r\n",
        );
        assert!(part.starts_with("HTTP/1.1 206 ") && part.ends_with("\r\n\r\nxxxxx"), "{part}");
        serving.signal(SIGINT);
        let ended = serving.finish();
        assert_eq!(ended.status, 0, "{ended:?}");
        // This side closed first each time, and the default lifetime is far from over.
        assert!(ended.stderr.contains("3 TIME-WAITs abandoned"), "{ended:?}");
        let lines: Vec<_> = ended.stdout.lines().collect();
        assert_eq!(lines.len(), 3, "{ended:?}");
        assert!(lines[0].starts_with("10.7.0.1:") && lines[0].contains(" GET / 200 14 "), "{ended:?}");
        assert!(lines[1].starts_with("[fd07::1]:"), "{ended:?}");
        assert!(lines[2].contains(" GET /big 206 5 "), "{ended:?}");
    });
}

#[test]
fn keep_alive_connection_carries_several_requests_and_is_closed_in_order_by_sigterm() {
    in_fresh_network(|| {
        let site = site();
        let serving = Serving::start(&[&site.at(""), "--quiet", "--msl", "0"]);
        let mut stream = connect("10.7.0.2:80");
        for _ in 0..3 {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("writable");
            let mut answer = Vec::new();
            while !answer.ends_with(b"<h1>index</h1>") {
                let mut piece = [0; 1024];
                let n = stream.read(&mut piece).expect("readable");
                assert_ne!(n, 0, "closed too early");
                answer.extend_from_slice(&piece[..n]);
            }
        }
        serving.signal(SIGTERM);
        let mut rest = Vec::new();
        // The end of the stream, not a reset.
        stream.read_to_end(&mut rest).expect("an orderly close");
        assert!(rest.is_empty());
        drop(stream);
        let ended = serving.finish();
        assert_eq!((ended.status, ended.stdout.as_str()), (0, ""), "{ended:?}");
        assert!(ended.stderr.contains("closing 1 connection "), "{ended:?}");
        assert!(ended.stderr.contains("no TIME-WAIT abandoned"), "{ended:?}");
    });
}

#[test]
fn answer_under_way_is_finished_after_ctrl_c() {
    in_fresh_network(|| {
        let site = site();
        let serving = Serving::start(&[&site.at("")]);
        let mut stream = connect("10.7.0.2:80");
        stream.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").expect("writable");
        let mut first = [0; 1];
        stream.read_exact(&mut first).expect("readable");
        serving.signal(SIGINT);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("an orderly close");
        let body = rest.len() - rest.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") - 4;
        assert_eq!(body, 8 << 20);
        drop(stream);
        assert_eq!(serving.finish().status, 0);
    });
}

#[test]
fn second_ctrl_c_ends_at_once() {
    in_fresh_network(|| {
        let site = site();
        let serving = Serving::start(&[&site.at("")]);
        // A client that asks for much and reads nothing keeps the first Ctrl-C waiting.
        let mut stream = connect("10.7.0.2:80");
        stream.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").expect("writable");
        stream.read_exact(&mut [0; 1]).expect("readable");
        serving.signal(SIGINT);
        // The listener is gone once the first has been noticed.
        while std::net::TcpStream::connect("10.7.0.2:80").is_ok() {}
        serving.signal(SIGINT);
        assert_eq!(serving.finish().status, 130);
    });
}

#[test]
fn half_closed_client_still_gets_the_whole_answer() {
    in_fresh_network(|| {
        let site = site();
        let _serving = Serving::start(&[&site.at("")]);
        let mut stream = connect("10.7.0.2:80");
        stream.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").expect("writable");
        stream.shutdown(std::net::Shutdown::Write).expect("half-closed");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("readable");
        assert!(answer.len() > 8 << 20, "{}", answer.len());
        drop(stream);
    });
}

#[test]
fn reader_of_the_log_that_goes_away_does_not_stop_the_server() {
    in_fresh_network(|| {
        let site = site();
        let mut child = linger(&["serve", &site.at("")]).spawn().expect("linger starts");
        let mut greeting = [0; 8];
        child.stdout.take().expect("a pipe").read_exact(&mut greeting).expect("readable");
        for _ in 0..3 {
            let answer = ask("10.7.0.2:80", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        }
        support::send_signal(child.id(), SIGINT);
        assert_eq!(finish(child).status, 0);
    });
}

#[test]
fn impaired_link_delivers_what_was_asked_for_and_names_its_seed() {
    in_fresh_network(|| {
        let site = site();
        let capture = site.at("lossy.pcapng");
        let serving = Serving::start(&[
            &site.at(""),
            "--loss",
            "2%",
            "--duplicate",
            "2%",
            "--reorder",
            "2%",
            "--seed",
            "7",
            "--pcap",
            &capture,
        ]);
        let answer = ask("10.7.0.2:80", "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let body = answer.split_once("\r\n\r\n").expect("a head").1;
        assert!(body.len() == 8 << 20 && body.bytes().all(|octet| octet == b'x'));
        serving.signal(SIGINT);
        let ended = serving.finish();
        assert!(ended.status == 0 && ended.stderr.contains("--seed 7"), "{ended:?}");
        // Nearly six thousand segments of the answer, each with its comment.
        let octets = std::fs::read(&capture).expect("a capture");
        assert!(octets.len() > 8 << 20 && octets.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]));
    });
}

#[test]
fn name_or_address_in_use_is_told_and_nothing_is_left_behind() {
    in_fresh_network(|| {
        let site = site();
        let serving = Serving::start(&[&site.at(""), "--tun", "linger5"]);
        run(&["serve", &site.at(""), "--tun", "linger5", "--address", "10.8.0.2/24"])
            .assert_mistake(2, "the interface linger5 is in use by another process");
        run(&["serve", &site.at("")])
            .assert_mistake(2, "address in use: 10.7.0.0/24 belongs to interface linger5");
        assert_eq!(support::interfaces(), ["lo", "linger5"]);
        // The first is none the worse for it.
        assert!(ask("10.7.0.2:80", "GET / HTTP/1.0\r\n\r\n").contains("200 OK"));
        serving.signal(SIGINT);
        assert_eq!(serving.finish().status, 0);
    });
}

#[test]
fn two_servers_share_a_machine_when_their_addresses_differ() {
    in_fresh_network(|| {
        let site = site();
        let _first = Serving::start(&[&site.at("")]);
        let second = Serving::start(&[&site.at(""), "--address", "10.8.0.1/30", "--port", "8080"]);
        assert!(second.greeting.contains("through linger1 at http://10.8.0.1:8080/ "), "{}", second.greeting);
        for server in ["10.7.0.2:80", "10.8.0.1:8080"] {
            assert!(ask(server, "GET / HTTP/1.0\r\n\r\n").contains("200 OK"), "{server}");
        }
    });
}

#[test]
fn link_that_is_deleted_under_the_server_ends_it_with_a_word() {
    in_fresh_network(|| {
        let site = site();
        let serving = Serving::start(&[&site.at("")]);
        let deleted = std::process::Command::new("ip").args(["link", "delete", "linger0"]).status();
        assert!(deleted.expect("ip").success());
        let ended = serving.finish();
        assert!(ended.status == 1 && ended.stderr.contains("the link linger0 failed"), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    });
}

#[test]
fn user_without_permission_is_told_what_to_do() {
    in_fresh_network(|| {
        let site = site();
        // The build directory may be closed to others.
        let program = site.at("linger");
        std::fs::copy(env!("CARGO_BIN_EXE_linger"), &program).expect("copied");
        for arguments in [&["serve", &site.at("")][..], &["fetch", "http://10.7.1.1/"]] {
            let mut command = std::process::Command::new(&program);
            command.args(arguments).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            let ended = finish(command.uid(NOBODY).gid(NOBODY).spawn().expect("linger starts"));
            // Which of the two it is depends on who may open /dev/net/tun here.
            let open =
                "cannot open /dev/net/tun: permission denied; run as root, or `chmod 666 /dev/net/tun`";
            let make = "needs CAP_NET_ADMIN, or prepare it: ip tuntap add linger0 mode tun user $USER";
            ended.assert_mistake(2, if ended.stderr.contains("cannot open") { open } else { make });
        }
    });
}
