//! What an application sees of shards: one stack.

use super::*;
use linger::proto::ConnectConfig;
use linger::{StackEnded, State};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(start_paused = true)]
async fn listener_takes_the_connections_of_all_shards_and_its_parts_those_of_one() {
    let queues = Queues::new(3, Habit::Only(0));
    let (net, peer) = stacks(&queues);
    assert_eq!(net.shards(), 3);
    let listener = net.listen((LEFT, 0)).await.expect("a free port");
    let address = listener.local_addr();
    let mut held = Vec::new();
    for shard in [0, 2, 1, 1] {
        queues.change(Habit::Only(shard));
        let (theirs, ours) = tokio::join!(peer.connect(address), listener.accept());
        let ours = ours.expect("accepted").0;
        assert_eq!(ours.shard(), shard);
        held.push((ours, theirs.expect("connected")));
    }
    let snapshot = net.snapshot();
    assert_eq!(snapshot.listeners.len(), 1, "one, to whoever asks");
    let mut shards: Vec<_> = snapshot.connections.iter().map(|connection| connection.shard).collect();
    shards.sort_unstable();
    assert_eq!(shards, [0, 1, 1, 2]);
    let parts = listener.into_shards();
    for (shard, part) in parts.iter().enumerate() {
        queues.change(Habit::Only(shard));
        let (theirs, ours) = tokio::join!(peer.connect(address), part.accept());
        let ours = ours.expect("accepted").0;
        assert_eq!(ours.shard(), shard);
        held.push((ours, theirs.expect("connected")));
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_that_wait_in_all_queues_are_each_woken_for_a_connection() {
    let queues = Queues::new(2, Habit::InTurn);
    let (net, peer) = stacks(&queues);
    let listener = Arc::new(net.listen(server_addr()).await.expect("free"));
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let listener = listener.clone();
            tokio::spawn(async move { listener.accept().await })
        })
        .collect();
    tokio::task::yield_now().await;
    // One who gave up while waiting everywhere takes nobody's turn.
    assert!(tokio::time::timeout(Duration::from_millis(10), listener.accept()).await.is_err());
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(peer.connect(server_addr()).await.expect("connected"));
    }
    for task in waiting {
        task.await.expect("task").expect("accepted");
    }
}

#[tokio::test(start_paused = true)]
async fn connects_go_where_they_are_called_and_never_take_the_same_port() {
    let queues = Queues::new(2, Habit::InTurn);
    let (net, peer) = stacks(&queues);
    let listener = peer.listen((RIGHT, 81)).await.expect("free");
    let mut ports = std::collections::HashSet::new();
    let mut held = Vec::new();
    for n in 0..40 {
        let (ours, theirs) = tokio::join!(net.connect(listener.local_addr()), listener.accept());
        let ours = ours.expect("connected");
        assert_eq!(ours.shard(), n % 2, "in turn");
        assert!(ports.insert(theirs.expect("accepted").1.port()));
        held.push(ours);
    }
    for shard in [1, 0, 1] {
        held.push(net.on_shard(shard).connect(listener.local_addr()).await.expect("connected"));
        assert_eq!(held.last().map(linger::TcpStream::shard), Some(shard));
    }
}

#[tokio::test(start_paused = true)]
async fn connect_that_names_its_port_meets_its_own_kind_whatever_shard_it_is_called_on() {
    let queues = Queues::new(2, Habit::InTurn);
    let (net, peer) = stacks(&queues);
    let listener = peer.listen((RIGHT, 81)).await.expect("free");
    let from = ConnectConfig::default().local((LEFT, 5_001).into());
    let first = net.on_shard(0).connect_with(listener.local_addr(), from.clone()).await.expect("connected");
    for shard in [0, 1] {
        let second = net.on_shard(shard).connect_with(listener.local_addr(), from.clone()).await;
        assert_eq!(second.expect_err("taken").kind(), ErrorKind::AddrInUse);
    }
    let theirs = listener.accept().await.expect("accepted").0;
    assert_eq!(tokio::join!(first.close(), theirs.close()), (Ok(()), Ok(())));
    assert_eq!(net.snapshot().time_wait.len(), 1);
    let again = net.on_shard(1).connect_with(listener.local_addr(), from.clone()).await;
    assert_eq!(again.expect_err("in TIME-WAIT").kind(), ErrorKind::AddrInUse);
    past_time_wait().await;
    net.on_shard(1).connect_with(listener.local_addr(), from).await.expect("free again");
}

