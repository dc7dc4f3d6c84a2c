//! The relay: FIN and RST carried through, both ways.

mod common;

use common::*;
use linger::{Net, Relayed, TcpStream, copy_bidirectional};
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// Client and backend with a relay between them: the relay accepts on port 80 and connects to port 81 of the other
/// stack.
struct Proxied {
    client: TcpStream,
    backend: TcpStream,
    relay: JoinHandle<io::Result<Relayed>>,
    left: Net,
    right: Net,
}

async fn proxied() -> Proxied {
    let (left, right) = pair();
    let (backends, front) = (right.listen((RIGHT, 81)).await, left.listen(server_addr()).await);
    let (backends, front) = (backends.expect("free"), front.expect("free"));
    let proxy = left.clone();
    let relay = tokio::spawn(async move {
        let (inbound, _) = front.accept().await?;
        let outbound = proxy.connect((RIGHT, 81)).await?;
        copy_bidirectional(inbound, outbound).await
    });
    let (client, backend) = tokio::join!(right.connect(server_addr()), backends.accept());
    Proxied { client: client.expect("connected"), backend: backend.expect("accepted").0, relay, left, right }
}

#[tokio::test(start_paused = true)]
async fn fin_of_the_client_reaches_the_backend_and_the_reply_goes_on() {
    let Proxied { mut client, mut backend, relay, left, right } = proxied().await;
    client.write_all(b"question").await.expect("written");
    client.shutdown().await.expect("half closed");
    let mut question = String::new();
    backend.read_to_string(&mut question).await.expect("text, then FIN");
    assert_eq!(question, "question");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!relay.is_finished(), "the other direction is open");
    let reply = vec![3; 500_000];
    let (written, read) = tokio::join!(
        async {
            backend.write_all(&reply).await?;
            backend.shutdown().await
        },
        async {
            let mut back = Vec::new();
            client.read_to_end(&mut back).await.map(|_| back)
        }
    );
    written.expect("written");
    assert_eq!(read.expect("read"), reply);
    let relayed = relay.await.expect("task").expect("both ends closed in order");
    assert_eq!(relayed, Relayed { a_to_b: 8, b_to_a: 500_000 });
    let (one, two) = tokio::join!(client.close(), backend.close());
    assert_eq!((one, two), (Ok(()), Ok(())));
    past_time_wait().await;
    assert!(left.snapshot().connections.is_empty());
    right.assert_quiescent();
}

#[tokio::test(start_paused = true)]
async fn fin_of_the_backend_reaches_the_client_and_the_request_goes_on() {
    let Proxied { mut client, mut backend, relay, .. } = proxied().await;
    backend.shutdown().await.expect("half closed");
    assert_eq!(client.read(&mut [0]).await.expect("FIN"), 0);
    client.write_all(b"after your FIN").await.expect("written");
    client.shutdown().await.expect("half closed");
    let mut text = String::new();
    backend.read_to_string(&mut text).await.expect("text, then FIN");
    assert_eq!(text, "after your FIN");
    assert_eq!(relay.await.expect("task").expect("in order").a_to_b, 14);
}

#[tokio::test(start_paused = true)]
async fn rst_of_the_client_reaches_the_backend() {
    let Proxied { mut client, mut backend, relay, left, .. } = proxied().await;
    client.write_all(b"x").await.expect("written");
    let mut byte = [0];
    backend.read_exact(&mut byte).await.expect("through");
    client.abort();
    assert_eq!(backend.read(&mut byte).await.expect_err("RST").kind(), ErrorKind::ConnectionReset);
    assert_eq!(relay.await.expect("task").expect_err("failed").kind(), ErrorKind::ConnectionReset);
    assert!(left.snapshot().connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn rst_of_the_backend_reaches_the_client() {
    let Proxied { mut client, mut backend, relay, left, .. } = proxied().await;
    backend.write_all(b"half a reply").await.expect("written");
    let mut text = [0; 12];
    client.read_exact(&mut text).await.expect("through");
    backend.abort();
    assert_eq!(
        client.read(&mut text).await.expect_err("RST, not an end of text").kind(),
        ErrorKind::ConnectionReset
    );
    assert_eq!(relay.await.expect("task").expect_err("failed").kind(), ErrorKind::ConnectionReset);
    assert!(left.snapshot().connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn rst_is_noticed_while_the_relay_waits_for_the_other_side_to_read() {
    let Proxied { mut client, mut backend, relay, .. } = proxied().await;
    // Nobody reads at the client: the relay and both its connections fill up.
    let pour = tokio::spawn(async move {
        let text = vec![0; 1 << 20];
        loop {
            if backend.write_all(&text).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
            if backend.info().send_queue > 2 << 20 {
                backend.abort();
                return;
            }
        }
    });
    pour.await.expect("task");
    let failed = tokio::time::timeout(Duration::from_secs(1), relay).await.expect("noticed at once");
    assert_eq!(failed.expect("task").expect_err("failed").kind(), ErrorKind::ConnectionReset);
    let mut rest = Vec::new();
    assert_eq!(client.read_to_end(&mut rest).await.expect_err("RST").kind(), ErrorKind::ConnectionReset);
}

/// The other side may be a socket of the kernel: over the loopback of a network namespace of its own, in which this
/// test runs itself again.
#[cfg(target_os = "linux")]
#[test]
fn rst_is_carried_into_and_out_of_kernel_sockets() {
    const INSIDE: &str = "LINGER_TEST_IN_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        return runtime.block_on(kernel_sockets());
    }
    let alone = |flags: &str, program: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args([flags, "sh", "-c", program]).env(INSIDE, "1");
        command
    };
    // Root needs no namespace of users, and may not be given one.
    let flags =
        if alone("-n", "true").output().is_ok_and(|done| done.status.success()) { "-n" } else { "-rn" };
    let done = alone(
        flags,
        "ip link set lo up && exec \"$0\" --exact rst_is_carried_into_and_out_of_kernel_sockets",
    )
    .arg(std::env::current_exe().expect("this test"))
    .output()
    .expect("unshare (util-linux) and ip (iproute2)");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[cfg(target_os = "linux")]
async fn kernel_sockets() {
    let (left, right) = pair();
    let kernel = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let kernel_addr = kernel.local_addr().expect("bound");
    let listener = left.listen(server_addr()).await.expect("free");

    for ours_fails in [true, false] {
        let (ours, theirs) = tokio::join!(right.connect(server_addr()), listener.accept());
        let (mut ours, theirs) = (ours.expect("connected"), theirs.expect("accepted").0);
        let (outbound, accepted) = tokio::join!(tokio::net::TcpStream::connect(kernel_addr), kernel.accept());
        let mut backend = accepted.expect("accepted").0;
        let relay = tokio::spawn(copy_bidirectional(theirs, outbound.expect("connected")));
        ours.write_all(b"x").await.expect("written");
        let mut byte = [0];
        backend.read_exact(&mut byte).await.expect("through the relay");
        let error = if ours_fails {
            ours.abort();
            backend.read(&mut byte).await.expect_err("RST")
        } else {
            backend.set_zero_linger().expect("set");
            drop(backend);
            ours.read(&mut byte).await.expect_err("RST")
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(relay.await.expect("task").is_err());
    }
}
