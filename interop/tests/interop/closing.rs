//! FIN and RST from either side.

use crate::opening::{active, passive};
use interop::content::{Content, sum};
use interop::gate::Gate;
use interop::kernel;
use interop::stack::{Stack, brief, families};
use interop::{Namespace, wait};
use linger_proto::{CloseReason, HostConfig, State};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SOON: Duration = Duration::from_secs(2);
/// More than fits into any buffer between the two ends.
const LONG: u64 = 24 << 20;

/// Sums what `reader` gives until its end, without holding it.
async fn sum_of(mut reader: impl tokio::io::AsyncRead + Unpin) -> std::io::Result<(String, u64)> {
    use sha2::{Digest, Sha256};
    let (mut digest, mut length, mut block) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let octets = reader.read(&mut block).await?;
        if octets == 0 {
            return Ok((interop::content::hex(&digest.finalize()), length));
        }
        digest.update(&block[..octets]);
        length += octets as u64;
    }
}

/// The whole of a [`Content`] in pieces.
fn pieces() -> Vec<Vec<u8>> {
    let mut source = Content::new(LONG, 1);
    let mut pieces = Vec::new();
    loop {
        let mut piece = vec![0; 1 << 16];
        let octets = source.read(&mut piece).expect("content never fails");
        if octets == 0 {
            return pieces;
        }
        piece.truncate(octets);
        pieces.push(piece);
    }
}

#[test]
fn kernel_that_has_closed_its_half_still_receives_the_whole_reply() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    let wanted = sum(Content::new(LONG, 1)).expect("content never fails");
    for (_, address) in families() {
        let (mut ours, mut theirs) = passive(&namespace, &stack, address);
        theirs.write_all(b"all of it, please").expect("written");
        theirs.shutdown(Shutdown::Write).expect("it is open");
        let answering = stack.spawn(async move {
            let mut request = String::new();
            ours.read_to_string(&mut request).await.expect("the end of the request is no error");
            assert_eq!(request, "all of it, please");
            for piece in pieces() {
                ours.write_all(&piece).await.expect("the peer still reads");
            }
            ours.close().await
        });
        assert_eq!(sum(&theirs).expect("it arrives"), wanted, "{address}");
        drop(theirs);
        assert_eq!(stack.run(answering).expect("no panic"), Ok(()));
    }
    stack.assert_quiescent_within(SOON);
}

#[test]
fn linger_that_has_closed_its_half_still_receives_the_whole_reply() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    let wanted = sum(Content::new(LONG, 1)).expect("content never fails");
    for (address, _) in families() {
        let (mut ours, mut theirs) = active(&namespace, &stack, address);
        stack.run(ours.write_all(b"all of it, please")).expect("written");
        stack.run(ours.shutdown()).expect("it is open");
        let remote = ours.peer_addr();
        let answering = std::thread::spawn(move || {
            let mut request = String::new();
            theirs.read_to_string(&mut request).expect("the end of the request is no error");
            assert_eq!(request, "all of it, please");
            for piece in pieces() {
                theirs.write_all(&piece).expect("the peer still reads");
            }
        });
        assert_eq!(stack.run(sum_of(&mut ours)).expect("it arrives"), wanted, "{address}");
        answering.join().expect("no panic");
        stack.wait_for_state(remote, State::TimeWait);
        assert_eq!(stack.run(ours.close()), Ok(()));
    }
    stack.assert_quiescent_within(SOON);
}

#[test]
fn states_follow_the_rfc_when_linger_closes_first() {
    let namespace = Namespace::new();
    let mut config = HostConfig::default();
    config.tcp.msl = Duration::from_secs(1);
    let stack = Stack::new(&namespace, config);
    for (_, address) in families() {
        let (ours, theirs) = passive(&namespace, &stack, address);
        let remote = ours.peer_addr();
        stack.wait_for_state(remote, State::Established);
        let closing = stack.spawn(ours.close());
        stack.wait_for_state(remote, State::FinWait2);
        drop(theirs);
        assert_eq!(stack.run(closing).expect("no panic"), Ok(()));
        stack.wait_for_state(remote, State::TimeWait);
    }
    // Two seconds from the last entry into TIME-WAIT.
    stack.assert_quiescent_within(Duration::from_secs(4));
}

