//! `linger fetch` from nginx.

use crate::{BAD_LINK, GIB, KIB, MIB, TRANSFER};
use interop::capture::{Capture, FIN_OR_RST, resets_of_open_connections};
use interop::content::{Folder, sum_of_file};
use interop::stack::INTERFACE;
use interop::{KERNEL, Namespace, Running, program, url, wait};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

const PORT: u16 = 8080;

/// nginx, one process, everything it writes inside `scratch`.
fn nginx(namespace: &Namespace, files: &Folder, scratch: &Folder) -> Running {
    interop::require("nginx");
    let (root, own) = (files.path().display(), scratch.path().display());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {own}/{kind};\n"))
        .concat();
    let listen = format!("listen 0.0.0.0:{PORT}; listen [::]:{PORT};");
    scratch.write(
        "nginx.conf",
        format!(
            "user root; daemon off; master_process off; pid {own}/pid; error_log stderr;\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log off; sendfile on; {temporary} server {{ {listen} root {root}; }} }}\n"
        ),
    );
    let running = namespace.spawn(
        "/usr/sbin/nginx",
        &["-e", "stderr", "-p", &own.to_string(), "-c", &scratch.file("nginx.conf")],
    );
    wait::until("nginx to listen", Duration::from_secs(10), || {
        namespace.enter(|| TcpStream::connect(("127.0.0.1", PORT))).is_ok()
    });
    running
}

/// Fetches `name` from the kernel's address `from`.
#[track_caller]
fn fetch(namespace: &Namespace, from: IpAddr, name: &str, options: &[&str]) -> (String, u64) {
    let folder = Folder::new();
    let (url, output) = (url(from, PORT, name), folder.file("out"));
    let own = ["--address", "10.7.0.2/24", "--address", "fd07::2/64", "--tun", INTERFACE];
    let arguments = [&["fetch", &url, "-o", &output], own.as_slice(), options].concat();
    namespace.spawn(program("linger"), &arguments).succeed(TRANSFER);
    sum_of_file(output)
}

#[test]
fn fetch_gets_1_kib_and_1_gib_from_nginx_over_both_families() {
    let (namespace, files, scratch) = (Namespace::new(), Folder::new(), Folder::new());
    let sums =
        [("small", KIB), ("big", GIB)].map(|(name, length)| (name, length, files.fill(name, length, length)));
    let _nginx = nginx(&namespace, &files, &scratch);
    for (name, length, sum) in sums {
        for address in KERNEL {
            assert_eq!(fetch(&namespace, address, name, &[]), (sum.clone(), length), "{name} of {address}");
        }
    }
}

#[test]
fn fetch_gets_32_mib_intact_over_a_bad_link_and_nobody_resets() {
    let (namespace, files, scratch) = (Namespace::new(), Folder::new(), Folder::new());
    let sum = files.fill("file", 32 * MIB, 3);
    let _nginx = nginx(&namespace, &files, &scratch);
    // A device prepared beforehand, so that the capture is there before the first packet.
    namespace.ip(&format!("tuntap add {INTERFACE} mode tun"));
    namespace.ip(&format!("link set {INTERFACE} addrgenmode none"));
    namespace.ip(&format!("link set {INTERFACE} up"));
    let capture = Capture::start(&namespace, INTERFACE, FIN_OR_RST);
    for address in KERNEL {
        assert_eq!(fetch(&namespace, address, "file", &BAD_LINK), (sum.clone(), 32 * MIB), "{address}");
    }
    assert_eq!(resets_of_open_connections(&capture.stop()), []);
}

#[test]
fn fetch_of_a_port_where_nobody_listens_fails_with_one_line() {
    let namespace = Namespace::new();
    let url = url(KERNEL[0], 9, "");
    let own = ["fetch", &url, "--address", "10.7.0.2/24", "--tun", INTERFACE];
    let finished = namespace.spawn(program("linger"), &own).finish(Duration::from_secs(20));
    assert_eq!(finished.status.code(), Some(1), "{}", finished.output);
    assert_eq!(finished.output.lines().count(), 1, "{}", finished.output);
    assert!(finished.output.contains("refused"), "{}", finished.output);
}
