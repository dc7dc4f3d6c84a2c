//! The kernel as the client of SYN cookies, and of a listener that holds SYNs.

use crate::at;
use crate::opening::{converse, passive};
use interop::Namespace;
use interop::kernel::connect;
use interop::stack::{Stack, brief, families};
use linger_proto::{HostConfig, ListenConfig};
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SOON: Duration = Duration::from_secs(2);
/// More than a window without a scale, several times over.
const BULK: usize = 4 << 20;

/// Every handshake is by cookie, and much text goes each way.
fn opens_by_cookies(timestamps: bool) {
    let namespace = Namespace::new();
    namespace.sysctl("net.ipv4.tcp_timestamps", if timestamps { "1" } else { "0" });
    let stack = Stack::new(&namespace, HostConfig { half_open_max: 0, ..brief() });
    for (_, address) in families() {
        let (mut ours, mut theirs) = passive(&namespace, &stack, address);
        let info = ours.info();
        assert_eq!((info.timestamps, info.sack), (timestamps, timestamps));
        let sending = std::thread::spawn(move || {
            theirs.write_all(&vec![7; BULK]).expect("written");
            let mut back = vec![0; BULK];
            theirs.read_exact(&mut back).expect("it arrives");
            assert!(back.iter().all(|octet| *octet == 8));
            theirs
        });
        let mut text = vec![0; BULK];
        stack.run(ours.read_exact(&mut text)).expect("it arrives");
        assert!(text.iter().all(|octet| *octet == 7));
        stack.run(ours.write_all(&vec![8; BULK])).expect("written");
        let theirs = sending.join().expect("the kernel's end");
        // The kernel's window has grown past what can be said without a scale, if there is one.
        assert_eq!(ours.info().snd_wnd > 0xffff, timestamps, "{:?}", ours.info());
        converse(&stack, ours, theirs);
    }
    let counters = stack.net().counters();
    assert_eq!((counters.syn_cookies_sent, counters.syn_cookies_accepted), (2, 2));
    assert_eq!(counters.syn_cookies_plain, if timestamps { 0 } else { 2 });
    assert_eq!((counters.syn_cookies_failed, counters.resets_sent), (0, 0));
    stack.assert_quiescent_within(SOON);
}

// requirement: 4987-5
// requirement: 4987-7
#[test]
fn kernel_with_timestamps_opens_by_cookies_and_keeps_window_scale_and_sack() {
    opens_by_cookies(true);
}

// requirement: 4987-7
#[test]
fn kernel_without_timestamps_opens_by_cookies_and_does_without_scale_and_sack() {
    opens_by_cookies(false);
}

#[test]
fn kernel_waits_while_its_syn_is_held_and_is_then_accepted_or_refused() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    for (_, address) in families() {
        let listen = stack.net().listen_with(at(address, 0), ListenConfig::default().hold(true));
        let listener = stack.run(listen).expect("a port is free");
        let to = listener.local_addr();
        let deciding = stack.spawn(async move {
            let incoming = listener.incoming().await.expect("a SYN");
            assert_eq!(incoming.local, to);
            // Longer than the kernel waits before it sends its SYN again.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            assert!(incoming.is_waiting());
            let accepted = incoming.accept().await.expect("the kernel is patient");
            listener.incoming().await.expect("another SYN").refuse();
            accepted
        });
        let theirs = connect(&namespace, to).expect("accepted in the end");
        let refused = connect(&namespace, to).expect_err("refused");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let ours = stack.run(deciding).expect("the task");
        converse(&stack, ours, theirs);
    }
    stack.assert_quiescent_within(SOON);
}
