//! Moving this process into namespaces of its own: a network without links, and mounts that nobody else sees.
//!
//! No helper and no second program: the process moves itself, and the command inherits the place. All of this must
//! happen while there is one thread, or the kernel refuses a user namespace (EINVAL) and moves only the caller.

use crate::error::{Error, Result, plain};
use crate::netlink::Netlink;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, getegid, geteuid};
use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The name of the addresses in the namespace.
const NAME: &str = "linger.test";
const HOSTS: &str = "/etc/hosts";
/// The loopback interface of a fresh network namespace.
const LOOPBACK: u32 = 1;

/// Enters fresh network and mount namespaces, as an ordinary user inside a user namespace too; switches lo on.
pub(super) fn enter() -> Result {
    // Asked for now: inside a user namespace without a map everybody is nobody.
    let (user, group) = (geteuid(), getegid());
    let inner = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    let privileged = user.is_root() && unshare(inner).is_ok();
    if !privileged {
        // Root without the capability, as in most containers, takes the way of ordinary users.
        unshare(CloneFlags::CLONE_NEWUSER | inner).map_err(|errno| cannot_unshare(errno, user))?;
        map_identity(user, group)?;
    }
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_PRIVATE | MsFlags::MS_REC, None::<&str>)
        .map_err(|errno| Error::usage(format!("cannot make the mounts private: {}", plain(&errno.into()))))?;
    Netlink::open()
        .and_then(|mut netlink| netlink.set_up(LOOPBACK))
        .map_err(|error| Error::usage(format!("cannot switch on lo in the namespace: {}", plain(&error))))
}

/// Maps the user to itself: COMMAND keeps its name and loses every capability at exec, linger keeps them.
fn map_identity(user: Uid, group: Gid) -> Result {
    let write = |file: &str, text: String| fs::write(file, text);
    write("/proc/self/setgroups", "deny".into())
        .and_then(|()| write("/proc/self/uid_map", format!("{user} {user} 1\n")))
        .and_then(|()| write("/proc/self/gid_map", format!("{group} {group} 1\n")))
        .map_err(|error| {
            Error::usage(format!(
                "this system restricts user namespaces ({}); run as root, or allow them for linger in AppArmor",
                plain(&error)
            ))
        })
}

fn cannot_unshare(errno: Errno, user: Uid) -> Error {
    let why = plain(&errno.into());
    Error::usage(match errno {
        Errno::ENOSPC => {
            "user namespaces are switched off (user.max_user_namespaces); raise it with sysctl, or run as root".into()
        }
        Errno::EPERM if user.is_root() => {
            format!("cannot make a network namespace: {why}; this container lacks CAP_SYS_ADMIN")
        }
        Errno::EPERM => {
            format!("cannot make a user namespace: {why}; run as root, or allow them (AppArmor, seccomp)")
        }
        Errno::EINVAL | Errno::ENOSYS => format!("this kernel has no user or network namespaces ({why})"),
        _ => format!("cannot make a network namespace: {why}"),
    })
}

/// Gives our addresses the name `linger.test`, in a hosts file that only this namespace sees.
pub(super) fn name_addresses(addresses: &[IpAddr]) -> Result {
    if !Path::new(HOSTS).exists() {
        eprintln!("linger: there is no {HOSTS}, so {NAME} has no address here; use the addresses themselves");
        return Ok(());
    }
    let cannot = |error: io::Error| Error::usage(format!("cannot name {NAME} in {HOSTS}: {}", plain(&error)));
    let mut text = fs::read(HOSTS).map_err(cannot)?;
    if text.last().is_some_and(|&last| last != b'\n') {
        text.push(b'\n');
    }
    for address in addresses {
        text.extend_from_slice(format!("{address} {NAME}\n").as_bytes());
    }
    let copy = write_private(&text).map_err(cannot)?;
    let bound = mount(Some(&copy), HOSTS, None::<&str>, MsFlags::MS_BIND, None::<&str>);
    // The mount keeps the file alive; its name was only needed for that.
    let removed = fs::remove_file(&copy);
    bound.map_err(|errno| cannot(errno.into()))?;
    removed.map_err(cannot)
}

/// Writes a file that nobody had before, readable for everybody as a hosts file must be.
fn write_private(text: &[u8]) -> io::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("linger-hosts-{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let written = file.write_all(text).and_then(|()| file.set_permissions(fs::Permissions::from_mode(0o644)));
    if written.is_err() {
        let _ = fs::remove_file(&path);
    }
    written.map(|()| path)
}
