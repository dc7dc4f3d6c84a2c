//! A proxy on linger between two sockets of the kernel: what one side does, the other sees.

use crate::opening::{active, passive};
use interop::content::{Content, sum};
use interop::stack::{Stack, brief, families};
use interop::{Namespace, kernel};
use linger::{Relayed, copy_bidirectional};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(2);
const LONG: u64 = 8 << 20;

/// A client and a server of the kernel, one in each family, and the relay between them.
fn relayed(
    namespace: &Namespace,
    stack: &Stack,
) -> (TcpStream, TcpStream, JoinHandle<std::io::Result<Relayed>>) {
    let [(_, linger4), (kernel6, _)] = families();
    let (from_client, client) = passive(namespace, stack, linger4);
    let (to_server, server) = active(namespace, stack, kernel6);
    (client, server, stack.spawn(copy_bidirectional(from_client, to_server)))
}

#[test]
fn relay_passes_a_half_close_on_and_then_the_whole_reply() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    let (mut client, mut server, relay) = relayed(&namespace, &stack);
    client.write_all(b"all of it, please").expect("written");
    client.shutdown(Shutdown::Write).expect("it is open");
    let answering = std::thread::spawn(move || {
        let mut request = String::new();
        server.read_to_string(&mut request).expect("the end of the request is no error");
        std::io::copy(&mut Content::new(LONG, 11), &mut server).expect("the relay takes it");
        request
    });
    assert_eq!(sum(&client).expect("it arrives"), sum(Content::new(LONG, 11)).expect("content never fails"));
    assert_eq!(answering.join().expect("no panic"), "all of it, please");
    drop(client);
    let carried = stack.run(relay).expect("no panic").expect("both ended in order");
    assert_eq!((carried.a_to_b, carried.b_to_a), (17, LONG));
    stack.assert_quiescent_within(SOON);
}

#[test]
fn relay_turns_the_reset_of_one_side_into_a_reset_of_the_other() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    let (client, mut server, relay) = relayed(&namespace, &stack);
    kernel::reset(client);
    let error = server.read(&mut [0]).expect_err("the failure is passed on");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let error = stack.run(relay).expect("no panic").expect_err("the client has reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    stack.assert_quiescent_within(Duration::ZERO);
}
