//! Making a TUN interface, or taking over an open descriptor.

use super::{Tun, address, vnet};
use crate::sys;
use std::fs::OpenOptions;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use tun_rs::{DeviceBuilder, SyncDevice};

/// Where interfaces come from.
const NODE: &str = "/dev/net/tun";

/// Longest name of an interface, octets (`IFNAMSIZ` less the final zero).
const NAME_MAX: usize = 15;

/// Most queues of one interface (the kernel's `MAX_TAP_QUEUES`).
const QUEUES_MAX: usize = 256;

/// Why a TUN cannot be had; each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TunError {
    /// There is no `/dev/net/tun`.
    #[error(
        "there is no /dev/net/tun; load the driver with `modprobe tun`, or give the container that device"
    )]
    NoDriver,
    /// `/dev/net/tun` may not be opened.
    #[error("cannot open /dev/net/tun: permission denied; run as root, or `chmod 666 /dev/net/tun`")]
    PermissionDenied,
    /// The interface may not be made or changed.
    #[error("needs CAP_NET_ADMIN, or prepare it: ip tuntap add {name} mode tun user $USER")]
    NotPermitted {
        /// The interface asked for.
        name: String,
    },
    /// Another process is attached to the interface.
    #[error("the interface {name} is in use by another process; choose another name")]
    Busy {
        /// The interface asked for.
        name: String,
    },
    /// The interface exists and is of another kind: no TUN, or with another number of queues.
    #[error(
        "the interface {name} exists and is no TUN, or one with another number of queues; choose another name"
    )]
    OtherKind {
        /// The interface asked for.
        name: String,
    },
    /// No interface can have this name.
    #[error("`{name}` cannot name an interface: 1 to 15 octets without `/`, `:`, `%` or spaces")]
    Name {
        /// What was asked for.
        name: String,
    },
    /// No such number of queues.
    #[error("a TUN has 1 to 256 queues, not {0}")]
    Queues(usize),
    /// The descriptor is no TUN, is not attached to an interface, or is a TAP.
    #[error("the descriptor is no TUN attached to an interface")]
    NotATun,
    /// The interface was made, but one of its settings was refused.
    #[error("cannot set the {setting} of {name}: {source}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// The interface.
        name: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot open a TUN: {0}")]
    Io(#[from] io::Error),
}

impl From<TunError> for io::Error {
    fn from(error: TunError) -> Self {
        use io::ErrorKind::{AddrInUse, InvalidInput, NotFound, PermissionDenied};
        let kind = match &error {
            TunError::NoDriver => NotFound,
            TunError::PermissionDenied | TunError::NotPermitted { .. } => PermissionDenied,
            TunError::Busy { .. } | TunError::OtherKind { .. } => AddrInUse,
            TunError::Name { .. } | TunError::Queues(_) | TunError::NotATun => InvalidInput,
            TunError::Setting { source, .. } | TunError::Io(source) => source.kind(),
        };
        Self::new(kind, error)
    }
}

/// The settings of a TUN interface to be made.
///
/// ```no_run
/// # use linger_device::{Tun, TunError};
/// # fn open() -> Result<(), TunError> {
/// let tun = Tun::builder().name("linger0").address("10.7.0.1".parse().unwrap(), 24).open()?;
/// println!("{} is up", tun.name());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct TunBuilder {
    name: Option<String>,
    mtu: u16,
    offload: bool,
    up: bool,
    addresses: Vec<(IpAddr, u8)>,
    tx_queue_len: Option<u32>,
}

impl Default for TunBuilder {
    fn default() -> Self {
        Self { name: None, mtu: 1500, offload: true, up: true, addresses: Vec::new(), tx_queue_len: None }
    }
}

impl TunBuilder {
    /// The name of the interface. By default the kernel chooses: `tun0`, `tun1`, ...
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Largest IP packet, octets. Default 1500.
    #[must_use]
    pub fn mtu(mut self, mtu: u16) -> Self {
        self.mtu = mtu;
        self
    }

