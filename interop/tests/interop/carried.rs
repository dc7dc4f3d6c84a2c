//! A stack that ends and starts again at the same address, while a peer still waits for the last ACK.

use crate::opening::passive;
use interop::gate::{Gate, Valve};
use interop::kernel;
use interop::stack::{Stack, families};
use interop::{Namespace, wait};
use linger_proto::{Counters, HostConfig, State};
use std::io::Read;
use std::net::IpAddr;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(2);
/// The kernel repeats its FIN after 200 ms, and then after twice as long each time.
const REPEATED: Duration = Duration::from_secs(10);

fn gated(namespace: &Namespace) -> (Stack, Valve) {
    let mut valve = None;
    let stack = Stack::with_device(namespace, HostConfig::default(), |tun| {
        let (gate, its_valve) = Gate::new(tun);
        valve = Some(its_valve);
        gate
    });
    (stack, valve.expect("the device was wrapped"))
}

/// A connection that linger closes first and whose last ACK is lost; then linger ends and starts again, with its
/// TIME-WAITs or without. What the next one counted until the kernel let go.
fn restarted(address: IpAddr, carried: bool) -> Counters {
    let namespace = Namespace::new();
    let (stack, valve) = gated(&namespace);
    let (ours, mut theirs) = passive(&namespace, &stack, address);
    let (local, remote) = (ours.local_addr(), ours.peer_addr());
    let closing = stack.spawn(ours.close());
    assert_eq!(theirs.read(&mut [0]).expect("the end of text"), 0);
    valve.mute();
    drop(theirs);
    assert_eq!(stack.run(closing).expect("no panic"), Ok(()));
    stack.wait_for_state(remote, State::TimeWait);
    let (net, runtime) = stack.into_parts();
    assert_eq!(runtime.block_on(net.clone().shutdown(SOON)).time_wait, 1);
    let octets = net.export_time_wait();
    // And with it the TUN.
    drop((net, runtime));
    assert!(kernel::socket(&namespace, local).starts_with("LAST-ACK"));

    let config = HostConfig::default();
    let next =
        if carried { Stack::after(&namespace, config, &octets) } else { Stack::new(&namespace, config) };
    wait::until("the kernel's end to go", REPEATED, || kernel::sockets(&namespace, local).is_empty());
    next.net().counters()
}

// requirement: 9293-QT-3
#[test]
fn fin_that_comes_again_after_a_restart_is_acknowledged_where_time_wait_was_carried_over() {
    for (_, address) in families() {
        let counters = restarted(address, true);
        assert!(counters.fin_reacked > 0, "{counters:?}");
        assert_eq!(counters.resets_sent, 0, "{counters:?}");
    }
}

#[test]
fn fin_that_comes_again_after_a_restart_is_reset_where_time_wait_was_forgotten() {
    let (_, address) = families()[0];
    let counters = restarted(address, false);
    assert_eq!((counters.fin_reacked, counters.resets_sent), (0, 1), "{counters:?}");
}
