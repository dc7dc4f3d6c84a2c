//! A TUN device and the kernel's end of it.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const IFF_TUN: i16 = 1;
const IFF_NO_PI: i16 = 0x1000;
const IFF_VNET_HDR: i16 = 0x4000;
const TUNSETIFF: u64 = 0x4004_54ca;
const TUNSETOFFLOAD: u64 = 0x4004_54d0;
const TUNSETVNETHDRSZ: u64 = 0x4004_54d8;
/// Partial checksums and super-segments of both families.
const OFFLOAD: u64 = 1 | 2 | 4;
/// Octets of the virtio header.
pub const VNET: usize = 10;

#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: i16,
    pad: [u8; 22],
}

/// Makes the interface `tp0`, nonblocking, with virtio headers and offload where `vnet` asks for them, and gives the
/// kernel's end the address 10.77.0.1.
pub fn tun_open(mtu: usize, vnet: bool) -> io::Result<OwnedFd> {
    let check = |result: i32| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
    let mut request = Request { name: [0; 16], flags: IFF_TUN | IFF_NO_PI, pad: [0; 22] };
    request.name[..3].copy_from_slice(b"tp0");
    if vnet {
        request.flags |= IFF_VNET_HDR;
    }
    // SAFETY: the path is a string with its zero.
    let fd = check(unsafe {
        libc::open(c"/dev/net/tun".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK)
    })?;
    // SAFETY: it has just been opened, and nobody else knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the descriptor is open, and the kernel reads and writes one `ifreq`, as long as `Request`.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), TUNSETIFF as _, &raw mut request) })?;
    if vnet {
        let size = VNET as i32;
        // SAFETY: the kernel reads one integer.
        check(unsafe { libc::ioctl(fd.as_raw_fd(), TUNSETVNETHDRSZ as _, &raw const size) })?;
        // SAFETY: the mask goes by value.
        check(unsafe { libc::ioctl(fd.as_raw_fd(), TUNSETOFFLOAD as _, OFFLOAD) })?;
    }
    crate::sh(&format!(
        "ip link set lo up; ip addr add 10.77.0.1/24 dev tp0; ip link set tp0 mtu {mtu} txqueuelen 4096 up; \
         echo 1 > /proc/sys/net/ipv6/conf/tp0/disable_ipv6"
    ));
    Ok(fd)
}

/// The two answers there are: one that keeps the connection, one that says it will be closed.
pub fn answers() -> [Vec<u8>; 2] {
    ["", "Connection: close\r\n"].map(|fields| {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 1024\r\n\r\n");
        [head.into_bytes(), vec![b'x'; 1024]].concat()
    })
}

/// Whether a request asks for the connection to be closed.
pub fn wants_close(head: &[u8]) -> bool {
    head.windows(6).any(|part| part == b"close\r")
}
