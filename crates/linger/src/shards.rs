//! The shards of one stack, as its [`Net`](crate::Net) sees them.

use crate::shared::Handle;
use linger_proto::{ShardMap, State};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All shards of a stack: one, mostly.
#[derive(Debug)]
pub(crate) struct Shards {
    handles: Box<[Handle]>,
    /// What the hosts know about each other; none where there is one.
    map: Option<Arc<ShardMap>>,
    /// Whose turn it is.
    turn: AtomicUsize,
}

impl Shards {
    /// At least one.
    pub(crate) fn new(handles: Vec<Handle>, map: Option<Arc<ShardMap>>) -> Self {
        Self { handles: handles.into(), map, turn: AtomicUsize::new(0) }
    }

    pub(crate) fn all(&self) -> &[Handle] {
        &self.handles
    }

    /// One shard; what is past the last begins again.
    pub(crate) fn at(&self, shard: usize) -> &Handle {
        &self.handles[shard % self.handles.len()]
    }

    /// One shard after another.
    pub(crate) fn next(&self) -> &Handle {
        match &*self.handles {
            [only] => only,
            _ => self.at(self.turn.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// The shard of a port of ours; `None` where no shard is bound to it: none was named, or there is only one shard.
    pub(crate) fn of_port(&self, port: u16) -> Option<&Handle> {
        let map = self.map.as_ref().filter(|_| port != 0)?;
        Some(self.at(usize::from(map.owner_of_port(port))))
    }

    /// The shard for a connect from a port that the application names: whichever has the tuple already, be it in
    /// TIME-WAIT, so that it can judge; else the one that all connects from this port go to.
    pub(crate) fn of_connect(&self, local: SocketAddr, remote: SocketAddr) -> Option<&Handle> {
        let of_port = self.of_port(local.port())?;
        let has_it = |handle: &&Handle| {
            let core = handle.lock();
            let tuple = core.host.tuple_towards(remote, local);
            let state = tuple.map_or(State::Closed, |tuple| core.host.state_of(&tuple));
            !matches!(state, State::Closed | State::Listen)
        };
        Some(self.handles.iter().find(has_it).unwrap_or(of_port))
    }
}

#[cfg(test)]
mod tests {
    use crate::Net;
    use linger_device::{Capabilities, Channel};
    use linger_proto::{InterfaceConfig, Transmit};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// The lock of one shard is held throughout, and nobody polls its driver: another shard does not notice.
    #[test]
    fn shard_whose_lock_is_held_for_ever_delays_no_other() {
        let able = Capabilities { mtu: 1500, checksum_offload: true, segmentation_offload: true };
        let (near, far) = Channel::fan(2, 64, able, |_: &Transmit| 1);
        let ours =
            InterfaceConfig { addresses: vec![([10, 0, 0, 1].into(), 24)], ..InterfaceConfig::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a thread");
        let _runtime = runtime.enter();
        let (net, mut drivers) = Net::builder().queues(near, ours).build_shards().expect("entropy");
        let peer = Net::builder().address(far, [10, 0, 0, 2], 24).spawn().expect("inside a runtime");
        let listener = runtime.block_on(net.listen(([10, 0, 0, 1], 80))).expect("free");
        let theirs = runtime.block_on(peer.listen(([10, 0, 0, 2], 81))).expect("free");
        let part = listener.into_shards().remove(1);
        runtime.spawn(drivers.remove(1));
        let held = net.shards.at(0).lock();
        runtime.block_on(async {
            for _ in 0..10 {
                let (ours, other) = tokio::join!(part.accept(), peer.connect(part.local_addr()));
                let connect = net.on_shard(1);
                let (called, taken) = tokio::join!(connect.connect(theirs.local_addr()), theirs.accept());
                for (mut ours, mut other) in [
                    (ours.expect("accepted").0, other.expect("connected")),
                    (called.expect("connected"), taken.expect("accepted").0),
                ] {
                    let mut text = [0; 5];
                    other.write_all(b"hello").await.expect("open");
                    ours.read_exact(&mut text).await.expect("open");
                    ours.write_all(&text).await.expect("open");
                    other.read_exact(&mut text).await.expect("open");
                    assert_eq!(tokio::join!(ours.close(), other.close()), (Ok(()), Ok(())));
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        drop(held);
    }
}
