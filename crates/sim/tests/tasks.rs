//! Tokio programs on simulated hosts: their clock, their panics, and what is captured of them.
#![cfg(feature = "tokio")]

use linger_proto::{ConnectConfig, HostConfig, Instant};
use linger_sim::{Link, Observation, Seed, Sim, Why};
use std::cell::RefCell;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn timers_of_tasks_are_exact_to_the_millisecond_and_packets_to_the_nanosecond() {
    let mut sim = Sim::new(Seed(0));
    let [a, b] = ["a", "b"].map(|name| sim.host(name, HostConfig::default()));
    sim.link(a, b, Link::new().delay(Duration::from_nanos(1_234_567)));
    let seen = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&seen);
    sim.observe(move |what: &Observation<'_>| match what {
        Observation::Sent(sent) => notes.borrow_mut().push(('s', sent.at.as_nanos())),
        Observation::Arrived(arrived) => notes.borrow_mut().push(('r', arrived.at.as_nanos())),
        _ => {}
    });
    let (from, to) = (SocketAddr::new(sim.ipv4(a), 9), SocketAddr::new(sim.ipv4(b), 9));
    sim.spawn(b, move |net| async move {
        let socket = net.udp_bind(to).await.expect("the port is free");
        let mut buffer = [0; 16];
        let (octets, peer) = socket.recv_from(&mut buffer).await.expect("a datagram");
        socket.send_to(&buffer[..octets], peer).await.expect("it leaves");
    });
    sim.spawn(a, move |net| async move {
        let socket = net.udp_bind(from).await.expect("the port is free");
        tokio::time::sleep(ms(7)).await;
        socket.send_to(b"x", to).await.expect("it leaves");
        tokio::time::sleep(ms(100)).await;
        socket.send_to(b"y", to).await.expect("it leaves");
    });
    sim.run_until_idle(ms(1_000)).expect("idle");
    let expected = [
        ('s', 7_000_000),
        ('r', 8_234_567),
        ('s', 8_234_567),
        ('r', 9_469_134),
        ('s', 107_000_000),
        ('r', 108_234_567),
    ];
    assert_eq!(seen.borrow()[..expected.len()], expected);
}

#[test]
fn panic_of_a_task_is_the_failure_of_the_run() {
    let mut sim = Sim::new(Seed(5));
    let a = sim.host("a", HostConfig::default());
    sim.spawn(a, |_net| async { panic!("the application is broken") });
    let failure = sim.run_until_idle(ms(1_000)).expect_err("a task panicked");
    let Why::Panicked(what) = &failure.why else { panic!("{failure}") };
    assert!(what.contains("the application is broken"), "{what}");
}

#[test]
fn tasks_go_on_where_they_were_when_a_run_is_continued() {
    let mut sim = Sim::new(Seed(5));
    let a = sim.host("a", HostConfig::default());
    let ticks = Rc::new(RefCell::new(0));
    let counter = Rc::clone(&ticks);
    sim.spawn(a, move |_net| async move {
        loop {
            tokio::time::sleep(ms(10)).await;
            *counter.borrow_mut() += 1;
        }
    });
    sim.run_until(ms(45)).expect("no checker");
    assert_eq!((*ticks.borrow(), sim.now()), (4, Instant::from_millis(45)));
    sim.run_for(ms(10)).expect("no checker");
    assert_eq!((*ticks.borrow(), sim.now()), (5, Instant::from_millis(55)));
}

#[test]
fn tasks_on_one_host_talk_to_an_application_that_drives_another_directly() {
    let mut sim = Sim::new(Seed(5));
    let [a, b] = ["a", "b"].map(|name| sim.host(name, HostConfig::default()));
    sim.link(a, b, Link::new().delay(ms(1)));
    let at = SocketAddr::new(sim.ipv6(a), 80);
    sim.spawn(a, move |net| async move {
        let listener = net.listen(at).await.expect("the port is free");
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await.expect("its text");
        assert_eq!(text, b"hello");
        stream.write_all(b"and good-bye").await.expect("it is taken");
        stream.close().await.expect("in order");
    });
    let id = sim.with(b, |now, host| host.connect(now, at, ConnectConfig::default()).expect("a route"));
    sim.at(ms(10), b, move |now, host| {
        let mut stream = host.stream(id).expect("established");
        assert_eq!(stream.write(now, b"hello"), Ok(5));
        stream.shutdown(now).expect("it is open");
    });
    sim.at(ms(20), b, move |now, host| {
        let mut stream = host.stream(id).expect("half-closed");
        let text = stream.read_chunk(now, 100).expect("the reply");
        assert_eq!(text.as_deref(), Some(&b"and good-bye"[..]));
        stream.close(now);
    });
    sim.run_until_idle(ms(200_000)).expect("idle");
}

#[test]
#[should_panic(expected = "has tasks and takes no App")]
fn host_with_tasks_takes_no_app() {
    let mut sim = Sim::new(Seed(0));
    let a = sim.host("a", HostConfig::default());
    sim.spawn(a, |_net| async {});
    sim.app(a, |_now: Instant, _host: &mut linger_proto::Host, _event: linger_proto::Event| {});
}

/// A disk that is full.
struct Full;

impl Write for Full {
    fn write(&mut self, _octets: &[u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn capture_that_cannot_be_written_is_told() {
    let mut sim = Sim::new(Seed(0));
    let [a, b] = ["a", "b"].map(|name| sim.host(name, HostConfig::default()));
    let link = sim.link(a, b, Link::new());
    sim.capture(link, Full);
    let to = SocketAddr::new(sim.ipv4(b), 9);
    sim.with(a, |now, host| host.connect(now, to, ConnectConfig::default()).expect("a route"));
    let failure = sim.run_until_idle(ms(1_000)).expect_err("nothing can be written");
    assert_eq!(failure.why, Why::Capture("the disk is full".to_owned()));
}
