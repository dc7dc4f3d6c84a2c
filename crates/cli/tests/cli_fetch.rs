//! `linger fetch` from servers on kernel sockets, each test in a network namespace of its own.
#![cfg(target_os = "linux")]

mod support;

use nix::sys::signal::Signal::SIGINT;
use std::sync::mpsc;
use support::{Scratch, Serving, finish, in_fresh_network, ip, kernel_server, linger, run, send_signal};

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The address of the kernel's end where fetch chooses the network.
fn url(port: u16, path: &str) -> String {
    format!("http://10.7.1.1:{port}{path}")
}

#[test]
fn page_goes_to_stdout_and_nothing_else_is_said() {
    in_fresh_network(|| {
        let port = kernel_server(|request| {
            assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
            assert!(request.to_lowercase().contains("host: 10.7.1.1:"), "{request}");
            ok("hello")
        });
        let ended = run(&["fetch", &url(port, "/a?b=c#d")]);
        assert_eq!((ended.status, ended.stdout.as_str(), ended.stderr.as_str()), (0, "hello", ""));
    });
}

#[test]
fn page_goes_to_a_file_over_ipv6_and_an_impaired_link() {
    in_fresh_network(|| {
        let body = "0123456789".repeat(100_000);
        let answer = ok(&body);
        let port = kernel_server(move |_| answer.clone());
        let scratch = Scratch::new();
        let page = scratch.at("page");
        let url = format!("http://[fd09::1]:{port}/");
        let ended = run(&[
            "fetch",
            &url,
            "-o",
            &page,
            "--address",
            "fd09::2/64",
            "--loss",
            "2%",
            "--reorder",
            "5%",
            "--seed",
            "3",
        ]);
        assert_eq!((ended.status, ended.stdout.as_str()), (0, ""), "{ended:?}");
        assert!(ended.stderr.contains("976.6 KiB in "), "{ended:?}");
        assert!(std::fs::read_to_string(&page).expect("a page") == body);
        assert_eq!(scratch.names(), ["page"]);
    });
}

#[test]
fn redirects_are_followed_to_the_page() {
    in_fresh_network(|| {
        let port = kernel_server(|request| match request.split(' ').nth(1) {
            Some("/dir/old") => "HTTP/1.1 302 Found\r\nLocation: ../new\r\nContent-Length: 0\r\n\r\n".into(),
            Some("/new") => ok("moved here"),
            other => panic!("{other:?}"),
        });
        let ended = run(&["fetch", &url(port, "/dir/old")]);
        assert_eq!((ended.status, ended.stdout.as_str()), (0, "moved here"), "{ended:?}");
    });
}

#[test]
fn redirects_that_lead_nowhere_end() {
    in_fresh_network(|| {
        let port = kernel_server(|request| {
            let to = match request.split(' ').nth(1) {
                Some("/tls") => "Location: https://10.7.1.1/\r\n",
                Some("/silent") => "",
                _ => "Location: /again\r\n",
            };
            format!("HTTP/1.1 301 Moved Permanently\r\n{to}Content-Length: 0\r\n\r\n")
        });
        run(&["fetch", &url(port, "/")]).assert_mistake(1, "more than 10 redirects");
        run(&["fetch", &url(port, "/"), "--max-redirects", "0"]).assert_mistake(1, "more than 0 redirects");
        run(&["fetch", &url(port, "/tls")]).assert_mistake(2, "no TLS");
        run(&["fetch", &url(port, "/silent")]).assert_mistake(1, "but not where to");
    });
}

