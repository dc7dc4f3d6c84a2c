//! Two stacks in one process, joined by a channel.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its part")]

use linger::device::{Capabilities, Channel, ChannelHandle};
use linger::{HostConfig, Net, Secret, TcpListener, TcpStream};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Handle;

pub const LEFT: [u8; 4] = [10, 0, 0, 1];
pub const RIGHT: [u8; 4] = [10, 0, 0, 2];
/// Where tests listen, on the left.
pub const PORT: u16 = 80;

pub fn server_addr() -> SocketAddr {
    (LEFT, PORT).into()
}

pub const ABLE: Capabilities = Capabilities { mtu: 1500, checksum_offload: true, segmentation_offload: true };

/// Short lifetimes, so that what is real time in one test and virtual in another ends soon in both.
pub fn config() -> HostConfig {
    let mut config = HostConfig::default();
    config.tcp.msl = Duration::from_millis(500);
    config
}

/// Server and client.
pub fn pair() -> (Net, Net) {
    pair_with(config(), config())
}

pub fn pair_with(left: HostConfig, right: HostConfig) -> (Net, Net) {
    let (one, two) = Channel::pair(256, ABLE);
    let net = |device, ours, config, secret| {
        let builder =
            Net::builder().address(device, ours, 24).config(config).secret(Secret::from_bytes([secret; 32]));
        builder.spawn().expect("inside a runtime")
    };
    (net(one, LEFT, left, 1), net(two, RIGHT, right, 2))
}

/// A stack whose peer is a cable that nobody listens to.
pub fn alone() -> (Net, ChannelHandle) {
    let (device, cable) = Channel::with_handle(256, ABLE);
    (Net::builder().address(device, LEFT, 24).config(config()).spawn().expect("inside a runtime"), cable)
}

/// A listener and an established connection: the server's end, then the client's.
pub async fn connected(server: &Net, client: &Net) -> (TcpListener, TcpStream, TcpStream) {
    let listener = server.listen(server_addr()).await.expect("free");
    let (ours, theirs) = tokio::join!(client.connect(server_addr()), listener.accept());
    (listener, theirs.expect("accepted").0, ours.expect("connected"))
}

/// Long enough for TIME-WAIT and every timer of an orderly end.
pub async fn past_time_wait() {
    tokio::time::sleep(Duration::from_secs(5)).await;
}

/// Waits until no task is left, as long as virtual time lets it.
pub async fn assert_no_task_left() {
    let left = || Handle::current().metrics().num_alive_tasks();
    for _ in 0..200 {
        if left() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} tasks are left", left());
}
