//! What the tests against the Linux kernel need: namespaces, processes, captures, and a stack on a TUN.
//!
//! | file | what it holds |
//! |---|---|
//! | `namespace.rs` | a network namespace that is deleted when dropped |
//! | `process.rs` | a child process that is ended when dropped, and what it printed |
//! | `wait.rs` | waiting for a condition, never longer than a deadline |
//! | `content.rs` | files of known content, and their sums |
//! | `capture.rs` | what went over the wire, as the kernel saw it |
//! | `stack.rs` | linger itself, inside the test, on a TUN in a namespace |
//! | `probe.rs` | segments made by hand, and what a host says to them |
//! | `returning.rs` | a kernel's client that comes back from its port at once |
//! | `gate.rs` | a device that holds frames back until told otherwise |
//! | `kernel.rs` | the kernel's sockets and what it knows about them |
//! | `service.rs` | the web service of `bin/axum_service.rs`, and how to ask it what it holds |
//!
//! Everything needs root and `/dev/net/tun`. [`require`] says so in one line.
#![forbid(unsafe_code)]

pub mod capture;
pub mod content;
pub mod gate;
pub mod kernel;
pub mod namespace;
pub mod probe;
pub mod process;
pub mod returning;
pub mod service;
pub mod stack;
pub mod wait;

pub use namespace::Namespace;
pub use process::Running;

/// The example of the README, compiled as a test of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// The kernel's addresses on every link here, as `linger serve` gives them out.
pub const KERNEL: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 7, 0, 1)), IpAddr::V6(Ipv6Addr::new(0xfd07, 0, 0, 0, 0, 0, 0, 1))];
/// Ours on the same link.
pub const LINGER: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 7, 0, 2)), IpAddr::V6(Ipv6Addr::new(0xfd07, 0, 0, 0, 0, 0, 0, 2))];

/// Whether this kernel offers TUN at all. Where it does not, there is nothing to test against.
#[must_use]
pub fn kernel_has_tun() -> bool {
    Path::new("/dev/net/tun").exists()
}

/// Panics with one line when the tests cannot run here although the kernel offers what they need.
///
/// # Panics
///
/// Without root, or when `program` is not installed.
pub fn require(program: &str) {
    assert!(nix::unistd::geteuid().is_root(), "the interop tests make network namespaces: run them as root");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.any(|folder| folder.join(program).is_file());
    assert!(found, "{program} is not installed: cargo xtask setup");
}

/// A program of this workspace, built with the same profile as the running test: its neighbour in `target/`.
///
/// # Panics
///
/// When it has not been built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    // target/PROFILE/deps/TEST -> target/PROFILE/NAME
    let path = own.parent().and_then(Path::parent).map(|folder| folder.join(name)).unwrap_or_default();
    assert!(path.is_file(), "{} is not built: cargo xtask interop", path.display());
    path
}

/// An address and port as a URL has them: IPv6 in brackets.
#[must_use]
pub fn url(address: IpAddr, port: u16, path: &str) -> String {
    format!("http://{}/{path}", std::net::SocketAddr::new(address, port))
}