#[tokio::test(start_paused = true)]
async fn datagrams_reach_the_socket_from_every_queue_and_whole_from_fragments() {
    let queues = Queues::new(3, Habit::InTurn);
    let (net, peer) = stacks(&queues);
    let (named, chosen) = (net.udp_bind((LEFT, 5353)).await, net.udp_bind((LEFT, 0)).await);
    let theirs = peer.udp_bind((RIGHT, 0)).await.expect("free");
    assert_eq!(net.udp_bind((LEFT, 5353)).await.expect_err("taken").kind(), ErrorKind::AddrInUse);
    let text = vec![6; 5_000];
    let mut buffer = vec![0; 10_000];
    for socket in [named.expect("free"), chosen.expect("free")] {
        for _ in 0..10 {
            theirs.send_to(&text, socket.local_addr()).await.expect("sent");
            let (length, from) = socket.recv_from(&mut buffer).await.expect("received");
            assert_eq!((length, from), (5_000, theirs.local_addr()));
            socket.send_to(b"thanks", from).await.expect("sent");
            theirs.recv_from(&mut buffer).await.expect("received");
        }
    }
    assert_eq!(net.snapshot().udp.len(), 0, "dropped");
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_all_shards_in_order_and_reports_their_sum() {
    let queues = Queues::new(2, Habit::Kernel);
    let (net, peer) = stacks(&queues);
    let listener = net.listen(server_addr()).await.expect("free");
    let mut held = Vec::new();
    for _ in 0..10 {
        let (theirs, ours) = tokio::join!(peer.connect(server_addr()), listener.accept());
        let mut theirs = theirs.expect("connected");
        held.push(ours.expect("accepted").0);
        tokio::spawn(async move {
            theirs.read_to_end(&mut Vec::new()).await.expect("FIN");
            theirs.close().await
        });
    }
    assert!(held.iter().any(|stream| stream.shard() == 0) && held.iter().any(|stream| stream.shard() == 1));
    let report = net.clone().shutdown(Duration::from_secs(10)).await;
    assert_eq!((report.closed, report.aborted, report.time_wait), (10, 0, 10));
    for stream in &mut held {
        assert_eq!(stream.write(b"x").await.expect_err("over").kind(), ErrorKind::NotConnected);
    }
    assert_eq!(net.connect((RIGHT, 81)).await.expect_err("over").kind(), ErrorKind::NotConnected);
    drop((held, listener, net, peer));
    assert_no_task_left().await;
}

#[tokio::test(start_paused = true)]
async fn drivers_end_when_the_last_handle_is_gone_and_the_last_time_wait_over() {
    let queues = Queues::new(2, Habit::Contrary);
    let (net, peer) = stacks(&queues);
    let listener = net.listen(server_addr()).await.expect("free");
    for _ in 0..8 {
        let (theirs, ours) = tokio::join!(peer.connect(server_addr()), listener.accept());
        drop(ours.expect("accepted"));
        drop(theirs.expect("connected"));
    }
    assert!(net.snapshot().connections.iter().all(|connection| connection.state != State::Established));
    drop((net, listener, peer));
    assert_no_task_left().await;
}

#[tokio::test(start_paused = true)]
async fn device_that_fails_on_one_shard_ends_them_all() {
    struct Fails(Channel, Duration);
    impl Device for Fails {
        fn capabilities(&self) -> Capabilities {
            self.0.capabilities()
        }
        fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Frame>) -> Poll<io::Result<usize>> {
            match self.0.poll_recv(cx, batch) {
                Poll::Ready(_) if self.1.is_zero() => Poll::Ready(Err(io::Error::other("pulled out"))),
                other => other,
            }
        }
        fn poll_send(&mut self, cx: &mut Context<'_>, frame: &Transmit) -> Poll<io::Result<()>> {
            self.0.poll_send(cx, frame)
        }
    }
    let queues = Queues::new(2, Habit::Only(0));
    let (near, far) = Channel::fan(2, 256, ABLE, queues.clone());
    let near = near.into_iter().zip([Duration::MAX, Duration::ZERO]).map(|(near, until)| Fails(near, until));
    let net = Net::builder().queues(near, on_the_left()).spawn().expect("inside a runtime");
    let peer = peer(far);
    let (listener, mut ours, _theirs) = connected(&net, &peer).await;
    assert_eq!(ours.shard(), 0);
    queues.change(Habit::Only(1));
    let _never = tokio::time::timeout(Duration::from_secs(1), peer.connect(server_addr())).await;
    let error = ours.read(&mut [0]).await.expect_err("over");
    let ended = error.get_ref().and_then(|inner| inner.downcast_ref::<StackEnded>());
    assert_eq!(ended.and_then(StackEnded::cause), Some("pulled out"));
    assert_eq!(listener.accept().await.expect_err("over").kind(), ErrorKind::NotConnected);
}