#[test]
fn every_failure_is_one_line_and_leaves_neither_file_nor_device() {
    in_fresh_network(|| {
        let scratch = Scratch::new();
        let old = scratch.file("page", "old");
        let missing = kernel_server(|_| "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into());
        let short = kernel_server(|_| "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this".into());
        let garbage = kernel_server(|_| "220 ftp.test ready\r\n".into());
        let silent = kernel_server(|_| String::new());
        let long = &["--connect-timeout", "300ms", "--loss", "100%", "--seed", "1"][..];
        for (url, more, what) in [
            (url(missing, "/x"), &[][..], "the server answered 404 Not Found"),
            (url(short, "/"), &[], "broke off after 9 B"),
            (url(garbage, "/"), &[], "no HTTP answer from"),
            (url(silent, "/"), &[], "no HTTP answer from"),
            (url(1, "/"), &[], "connection refused"),
            ("http://192.0.2.1/".into(), &[], "cannot reach 192.0.2.1"),
            ("http://nowhere.invalid/".into(), &[], "cannot resolve 'nowhere.invalid'"),
        ] {
            run(&[&["fetch", &url, "-o", &old], more].concat()).assert_mistake(1, what);
        }
        let ended = run(&[&["fetch", &url(missing, "/"), "-o", &old], long].concat());
        assert_eq!(ended.status, 1, "{ended:?}");
        assert!(ended.stderr.contains("no answer; a firewall"), "{ended:?}");
        assert_eq!(std::fs::read_to_string(&old).expect("the old page"), "old");
        assert_eq!(scratch.names(), ["page"]);
    });
}

#[test]
fn destination_beyond_this_machine_needs_forwarding_and_is_told_so() {
    in_fresh_network(|| {
        ip("link add veth0 type veth peer name veth1");
        ip("address add 192.0.2.1/24 dev veth0");
        ip("link set veth0 up");
        run(&["fetch", "http://192.0.2.7/"]).assert_mistake(1, "net.ipv4.ip_forward=1");
        ip("link delete veth0");
    });
}

#[test]
fn linger_fetches_from_linger_where_the_kernel_forwards() {
    in_fresh_network(|| {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("writable");
        let site = Scratch::new();
        let body = "0123456789".repeat(1_000_000);
        site.file("big", &body);
        let serving = Serving::start(&[&site.at("")]);
        let ended = run(&["fetch", "http://10.7.0.2/big", "-o", &site.at("copy")]);
        assert_eq!(ended.status, 0, "{ended:?}");
        assert!(std::fs::read_to_string(site.at("copy")).expect("a copy") == body);
        serving.signal(SIGINT);
        let ended = serving.finish();
        assert!(ended.stdout.contains("GET /big 200 10000000 "), "{ended:?}");
    });
}

#[test]
fn ctrl_c_leaves_nothing_half_written() {
    in_fresh_network(|| {
        let (asked, told) = mpsc::channel();
        let (hold, held) = mpsc::channel::<()>();
        let port = kernel_server(move |_| {
            asked.send(()).expect("the test waits");
            // Held open until the test has seen the end.
            let _ = held.recv();
            String::new()
        });
        let scratch = Scratch::new();
        let child = linger(&["fetch", &url(port, "/"), "-o", &scratch.at("page")]).spawn().expect("starts");
        told.recv().expect("a request");
        send_signal(child.id(), SIGINT);
        finish(child).assert_mistake(130, "interrupted");
        drop(hold);
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    });
}

#[test]
fn two_fetches_at_once_choose_different_networks() {
    in_fresh_network(|| {
        let port = kernel_server(|_| ok("x"));
        let (asked, told) = mpsc::channel();
        let (hold, held) = mpsc::channel::<()>();
        let slow = kernel_server(move |_| {
            asked.send(()).expect("the test waits");
            let _ = held.recv();
            ok("slow")
        });
        let first = linger(&["fetch", &url(slow, "/")]).spawn().expect("starts");
        told.recv().expect("a request");
        let second = run(&["fetch", &format!("http://10.7.2.1:{port}/")]);
        assert_eq!((second.status, second.stdout.as_str()), (0, "x"), "{second:?}");
        drop(hold);
        let first = finish(first);
        assert_eq!((first.status, first.stdout.as_str()), (0, "slow"), "{first:?}");
    });
}
