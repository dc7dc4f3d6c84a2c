//! `linger serve` and its clients.

use crate::{BAD_LINK, GIB, KIB, MIB, curl_sum, serve};
use interop::capture::{Capture, FIN_OR_RST, resets_of_open_connections};
use interop::content::Folder;
use interop::stack::INTERFACE;
use interop::{LINGER, Namespace, Running, kernel, url, wait};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

#[test]
fn curl_fetches_1_kib_and_1_gib_over_both_families() {
    let (namespace, folder) = (Namespace::new(), Folder::new());
    let files = [("small", KIB), ("big", GIB)]
        .map(|(name, length)| (name, length, folder.fill(name, length, length)));
    let server = serve(&namespace, &folder, &[]);
    for (name, length, sum) in files {
        for address in LINGER {
            assert_eq!(
                curl_sum(&namespace, &url(address, 80, name)),
                (sum.clone(), length),
                "{name} of {address}"
            );
        }
    }
    server.interrupt();
    server.succeed(Duration::from_secs(20));
}

#[test]
fn curl_fetches_32_mib_intact_over_a_bad_link_and_nobody_resets() {
    let (namespace, folder) = (Namespace::new(), Folder::new());
    let sum = folder.fill("file", 32 * MIB, 1);
    let _server = serve(&namespace, &folder, &BAD_LINK);
    let capture = Capture::start(&namespace, INTERFACE, FIN_OR_RST);
    for address in LINGER {
        assert_eq!(curl_sum(&namespace, &url(address, 80, "file")), (sum.clone(), 32 * MIB), "{address}");
    }
    assert_eq!(resets_of_open_connections(&capture.stop()), []);
}

#[test]
fn serve_leaves_no_interface_behind() {
    let (namespace, folder) = (Namespace::new(), Folder::new());
    folder.write("index.html", "hello");
    let server = serve(&namespace, &folder, &[]);
    let (_, length) = curl_sum(&namespace, &url(LINGER[0], 80, ""));
    assert_eq!(length, 5);
    server.interrupt();
    server.succeed(Duration::from_secs(20));
    let links = namespace.enter(|| std::fs::read_to_string("/proc/thread-self/net/dev")).expect("readable");
    assert!(!links.contains(INTERFACE), "{links}");
}

/// A page whose title counts the scripts that ran.
fn page_with_scripts(folder: &Folder, scripts: usize) -> Vec<String> {
    let names: Vec<String> = (0..scripts).map(|n| format!("part-{n:02}.js")).collect();
    let tags: String = names.iter().map(|name| format!("<script src=\"{name}\"></script>\n")).collect();
    folder
        .write("index.html", format!("<!doctype html><title>none</title><script>var n = 0</script>\n{tags}"));
    for name in &names {
        folder.write(name, "n += 1; document.title = n + \" parts arrived\";\n");
    }
    names
}

#[test]
fn chromium_loads_a_page_with_30_sub_resources() {
    interop::require("chromium");
    let (namespace, folder, profile) = (Namespace::new(), Folder::new(), Folder::new());
    let names = page_with_scripts(&folder, 30);
    let server = serve(&namespace, &folder, &[]);
    let data = format!("--user-data-dir={}", profile.path().display());
    let page = url(LINGER[1], 80, "");
    let flags = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
                 --disable-background-networking --disable-component-update --disable-sync --dump-dom";
    let arguments: Vec<&str> = flags.split_whitespace().chain([data.as_str(), page.as_str()]).collect();
    let document = namespace.spawn("chromium", &arguments).succeed(Duration::from_secs(60));
    assert!(document.contains("<title>30 parts arrived</title>"), "{document}");
    let log = server.output();
    let missing: Vec<&String> = names.iter().filter(|name| !log.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "not requested: {missing:?}\n{log}");
}

/// System calls of `server` in ten seconds, as strace shows them.
fn system_calls(namespace: &Namespace, server: &Running) -> Vec<String> {
    let trace = Folder::new();
    let file = trace.file("calls");
    let pid = server.pid().to_string();
    let strace = namespace.spawn("strace", &["-f", "-q", "-o", &file, "-p", &pid]);
    wait::until("strace to attach", Duration::from_secs(10), || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
    });
    wait::pass(Duration::from_secs(10));
    strace.interrupt();
    let status = strace.finish(Duration::from_secs(10));
    let calls = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {status:?}"));
    // A call that was under way when strace came, and one that is when it goes, are no calls of these ten seconds.
    let whole = |line: &&str| !line.contains("<detached") && !line.contains("resumed");
    calls.lines().filter(whole).map(str::to_owned).collect()
}

/// A request on a connection that stays open.
fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: linger\r\n\r\n").expect("the request leaves");
    let mut reply = Vec::new();
    let mut block = [0; 1024];
    while !reply.ends_with(b"idle page") {
        let octets = stream.read(&mut block).expect("the reply comes");
        assert!(octets > 0, "closed after {:?}", String::from_utf8_lossy(&reply));
        reply.extend_from_slice(&block[..octets]);
    }
    assert!(reply.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&reply));
}

#[test]
fn serve_is_silent_with_0_and_with_1000_idle_connections() {
    interop::require("strace");
    let (namespace, folder) = (Namespace::new(), Folder::new());
    folder.write("index.html", "idle page");
    let server = serve(&namespace, &folder, &[]);
    wait::pass(Duration::from_secs(1));
    let idle = system_calls(&namespace, &server);
    assert!(idle.len() <= 5, "without a connection, in ten seconds: {idle:#?}");
    let address = SocketAddr::new(LINGER[0], 80);
    let mut streams: Vec<TcpStream> =
        (0..1000).map(|_| kernel::connect(&namespace, address).expect("it connects")).collect();
    streams.iter_mut().for_each(ask);
    // Delayed acknowledgments and retransmission timers have had their turn by then.
    wait::pass(Duration::from_secs(2));
    let busy = system_calls(&namespace, &server);
    assert!(busy.len() <= 5, "beside 1,000 idle connections, in ten seconds: {busy:#?}");
    streams.iter_mut().for_each(ask);
}
