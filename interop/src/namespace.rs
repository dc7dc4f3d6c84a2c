//! A network namespace for one test.

use crate::process::Running;
use crate::wait;
use nix::sched::{CloneFlags, setns};
use std::ffi::OsStr;
use std::fs::File;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A network namespace with its loopback up. Dropping it ends what still runs inside and deletes it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

/// Distinguishes the namespaces of one process.
static NEXT: AtomicU32 = AtomicU32::new(0);

impl Namespace {
    /// Makes a namespace that no other test has.
    ///
    /// # Panics
    ///
    /// When the kernel refuses: the message says what `ip` said.
    #[must_use]
    pub fn new() -> Self {
        crate::require("ip");
        let name = format!("linger-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip("link set lo up");
        namespace
    }

    /// Its name, for `ip netns`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run inside.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Starts a command inside: see [`Running`].
    pub fn spawn(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Running {
        let mut command = self.command(program);
        command.args(arguments);
        Running::start(command)
    }

    /// Runs `ip` inside, with these arguments.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn ip(&self, arguments: &str) {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        ip(&[&["-n", self.name.as_str()], words.as_slice()].concat());
    }

    /// Sets a variable of the kernel inside, such as `net.ipv4.tcp_sack`.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        // Opened inside: /proc/sys/net is that of the thread that opens it.
        let result = self.enter(|| std::fs::write(&path, value));
        assert!(result.is_ok(), "sysctl {name}={value}: {result:?}");
    }

    /// Runs `action` on a thread that is inside. Sockets opened there stay inside wherever they go afterwards.
    ///
    /// # Panics
    ///
    /// When the namespace cannot be entered, or `action` panics.
    pub fn enter<R: Send>(&self, action: impl FnOnce() -> R + Send) -> R {
        let inside = || {
            let handle = File::open(format!("/run/netns/{}", self.name)).expect("the namespace exists");
            setns(handle, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
            action()
        };
        std::thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Ends what still runs inside and deletes it now.
    pub fn tear_down(self) {
        drop(self);
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let pids = Command::new("ip").args(["netns", "pids", &self.name]).output();
        for pid in pids.iter().flat_map(|output| output.stdout.split(|octet| octet.is_ascii_whitespace())) {
            let pid = std::str::from_utf8(pid).ok().and_then(|pid| pid.parse::<i32>().ok());
            // This process is listed too while one of its threads is inside.
            if let Some(pid) = pid.filter(|pid| *pid > 1 && u32::try_from(*pid) != Ok(std::process::id())) {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
        }
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

/// Joins two namespaces with a cable, and waits until it carries packets. Each end is called `name`.
pub fn join(a: &Namespace, b: &Namespace, name: &str) {
    ip(&["link", "add", name, "netns", a.name(), "type", "veth", "peer", "name", name, "netns", b.name()]);
    for end in [a, b] {
        // No address that IPv6 makes up, and so no solicitation of routers that are not there.
        end.ip(&format!("link set {name} addrgenmode none"));
        end.ip(&format!("link set {name} up"));
    }
    for end in [a, b] {
        // The kernel takes up to a second to notice, and drops what is sent before.
        wait::until("the cable to work", Duration::from_secs(5), || {
            let link = Command::new("ip").args(["-n", end.name(), "link", "show", name]).output();
            link.is_ok_and(|link| String::from_utf8_lossy(&link.stdout).contains("state UP"))
        });
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {}", arguments.join(" "), said.trim());
}
