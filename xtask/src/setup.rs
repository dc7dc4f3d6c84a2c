//! Installs the Debian packages that the tests drive, or says in one line how to; and the node of the TUN driver.

use crate::run::{Tally, Workspace};
use std::path::Path;
use std::process::{Command, Stdio};

/// A program that tests start, and the Debian package that has it.
const NEEDED: &[(&str, &str)] = &[
    ("curl", "curl"),
    ("wrk", "wrk"),
    ("nginx", "nginx"),
    ("tshark", "tshark"),
    ("chromium", "chromium"),
    ("strace", "strace"),
    ("valgrind", "valgrind"),
    ("patch", "patch"),
    ("ip", "iproute2"),
    ("ping", "iputils-ping"),
];

/// Never red: what is missing fails the tests that need it, and those alone.
pub(crate) fn run(_: &Workspace) -> Result<Option<Tally>, String> {
    offer_tun();
    let missing = missing(&search_path());
    if missing.is_empty() {
        return Ok(None);
    }
    if may_install() {
        eprintln!("installing {}", missing.join(" "));
        install(&missing);
    }
    let missing = self::missing(&search_path());
    if !missing.is_empty() {
        eprintln!("{}", advice(&missing));
    }
    Ok(None)
}

/// Where interfaces come from.
const TUN: &str = "/dev/net/tun";

/// Whether this kernel offers TUN.
pub(crate) fn has_tun() -> bool {
    Path::new(TUN).exists()
}

/// Makes the device node where the kernel has the driver and a container was started without the node.
fn offer_tun() {
    if has_tun() || !is_root() {
        return;
    }
    let quiet = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    quiet("modprobe", &["tun"]);
    let drivers = std::fs::read_to_string("/proc/misc").unwrap_or_default();
    if !has_tun() && drivers.lines().any(|line| line.ends_with(" tun")) {
        quiet("mkdir", &["-p", "/dev/net"]);
        quiet("mknod", &[TUN, "c", "10", "200"]);
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn advice(missing: &[&str]) -> String {
    let names = missing.join(" ");
    format!(
        "missing for the interop tests: {names}; install with: sudo apt-get install --no-install-recommends {names}"
    )
}

/// PATH and the folders of administrators, which a user's PATH leaves out.
fn search_path() -> Vec<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect()
}

/// The packages whose program is nowhere in `folders`.
fn missing<P: AsRef<Path>>(folders: &[P]) -> Vec<&'static str> {
    let found = |program: &str| folders.iter().any(|folder| folder.as_ref().join(program).is_file());
    NEEDED.iter().filter(|(program, _)| !found(program)).map(|(_, package)| *package).collect()
}

/// Whether packages can be installed here.
pub(crate) fn may_install() -> bool {
    let apt = Command::new("apt-get").arg("--version").stdout(Stdio::null()).status();
    is_root() && apt.is_ok_and(|status| status.success())
}

/// Installs Debian packages, as many as can be had.
pub(crate) fn install(packages: &[&str]) {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-q", "-y"])
            .args(arguments)
            .stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    // An index that cannot be refreshed may still be good enough.
    apt(&["update"]);
    let install = ["install", "--no-install-recommends"];
    if !apt(&[&install, packages].concat()) {
        for package in packages {
            apt(&[&install, [*package].as_slice()].concat());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_missing_where_there_is_no_folder() {
        let none: [&str; 0] = [];
        assert_eq!(missing(&none).len(), NEEDED.len());
    }

    #[test]
    fn the_advice_is_one_line_with_the_command() {
        let advice = advice(&["wrk", "nginx"]);
        assert_eq!(advice.lines().count(), 1);
        assert!(advice.ends_with("sudo apt-get install --no-install-recommends wrk nginx"), "{advice}");
    }
}
