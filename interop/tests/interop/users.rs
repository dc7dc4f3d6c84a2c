//! What broke for users of other stacks and needs a kernel to be seen. The table is in `crates/sim/tests/users/main.rs`.

use crate::at;
use interop::stack::{INTERFACE, Stack, brief};
use interop::{LINGER, Namespace, kernel, wait};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// wireguard-go #101, sing-tun #85: the stack was gone, its goroutines and descriptors were not.
#[test]
fn dropping_the_whole_stack_frees_its_tasks_and_the_descriptor_of_its_tun() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    let local = at(LINGER[0], 80);
    let listener = stack.run(stack.net().listen(local)).expect("the port is free");
    let theirs = kernel::connect(&namespace, local).expect("it listens");
    let (mut ours, _) = stack.run(listener.accept()).expect("it came");
    stack.run(ours.write_all(b"something under way")).expect("it is open");
    let (net, runtime) = stack.into_parts();
    let link = || {
        let mut show = namespace.command("ip");
        show.args(["link", "show", "dev", INTERFACE]).output().expect("ip is installed").status.success()
    };
    let tasks = || runtime.metrics().num_alive_tasks();
    assert!(tasks() > 0 && link(), "the driver runs");
    drop((ours, listener, net));
    // What was written still leaves; the last of the connection ends when the peer does.
    drop(theirs);
    wait::until("the end of every task", Duration::from_secs(10), || tasks() == 0);
    // A TUN that is not persistent lives as long as a descriptor of it is open.
    wait::until("the end of the TUN", Duration::from_secs(10), || !link());
}