#[tokio::test(start_paused = true)]
async fn stack_ends_with_the_last_of_its_queues() {
    let (near, mut far): (Vec<_>, Vec<_>) = (0..2).map(|_| Channel::with_handle(8, ABLE)).unzip();
    let net = Net::builder().queues(near, on_the_left()).spawn().expect("inside a runtime");
    let listener = net.listen(server_addr()).await.expect("free");
    far.remove(0);
    let waited = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await;
    assert!(waited.is_err(), "there is another queue");
    drop(far);
    assert_eq!(listener.accept().await.expect_err("over").kind(), ErrorKind::NotConnected);
}

#[tokio::test(start_paused = true)]
async fn observer_hears_of_frames_of_every_shard() {
    let queues = Queues::new(2, Habit::InTurn);
    let (builder, far) = sharded(&queues);
    let seen = Arc::new(Mutex::new(0));
    let count = seen.clone();
    let net =
        builder.observer(move |_| *count.lock().expect("whole") += 1).spawn().expect("inside a runtime");
    let peer = peer(far);
    let (_listener, _ours, _theirs) = connected(&net, &peer).await;
    let counters = net.counters();
    assert!(*seen.lock().expect("whole") >= counters.frames_in + counters.frames_out);
}

#[test]
fn stacks_that_cannot_be_are_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a thread");
    let _runtime = runtime.enter();
    let device = |queues| Channel::fan(queues, 8, ABLE, |_: &Transmit| 0).0;
    let builder = || Net::builder().queues(device(2), on_the_left());
    let narrow = Capabilities { mtu: 1280, ..ABLE };
    let odd = device(1).into_iter().chain([Channel::pair(8, narrow).0]);
    for (refused, why) in [
        (builder().build().map(drop), "several drivers"),
        (builder().queues(device(3), on_the_left()).build_shards().map(drop), "same number"),
        (Net::builder().queues(device(0).drain(..0), on_the_left()).build_shards().map(drop), "at least one"),
        (Net::builder().queues(odd, on_the_left()).build_shards().map(drop), "differ"),
        (builder().spawn_on(&[]).map(drop), "no runtime"),
    ] {
        let error = refused.expect_err(why);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(why), "{error}");
    }
    assert_eq!(builder().build_shards().expect("good").1.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn time_waits_of_a_stack_that_ended_are_judged_in_whichever_shard_a_frame_lands() {
    let (before, client) = pair();
    let (listener, theirs, mut ours) = connected(&before, &client).await;
    let from = ours.local_addr();
    let closing = tokio::spawn(theirs.close());
    assert_eq!(ours.read(&mut [0]).await.expect("the end"), 0);
    assert_eq!(tokio::join!(ours.close(), closing).0, Ok(()));
    drop(listener);
    before.clone().shutdown(Duration::from_secs(1)).await;
    let octets = before.export_time_wait();
    let queues = Queues::new(3, Habit::Only(1));
    let (builder, far) = sharded(&queues);
    let (net, drivers) = builder.build_shards().expect("entropy");
    assert_eq!(net.import_time_wait(&octets), Ok(1));
    assert_eq!(net.import_time_wait(&octets), Err(linger::ImportError::NotFresh));
    drivers.into_iter().for_each(|driver| drop(tokio::spawn(driver)));
    let _listener = net.listen(server_addr()).await.expect("free");
    // This peer began again too: its SYN is older than the old connection, and has to wait for the end of it.
    let mut config = ConnectConfig::default();
    config.local = Some(from);
    let began = Instant::now();
    peer(far).connect_with(server_addr(), config).await.expect("connected in the end");
    assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
    let counters = net.counters();
    assert_eq!((counters.syn_refused, counters.reopened, counters.accepted), (1, 0, 1));
}
