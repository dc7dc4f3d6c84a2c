//! The only place with `unsafe`: what the kernel offers for a TUN descriptor and no safe library does.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What an open TUN descriptor is attached to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Attachment {
    /// The name of the interface.
    pub(crate) name: String,
    /// Raw IP packets (TUN), as opposed to Ethernet frames (TAP).
    pub(crate) is_tun: bool,
    /// Each packet has a virtio header.
    pub(crate) vnet_hdr: bool,
}

/// Asks the kernel what `fd` is attached to (TUNGETIFF); fails for a descriptor that is no TUN or not attached.
pub(crate) fn attachment(fd: BorrowedFd<'_>) -> io::Result<Attachment> {
    // SAFETY: `ifreq` is plain octets and pointers for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open for the length of the borrow, and TUNGETIFF writes one `ifreq`, which is what
    // `request` is; the kernel rejects the call for anything that is no TUN.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNGETIFF, &raw mut request) })?;
    // SAFETY: of the union TUNGETIFF fills in the flags, and any bits are a valid `c_short`.
    let flags = i32::from(unsafe { request.ifr_ifru.ifru_flags });
    let name = request.ifr_name.map(|c| c as u8);
    let name = CStr::from_bytes_until_nul(&name).map_err(io::Error::other)?;
    Ok(Attachment {
        name: name.to_string_lossy().into_owned(),
        is_tun: flags & libc::IFF_TUN != 0,
        vnet_hdr: flags & libc::IFF_VNET_HDR != 0,
    })
}

/// Tells the kernel what may come in one piece (TUNSETOFFLOAD): partial checksums and TCP super-segments of both
/// families, those with CWR included; not UDP ones. The mask belongs to the interface, not to the descriptor.
pub(crate) fn set_offload(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let all = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
    let mask = libc::c_ulong::from(if on { all } else { 0 });
    // SAFETY: the descriptor is open for the length of the borrow, and TUNSETOFFLOAD takes its argument by value.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD, mask) })
}

/// Sets the length of the virtio header (TUNSETVNETHDRSZ), which another process may have changed.
pub(crate) fn set_vnet_header_len(fd: BorrowedFd<'_>, length: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open for the length of the borrow, and TUNSETVNETHDRSZ reads one `int`.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const length) })
}

/// Registers a descriptor with tokio's reactor. Panics outside a runtime with I/O enabled, as all of tokio does.
pub(crate) fn register(fd: Arc<OwnedFd>, interest: Interest) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the share that goes into the `AsyncFd` keeps the descriptor open as long as that lives, and an `OwnedFd`
    // behind an `Arc` names the same descriptor for ever. Nobody here replaces it through `get_mut`.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