    /// Whether super-segments and partial checksums cross the descriptor. Default true.
    #[must_use]
    pub fn offload(mut self, offload: bool) -> Self {
        self.offload = offload;
        self
    }

    /// An address for the kernel's end, with the length of its prefix. May be called again for more.
    #[must_use]
    pub fn address(mut self, address: IpAddr, prefix: u8) -> Self {
        self.addresses.push((address, prefix));
        self
    }

    /// Whether to bring the interface up. Default true.
    #[must_use]
    pub fn up(mut self, up: bool) -> Self {
        self.up = up;
        self
    }

    /// Frames that wait for us in the kernel before it drops more. Default: the kernel's 500 (`txqueuelen`).
    #[must_use]
    pub fn tx_queue_len(mut self, frames: u32) -> Self {
        self.tx_queue_len = Some(frames);
        self
    }

    /// Makes the interface, or attaches to the one that was prepared under this name. Settings that are already right
    /// are not touched, so that a prepared interface needs no privilege.
    ///
    /// # Errors
    /// One of [`TunError`]; nothing is left behind then.
    pub fn open(self) -> Result<Tun, TunError> {
        let device = self.make(false)?;
        self.finish(&device)
    }

    /// Makes an interface with `queues` queues, 1 to 256. The kernel sends the packets of a connection to the queue
    /// that our last packet of it came from, and forgets that after three idle seconds: a stack on several queues must
    /// be ready to see any packet on any of them.
    ///
    /// # Errors
    /// One of [`TunError`]; nothing is left behind then.
    pub fn open_queues(self, queues: usize) -> Result<Vec<Tun>, TunError> {
        if !(1..=QUEUES_MAX).contains(&queues) {
            return Err(TunError::Queues(queues));
        }
        let first = self.make(true)?;
        let mut tuns = vec![self.finish(&first)?];
        for _ in 1..queues {
            let clone = first.try_clone().map_err(|error| self.refused(error))?;
            tuns.push(self.finish(&clone)?);
        }
        Ok(tuns)
    }

    /// The bare interface, still down.
    fn make(&self, multi_queue: bool) -> Result<SyncDevice, TunError> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        // Asked for alone first, to tell "may not open" from "may not make" (both can be EPERM in a container).
        OpenOptions::new().read(true).write(true).open(NODE).map_err(no_node)?;
        let mut builder =
            DeviceBuilder::new().offload(self.offload).multi_queue(multi_queue).inherit_enable_state();
        if let Some(name) = &self.name {
            builder = builder.name(name);
        }
        builder.build_sync().map_err(|error| self.refused(error))
    }

    /// Applies what is left and takes the descriptor over.
    fn finish(&self, device: &SyncDevice) -> Result<Tun, TunError> {
        let name = device.name()?;
        let setting = |setting| {
            let name = name.clone();
            move |error: io::Error| match error.raw_os_error() {
                Some(libc::EPERM) => TunError::NotPermitted { name },
                _ => TunError::Setting { setting, name, source: error },
            }
        };
        if self.offload {
            sys::set_offload(device.as_fd(), true).map_err(setting("offload"))?;
        }
        if device.mtu()? != self.mtu {
            device.set_mtu(self.mtu).map_err(setting("MTU"))?;
        }
        if let Some(frames) = self.tx_queue_len
            && device.tx_queue_len()? != frames
        {
            device.set_tx_queue_len(frames).map_err(setting("queue length"))?;
        }
        if self.up && !device.is_running()? {
            device.enabled(true).map_err(setting("state"))?;
        }
        for (address, prefix) in &self.addresses {
            let what = match address {
                IpAddr::V4(_) => "IPv4 address",
                IpAddr::V6(_) => "IPv6 address (is net.ipv6.conf.all.disable_ipv6 set?)",
            };
            address::add(device.if_index()?, self.up, *address, *prefix).map_err(setting(what))?;
        }
        // A share of the same open file: the interface lives on when `device` is dropped.
        let fd = device.as_fd().try_clone_to_owned()?;
        Ok(Tun::new(fd, name, self.mtu, self.offload)?)
    }

    fn refused(&self, error: io::Error) -> TunError {
        let name = self.name.clone().unwrap_or_else(|| "linger0".to_owned());
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => TunError::NotPermitted { name },
            Some(libc::EBUSY) => TunError::Busy { name },
            Some(libc::EINVAL) => TunError::OtherKind { name },
            _ => TunError::Io(error),
        }
    }
}

