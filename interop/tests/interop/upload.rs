//! A service of axum on linger takes what curl sends.

use crate::MIB;
use interop::capture::{Capture, FIN_OR_RST, resets_of_open_connections};
use interop::content::Folder;
use interop::service::{self, Service};
use interop::{LINGER, Namespace};
use std::net::IpAddr;
use std::time::Duration;

/// Uploads a file and checks that the service saw exactly its octets.
#[track_caller]
fn upload(
    namespace: &Namespace,
    service: &Service,
    address: IpAddr,
    folder: &Folder,
    sum: &str,
    length: u64,
) {
    let (file, url) = (folder.file("file"), service.url(address, "sum"));
    let arguments =
        ["--silent", "--show-error", "--fail", "--globoff", "--max-time", "120", "-T", &file, &url];
    let answer = namespace.spawn("curl", &arguments).succeed(Duration::from_secs(130));
    assert_eq!(answer.trim(), format!("{sum} {length}"), "{address}");
}

#[test]
fn curl_uploads_256_mib_over_both_families() {
    let (namespace, folder) = (Namespace::new(), Folder::new());
    let sum = folder.fill("file", 256 * MIB, 4);
    let service = Service::start(&namespace, &[]);
    for address in LINGER {
        upload(&namespace, &service, address, &folder, &sum, 256 * MIB);
    }
}

#[test]
fn curl_uploads_32_mib_intact_over_a_bad_link_and_nobody_resets() {
    let (namespace, folder) = (Namespace::new(), Folder::new());
    let sum = folder.fill("file", 32 * MIB, 5);
    let service = Service::start(&namespace, &["--bad-link", "7"]);
    let capture = Capture::start(&namespace, service::interface(), FIN_OR_RST);
    for address in LINGER {
        upload(&namespace, &service, address, &folder, &sum, 32 * MIB);
    }
    assert_eq!(resets_of_open_connections(&capture.stop()), []);
}
