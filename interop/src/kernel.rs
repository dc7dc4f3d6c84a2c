//! The kernel as the peer: its sockets, and what it knows about them.

use crate::Namespace;
use nix::sys::socket::{setsockopt, sockopt};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// Longest wait of any of the kernel's sockets here.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Connects from the kernel.
///
/// # Errors
///
/// What the kernel says.
pub fn connect(namespace: &Namespace, to: SocketAddr) -> io::Result<TcpStream> {
    connect_within(namespace, to, PATIENCE)
}

/// Connects from the kernel and gives up after `limit`.
///
/// # Errors
///
/// What the kernel says.
pub fn connect_within(namespace: &Namespace, to: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = namespace.enter(|| TcpStream::connect_timeout(&to, limit))?;
    patient(&stream)?;
    Ok(stream)
}

/// Listens in the kernel, at a port it chooses.
///
/// # Panics
///
/// When the kernel refuses.
#[must_use]
pub fn listen(namespace: &Namespace, address: IpAddr) -> (TcpListener, SocketAddr) {
    let listener = namespace.enter(|| TcpListener::bind((address, 0))).expect("a port is free");
    let local = listener.local_addr().expect("it is bound");
    (listener, local)
}

/// Accepts in the kernel.
///
/// # Panics
///
/// When the kernel refuses.
#[must_use]
pub fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a connection comes");
    patient(&stream).expect("timeouts can be set");
    stream
}

/// A UDP socket of the kernel, at a port it chooses.
///
/// # Panics
///
/// When the kernel refuses.
#[must_use]
pub fn udp(namespace: &Namespace, address: IpAddr) -> UdpSocket {
    let socket = namespace.enter(|| UdpSocket::bind((address, 0))).expect("a port is free");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    socket
}

fn patient(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

/// Closes with RST instead of FIN.
///
/// # Panics
///
/// When the kernel refuses.
pub fn reset(stream: TcpStream) {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&stream, sockopt::Linger, &linger).expect("SO_LINGER can be set");
    drop(stream);
}

/// Makes the kernel probe an idle peer every second, and give up after `probes`.
///
/// # Panics
///
/// When the kernel refuses.
pub fn keep_alive(stream: &TcpStream, probes: u32) {
    setsockopt(stream, sockopt::KeepAlive, &true).expect("SO_KEEPALIVE can be set");
    setsockopt(stream, sockopt::TcpKeepIdle, &1).expect("TCP_KEEPIDLE can be set");
    setsockopt(stream, sockopt::TcpKeepInterval, &1).expect("TCP_KEEPINTVL can be set");
    setsockopt(stream, sockopt::TcpKeepCount, &probes).expect("TCP_KEEPCNT can be set");
}

/// What `ss` says about the kernel's TCP sockets towards `remote`, listeners left out: state, queues, options.
///
/// # Panics
///
/// When `ss` fails.
#[must_use]
pub fn sockets(namespace: &Namespace, remote: SocketAddr) -> Vec<String> {
    let filter = format!("dst = {remote}");
    let output = namespace.command("ss").args(["-tainoOH", &filter]).output().expect("ss is installed");
    assert!(output.status.success(), "ss: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The one socket of the kernel towards `remote`, as `ss` shows it.
///
/// # Panics
///
/// When there is none, or more than one.
#[must_use]
pub fn socket(namespace: &Namespace, remote: SocketAddr) -> String {
    let mut sockets = sockets(namespace, remote);
    assert_eq!(sockets.len(), 1, "{sockets:?}");
    sockets.remove(0)
}
