//! `linger serve` with the kernel as its client, each test in a network namespace of its own.
#![cfg(target_os = "linux")]

mod support;

use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGTERM};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{
    NOBODY, Scratch, Serving, as_nobody, ask, connect, finish, in_fresh_network, interfaces, ip, linger, run,
    send_signal,
};

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
fn sigterm_and_sighup_close_in_order_as_ctrl_c_does() {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        in_fresh_network(|| {
            let site = site();
            let serving = Serving::start(&[&site.at("")]);
            assert!(ask("10.7.0.2:80", "GET / HTTP/1.0\r\n\r\n").contains("200 OK"));
            let mut idle = connect("10.7.0.2:80");
            idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("writable");
            let mut answer = Vec::new();
            while !answer.ends_with(b"<h1>index</h1>") {
                let mut octet = [0];
                idle.read_exact(&mut octet).expect("readable");
                answer.push(octet[0]);
            }
            serving.signal(signal);
            let mut rest = Vec::new();
            idle.read_to_end(&mut rest).expect("an orderly close, not a reset");
            drop(idle);
            let ended = serving.finish();
            assert_eq!(ended.status, 0, "{signal}: {ended:?}");
            assert!(ended.stderr.contains("2 TIME-WAITs abandoned before their 60s"), "{signal}: {ended:?}");
        });
    }
}

#[test]
fn hangup_that_nohup_ignores_does_not_stop_the_server() {
    in_fresh_network(|| {
        let site = site();
        let mut nohup = std::process::Command::new("nohup");
        nohup.arg(env!("CARGO_BIN_EXE_linger")).args(["serve", &site.at("")]);
        let nohup = nohup.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let serving = Serving::of(nohup.spawn().expect("nohup starts"));
        serving.signal(SIGHUP);
        assert!(ask("10.7.0.2:80", "GET / HTTP/1.0\r\n\r\n").contains("200 OK"));
        serving.signal(SIGTERM);
        assert_eq!(serving.finish().status, 0);
    });
}

#[test]
fn wait_time_wait_waits_for_the_last_time_wait_and_says_so() {
    in_fresh_network(|| {
        let site = site();
        let serving = Serving::start(&[&site.at(""), "--wait-time-wait", "--msl", "1"]);
        assert!(ask("10.7.0.2:80", "GET / HTTP/1.0\r\n\r\n").contains("200 OK"));
        serving.signal(SIGINT);
        let began = Instant::now();
        let ended = serving.finish();
        assert_eq!(ended.status, 0, "{ended:?}");
        // The lifetimes are those of the kernel's clock: here time must really pass.
        assert!(began.elapsed() > Duration::from_millis(1_500), "{:?}", began.elapsed());
        assert!(
            ended.stderr.contains("waiting for 1 TIME-WAIT, 2 s to go (Ctrl-C ends at once)"),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("no TIME-WAIT abandoned"), "{ended:?}");
    });
}

#[test]
fn wait_time_wait_does_not_end_in_a_time_wait_that_it_abandons() {
    in_fresh_network(|| {
        let site = site();
        let serving = Serving::start(&[&site.at(""), "--wait-time-wait", "--msl", "1"]);
        // Neither asks again nor closes.
        let mut idle = connect("10.7.0.2:80");
        idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("writable");
        idle.read_exact(&mut [0; 1]).expect("readable");
        serving.signal(SIGINT);
        let began = Instant::now();
        let ended = serving.finish();
        // Ten seconds for the close. What closed in the next ten would end in a TIME-WAIT that nobody waits for.
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        assert_eq!(ended.status, 0, "{ended:?}");
        assert!(ended.stderr.contains("1 connection did not close in time and was reset"), "{ended:?}");
        assert!(ended.stderr.contains("no TIME-WAIT abandoned"), "{ended:?}");
        let told = idle.read_to_end(&mut Vec::new()).and_then(|_| idle.write_all(b"x"));
        assert!(told.is_err(), "by an RST");
    });
}

#[test]
fn second_ctrl_c_ends_the_wait_for_time_waits() {
    in_fresh_network(|| {
        let site = site();
        let mut serve = linger(&["serve", &site.at(""), "--wait-time-wait"]);
        let mut child = serve.spawn().expect("linger starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let serving = Serving::of(child);
        assert!(ask("10.7.0.2:80", "GET / HTTP/1.0\r\n\r\n").contains("200 OK"));
        serving.signal(SIGINT);
        let mut line = String::new();
        while !line.contains("waiting for 1 TIME-WAIT") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).expect("readable"), 0, "it ended too early");
        }
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
        send_signal(child.id(), SIGINT);
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
        assert_eq!(interfaces(), ["lo", "linger5"]);
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
        ip("link delete linger0");
        let ended = serving.finish();
        assert!(ended.status == 1 && ended.stderr.contains("the link linger0 failed"), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    });
}

#[test]
fn user_without_permission_is_told_what_to_do() {
    for (mode, what) in [
        (0o600, "cannot open /dev/net/tun: permission denied; run as root, or `chmod 666 /dev/net/tun`"),
        (0o666, "needs CAP_NET_ADMIN, or prepare it: ip tuntap add linger0 mode tun user $USER"),
    ] {
        for arguments in [&["serve", "/"][..], &["fetch", "http://10.7.1.1/"]] {
            let ended =
                as_nobody(mode, |command| finish(command.args(arguments).spawn().expect("linger starts")));
            ended.assert_mistake(2, what);
        }
    }
}

#[test]
fn user_of_a_prepared_device_needs_no_permission_and_leaves_it_as_it_was() {
    as_nobody(0o666, |command| {
        ip(&format!("tuntap add linger7 mode tun user {NOBODY}"));
        ip("address add 10.7.0.1/24 dev linger7");
        ip("link set linger7 up");
        let site = site();
        let serve = command.args(["serve", &site.at(""), "--tun", "linger7"]);
        let serving = Serving::of(serve.spawn().expect("linger starts"));
        assert!(serving.greeting.contains("through linger7 at http://10.7.0.2/ ("), "{}", serving.greeting);
        assert!(ask("10.7.0.2:80", "GET / HTTP/1.0\r\n\r\n").contains("200 OK"));
        serving.signal(SIGINT);
        assert_eq!(serving.finish().status, 0);
        assert_eq!(interfaces(), ["lo", "linger7"]);
        ip("tuntap delete linger7 mode tun");
    });
}

#[test]
fn machine_without_ipv6_is_served_over_ipv4() {
    in_fresh_network(|| {
        // These files show the network of whoever opens them.
        std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").expect("writable");
        let site = site();
        let serving = Serving::start(&[&site.at("")]);
        assert!(serving.greeting.contains(" at http://10.7.0.2/ ("), "{}", serving.greeting);
        assert!(ask("10.7.0.2:80", "GET / HTTP/1.0\r\n\r\n").contains("200 OK"));
        serving.signal(SIGINT);
        assert_eq!(serving.finish().status, 0);
        run(&["serve", &site.at(""), "--address", "fd07::2/64"])
            .assert_mistake(2, "cannot give an address to");
    });
}
