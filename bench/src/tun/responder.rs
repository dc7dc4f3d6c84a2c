//! The smallest server there can be: one thread, one host, one queue of a TUN.

use super::service::Service;
use super::{INTERFACE, KERNEL, PREFIX, QUEUE, STACK};
use linger_device::{Device, Tun};
use linger_proto::{Frame, Host, HostConfig, Instant, InterfaceConfig, Secret, Transmit};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::time::Duration;

/// Serves for ever: reads what waits, hands it to the host at once, serves what became of it, sends what is due, and
/// sleeps when there is nothing.
///
/// # Errors
/// When the TUN cannot be made or is deleted, or the system has no entropy.
pub fn respond(offload: bool) -> io::Result<()> {
    let mut tun =
        Tun::builder().name(INTERFACE).address(KERNEL, PREFIX).offload(offload).tx_queue_len(QUEUE).open()?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    let mut host = Host::new(HostConfig::default(), Secret::from_bytes(secret));
    let able = tun.capabilities();
    let interface = host.add_interface(InterfaceConfig {
        addresses: vec![(STACK, PREFIX)],
        mtu: able.mtu,
        checksum_offload: able.checksum_offload,
        segmentation_offload: able.segmentation_offload,
        ..InterfaceConfig::default()
    });
    let mut service = Service::listen(&mut host).map_err(io::Error::other)?;
    let epoch = std::time::Instant::now();
    let (mut batch, mut out) = (Vec::<Frame>::new(), Transmit::default());
    loop {
        tun.try_recv(&mut batch)?;
        let idle = batch.is_empty();
        // One reading for the whole round.
        let now = Instant::ZERO + epoch.elapsed();
        if !idle {
            host.handle_frames(now, interface, &mut batch.drain(..));
        }
        let due = host.poll_timeout();
        if due.is_some_and(|due| due <= now) {
            host.handle_timeout(now);
        }
        while let Some(event) = host.poll_event() {
            service.handle(&mut host, now, event);
        }
        while host.poll_transmit(now, &mut out) {
            send(&tun, &out)?;
        }
        // Not after a round that had work: while it was done more has mostly come, and looking is cheaper than waiting.
        if idle && !host.has_work() {
            let wait = host.poll_timeout().map(|due| due.since(Instant::ZERO + epoch.elapsed()));
            sleep(&tun, PollFlags::IN, wait)?;
        }
    }
}

fn send(tun: &Tun, out: &Transmit) -> io::Result<()> {
    loop {
        match tun.try_send(out) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(tun, PollFlags::OUT, None)?,
            result => return result,
        }
    }
}

/// Waits until the TUN is ready for `what`, or for as long as `most` says.
fn sleep(tun: &Tun, what: PollFlags, most: Option<Duration>) -> io::Result<()> {
    let most = most.and_then(|most| Timespec::try_from(most).ok());
    match poll(&mut [PollFd::new(tun, what)], most.as_ref()) {
        Err(rustix::io::Errno::INTR) => Ok(()),
        result => Ok(result.map(drop)?),
    }
}