/// What the kernel takes for a name (`dev_valid_name`); `%` would ask it to choose a number.
fn check_name(name: &str) -> Result<(), TunError> {
    let forbidden = |c: char| matches!(c, '/' | ':' | '%' | '\0') || c.is_ascii_whitespace() || c == '\x0b';
    if name.is_empty() || name.len() > NAME_MAX || name == "." || name == ".." || name.contains(forbidden) {
        return Err(TunError::Name { name: name.to_owned() });
    }
    Ok(())
}

fn no_node(error: io::Error) -> TunError {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => TunError::NoDriver,
        Some(libc::EACCES | libc::EPERM) => TunError::PermissionDenied,
        _ => TunError::Io(error),
    }
}

pub(super) fn adopt(fd: OwnedFd, mtu: u16) -> Result<Tun, TunError> {
    let attachment = sys::attachment(fd.as_fd()).map_err(|_| TunError::NotATun)?;
    if !attachment.is_tun {
        return Err(TunError::NotATun);
    }
    if attachment.vnet_hdr {
        sys::set_vnet_header_len(fd.as_fd(), vnet::LEN as libc::c_int)?;
    }
    // Also without headers: the mask is the interface's and outlives descriptors, and super-segments would come as
    // packets that are too long.
    sys::set_offload(fd.as_fd(), attachment.vnet_hdr)?;
    Ok(Tun::new(fd, attachment.name, mtu, attachment.vnet_hdr)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_interface_can_have_are_refused_before_the_kernel_is_asked() {
        for name in ["", "sixteen-octets-x", "a/b", "a b", "a:b", "tun%d", ".", "..", "a\n"] {
            let error = Tun::builder().name(name).open().expect_err("refused");
            assert!(matches!(&error, TunError::Name { .. }), "{name:?}: {error}");
            assert!(!error.to_string().contains('\n') || name.contains('\n'));
        }
        assert!(check_name("fifteen-octets1").is_ok());
    }

    #[test]
    fn a_number_of_queues_that_the_kernel_does_not_have_is_refused() {
        for queues in [0, 257] {
            assert!(matches!(Tun::builder().open_queues(queues), Err(TunError::Queues(n)) if n == queues));
        }
    }

    #[test]
    fn a_descriptor_that_is_no_tun_is_refused() {
        for path in ["/dev/null", "/"] {
            let file = std::fs::File::open(path).expect("readable");
            assert!(matches!(Tun::from_fd(file.into(), 1500), Err(TunError::NotATun)));
        }
    }

    #[test]
    fn every_open_error_is_one_line_and_has_its_kind() {
        let cases = [
            (no_node(io::Error::from_raw_os_error(libc::ENOENT)), io::ErrorKind::NotFound, "modprobe tun"),
            (
                no_node(io::Error::from_raw_os_error(libc::EACCES)),
                io::ErrorKind::PermissionDenied,
                "chmod 666 /dev/net/tun",
            ),
            (
                Tun::builder().name("linger9").refused(io::Error::from_raw_os_error(libc::EPERM)),
                io::ErrorKind::PermissionDenied,
                "ip tuntap add linger9 mode tun user $USER",
            ),
            (
                Tun::builder().name("linger9").refused(io::Error::from_raw_os_error(libc::EBUSY)),
                io::ErrorKind::AddrInUse,
                "linger9 is in use",
            ),
        ];
        for (error, kind, text) in cases {
            let error = io::Error::from(error);
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains(text) && !error.to_string().contains('\n'), "{error}");
        }
    }
}