#[test]
fn states_follow_the_rfc_when_the_kernel_closes_first() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, HostConfig::default());
    for (_, address) in families() {
        let (mut ours, theirs) = passive(&namespace, &stack, address);
        let (local, remote) = (ours.local_addr(), ours.peer_addr());
        drop(theirs);
        assert_eq!(stack.run(ours.read(&mut [0])).expect("the end of text is no error"), 0);
        assert_eq!(stack.state(remote), State::CloseWait);
        assert_eq!(stack.run(ours.close()), Ok(()));
        // Whoever closes second forgets at once, whatever the MSL.
        assert_eq!(stack.state(remote), State::Closed);
        assert!(kernel::socket(&namespace, local).starts_with("TIME-WAIT"));
    }
    stack.assert_quiescent_within(Duration::ZERO);
}

#[test]
fn reset_by_the_kernel_is_an_error_for_the_application() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    for (_, address) in families() {
        let (mut ours, theirs) = passive(&namespace, &stack, address);
        kernel::reset(theirs);
        let error = stack.run(ours.read(&mut [0])).expect_err("the peer has reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(stack.run(ours.close()), Err(CloseReason::Reset));
    }
    stack.assert_quiescent_within(Duration::ZERO);
}

#[test]
fn abort_resets_the_kernels_end() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    for (address, _) in families() {
        let (ours, mut theirs) = active(&namespace, &stack, address);
        ours.abort();
        let error = theirs.read(&mut [0]).expect_err("the peer has reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    stack.assert_quiescent_within(Duration::ZERO);
}

#[test]
fn close_with_unread_text_resets_the_kernels_end() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    let (_, address) = families()[0];
    let (ours, mut theirs) = passive(&namespace, &stack, address);
    theirs.write_all(b"nobody will read this").expect("written");
    wait::until("the text to arrive", SOON, || ours.info().recv_queue > 0);
    assert_eq!(stack.run(ours.close()), Err(CloseReason::Aborted));
    let error = theirs.read(&mut [0]).expect_err("the peer has reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    stack.assert_quiescent_within(Duration::ZERO);
}

#[test]
fn fins_that_cross_put_both_ends_into_time_wait() {
    let namespace = Namespace::new();
    let mut config = HostConfig::default();
    config.tcp.msl = Duration::from_secs(1);
    let mut valve = None;
    let stack = Stack::with_device(&namespace, config, |tun| {
        let (gate, its_valve) = Gate::new(tun);
        valve = Some(its_valve);
        gate
    });
    let valve = valve.expect("the device was wrapped");
    for (_, address) in families() {
        let (ours, theirs) = passive(&namespace, &stack, address);
        let (local, remote) = (ours.local_addr(), ours.peer_addr());
        valve.shut();
        theirs.shutdown(Shutdown::Write).expect("it is open");
        // The kernel's FIN waits at the gate when ours leaves: each closes before it has heard of the other's.
        wait::until("the kernel's FIN-WAIT-1", SOON, || {
            kernel::socket(&namespace, local).starts_with("FIN-WAIT-1")
        });
        let closing = stack.spawn(ours.close());
        wait::until("the kernel's CLOSING", SOON, || {
            kernel::socket(&namespace, local).starts_with("CLOSING")
        });
        assert_eq!(stack.state(remote), State::FinWait1);
        valve.open();
        assert_eq!(stack.run(closing).expect("no panic"), Ok(()));
        stack.wait_for_state(remote, State::TimeWait);
        wait::until("the kernel's TIME-WAIT", SOON, || {
            kernel::socket(&namespace, local).starts_with("TIME-WAIT")
        });
    }
    stack.assert_quiescent_within(Duration::from_secs(4));
}

#[test]
fn time_wait_is_reopened_by_a_new_connection_from_the_same_port() {
    let namespace = Namespace::new();
    let mut config = HostConfig::default();
    config.tcp.msl = Duration::from_secs(2);
    let stack = Stack::new(&namespace, config);
    namespace.sysctl("net.ipv4.ip_local_port_range", "40000 40001");
    let (_, address) = families()[0];
    let listener = stack.run(stack.net().listen((address, 80))).expect("the port is free");
    for _ in 0..6 {
        let theirs = kernel::connect(&namespace, listener.local_addr()).expect("TIME-WAIT gives way");
        let (ours, _) = stack.run(listener.accept()).expect("it came");
        let closing = stack.spawn(ours.close());
        stack.wait_for_state(theirs.local_addr().expect("it is bound"), State::FinWait2);
        drop(theirs);
        assert_eq!(stack.run(closing).expect("no panic"), Ok(()));
    }
    assert!(stack.net().counters().reopened >= 4, "{:?}", stack.net().counters());
    drop(listener);
    stack.assert_quiescent_within(Duration::from_secs(6));
}
