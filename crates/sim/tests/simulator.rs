//! The simulator itself: links, faults, schedule, checkers, failures. Applications drive their hosts directly.

use bytes::Bytes;
use linger_proto::{
    ConnectConfig, ConnectionId, Event, Host, HostConfig, Instant, ListenConfig, ReadError, State, TcpConfig,
};
use linger_sim::check::{DropsCounted, Quiescent, StreamKey, Streams};
use linger_sim::{
    App, Checker, HostId, Link, Loss, Observation, Packet, Seed, Sim, Verdict, Violation, Why, fault,
};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Sends a text and closes; notes it in the ledger.
struct Source {
    to: SocketAddr,
    text: Bytes,
    ledger: Streams,
    connection: Option<ConnectionId>,
}

impl Source {
    fn push(&mut self, now: Instant, host: &mut Host) {
        let Some(mut stream) = self.connection.and_then(|id| host.stream(id)) else { return };
        while !self.text.is_empty() {
            let before = self.text.clone();
            let Ok(taken) = stream.write_chunk(now, &mut self.text) else { return };
            self.ledger.written(StreamKey(1), &before[..taken]);
        }
        stream.close(now);
        self.connection = None;
    }
}

impl App for Source {
    fn on_start(&mut self, now: Instant, host: &mut Host) {
        self.connection = host.connect(now, self.to, ConnectConfig::default()).ok();
    }

    fn on_event(&mut self, now: Instant, host: &mut Host, event: Event) {
        if matches!(event, Event::Connected(_) | Event::Writable(_)) {
            self.push(now, host);
        }
    }
}

/// Accepts connections, reads to the end of text and closes; notes what it read in the ledger.
struct Sink {
    at: SocketAddr,
    ledger: Streams,
}

impl App for Sink {
    fn on_start(&mut self, _now: Instant, host: &mut Host) {
        host.listen(self.at, ListenConfig::default()).expect("the port is free");
    }

    fn on_event(&mut self, now: Instant, host: &mut Host, event: Event) {
        let id = match event {
            Event::Incoming(listener) => host.accept(listener),
            Event::Readable(id) => Some(id),
            _ => None,
        };
        let Some(mut stream) = id.and_then(|id| host.stream(id)) else { return };
        loop {
            match stream.read_chunk(now, 65_536) {
                Ok(Some(text)) => self.ledger.read(StreamKey(1), &text),
                Ok(None) => {
                    self.ledger.ended(StreamKey(1));
                    return stream.close(now);
                }
                Err(ReadError::Blocked) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn text(octets: usize) -> Bytes {
    (0..octets).map(|octet| (octet * 31 % 253).to_le_bytes()[0]).collect()
}

/// Two hosts, the second listening, the first sending `octets` octets; and the ledger of both.
fn transfer(seed: u64, octets: usize, v6: bool, link: impl FnOnce(Link) -> Link) -> (Sim, Streams) {
    let mut sim = Sim::new(Seed(seed));
    let config = HostConfig {
        tcp: TcpConfig { msl: Duration::ZERO, ..TcpConfig::default() },
        ..HostConfig::default()
    };
    let [a, b] = ["a", "b"].map(|name| sim.host(name, config.clone()));
    sim.link(a, b, link(Link::new().delay(ms(10))));
    let ledger = Streams::new();
    let at = SocketAddr::new(if v6 { sim.ipv6(b) } else { sim.ipv4(b) }, 7);
    sim.app(b, Sink { at, ledger: ledger.clone() });
    sim.app(a, Source { to: at, text: text(octets), ledger: ledger.clone(), connection: None });
    sim.check(ledger.clone());
    sim.check(Quiescent);
    let drops = DropsCounted::new();
    sim.observe(drops.clone());
    sim.check(drops);
    (sim, ledger)
}

#[test]
fn addresses_follow_the_order_of_hosts() {
    let mut sim = Sim::new(Seed(0));
    let hosts: Vec<HostId> = (0..300).map(|_| sim.host("x", HostConfig::default())).collect();
    assert_eq!(sim.ipv4(hosts[0]).to_string(), "10.0.0.1");
    assert_eq!(sim.ipv6(hosts[1]).to_string(), "fd00::2");
    assert_eq!(sim.ipv4(hosts[299]).to_string(), "10.0.1.44");
}

#[test]
fn text_arrives_whole_over_a_good_link_of_either_family() {
    for v6 in [false, true] {
        let (mut sim, ledger) = transfer(1, 300_000, v6, |link| link);
        let report = sim.run_until_idle(ms(60_000)).expect("idle");
        assert!(ledger.complete(StreamKey(1)));
        assert!(report.steps > 200 && report.ended_at < Instant::from_millis(60_000), "{report:?}");
    }
}

#[test]
fn text_arrives_whole_over_bad_links_with_every_seed_and_the_same_seed_repeats_itself() {
    for seed in 0..25 {
        let run = || {
            let (mut sim, ledger) = transfer(seed, 60_000, seed % 2 == 1, |link| {
                link.rate_bps(10_000_000)
                    .jitter(ms(0)..ms(3))
                    .queue_packets(20)
                    .fault(fault::loss(0.03))
                    .fault(fault::duplicate(0.03))
                    .fault(fault::reorder(0.03, ms(15)))
                    .fault(fault::corrupt(0.03))
            });
            let report = sim.run_until_idle(Duration::from_secs(3600)).unwrap_or_else(|why| panic!("{why}"));
            assert!(ledger.complete(StreamKey(1)), "seed {seed}");
            report
        };
        assert_eq!(run(), run(), "seed {seed}");
    }
}

/// When each packet that `a` sends, all at time zero, arrives at `b`: UDP datagrams of `octets` octets of text.
fn arrivals(link: Link, count: usize, octets: usize) -> Vec<(u64, Option<Loss>)> {
    let mut sim = Sim::new(Seed(3));
    let [a, b] = ["a", "b"].map(|name| sim.host(name, HostConfig::default()));
    sim.link(a, b, link);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&seen);
    sim.observe(move |what: &Observation<'_>| match what {
        Observation::Arrived(arrived) if arrived.to == b => {
            notes.borrow_mut().push((arrived.at.as_micros(), None));
        }
        Observation::Sent(sent) if sent.from == a && sent.fate.is_err() => {
            notes.borrow_mut().push((sent.at.as_micros(), sent.fate.err()));
        }
        _ => {}
    });
    let to = SocketAddr::new(sim.ipv4(b), 9);
    let from = SocketAddr::new(sim.ipv4(a), 9);
    sim.with(a, |now, host| {
        let id = host.udp_bind(now, from).expect("the port is free");
        for _ in 0..count {
            host.udp_send(now, id, to, Bytes::from(vec![0; octets])).expect("there is room");
        }
    });
    sim.run_until(ms(10_000)).expect("no checker");
    seen.borrow().clone()
}

#[test]
fn delay_rate_and_queue_decide_when_packets_arrive() {
    assert_eq!(arrivals(Link::new().delay(ms(5)), 2, 72), [(5_000, None), (5_000, None)]);
    // 100 octets a packet at 100 kbit/s are 8 ms each.
    let slow = || Link::new().delay(ms(5)).rate_bps(100_000);
    assert_eq!(arrivals(slow(), 3, 72), [(13_000, None), (21_000, None), (29_000, None)]);
    let full = arrivals(slow().queue_packets(1), 4, 72);
    let lost = (0, Some(Loss::QueueFull));
    assert_eq!(full, [lost, lost, (13_000, None), (21_000, None)], "one is being sent, one waits");
}

#[test]
fn jitter_keeps_packets_in_order() {
    let times = arrivals(Link::new().jitter(ms(0)..ms(50)), 50, 10);
    assert!(times.is_sorted_by_key(|(at, _)| *at) && times.len() == 50, "{times:?}");
    assert!(times[0].0 < times[49].0);
}

#[test]
fn faults_of_one_link_combine() {
    let closure = |verdict: Verdict| {
        move |_now: Instant, packet: &Packet<'_>| match packet.from.index() {
            0 => verdict,
            _ => Verdict::Pass,
        }
    };
    let link = Link::new()
        .delay(ms(1))
        .fault(closure(Verdict::Delay(ms(2))))
        .fault(closure(Verdict::Duplicate { after: ms(3) }))
        .fault(closure(Verdict::Delay(ms(4))));
    assert_eq!(arrivals(link, 1, 10), [(7_000, None), (10_000, None)]);
    let link = Link::new().fault(closure(Verdict::Duplicate { after: ms(3) })).fault(closure(Verdict::Drop));
    assert_eq!(arrivals(link, 1, 10), [(0, Some(Loss::Fault))]);
}

#[test]
fn seeded_faults_strike_about_as_often_as_they_are_told_to() {
    let lost = |link: Link| arrivals(link, 100, 10).iter().filter(|(_, loss)| loss.is_some()).count();
    assert_eq!(lost(Link::new()), 0);
    assert_eq!(lost(Link::new().fault(fault::loss(1.0))), 100);
    let half = lost(Link::new().fault(fault::loss(0.5)));
    assert!((30..=70).contains(&half), "{half}");
    assert_eq!(arrivals(Link::new().fault(fault::duplicate(1.0)), 10, 10).len(), 20);
}

#[test]
fn corrupted_packet_is_dropped_by_its_receiver_with_a_reason() {
    let mut sim = Sim::new(Seed(3));
    let [a, b] = ["a", "b"].map(|name| sim.host(name, HostConfig::default()));
    sim.link(a, b, Link::new().fault(fault::corrupt(1.0)));
    let drops = DropsCounted::new();
    sim.observe(drops.clone());
    sim.check(drops);
    let to = SocketAddr::new(sim.ipv4(b), 9);
    sim.with(a, |now, host| host.connect(now, to, ConnectConfig::default()).expect("a route"));
    sim.run_until(ms(10_000)).expect("every reason is counted");
    let (frames, dropped) = sim.with(b, |_, host| (host.counters().frames_in, host.counters().drops.total()));
    assert!(frames > 2 && dropped == frames, "{dropped} of {frames}");
}

#[test]
fn packet_for_nobody_is_lost_and_told() {
    let mut sim = Sim::new(Seed(3));
    let [a, b, c] = ["a", "b", "c"].map(|name| sim.host(name, HostConfig::default()));
    sim.link(a, b, Link::new());
    let fates = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&fates);
    sim.observe(move |what: &Observation<'_>| {
        if let Observation::Sent(sent) = what {
            notes.borrow_mut().push((sent.to.index(), sent.fate));
        }
    });
    let to = SocketAddr::new(sim.ipv4(c), 9);
    sim.with(a, |now, host| host.connect(now, to, ConnectConfig::default()).expect("on the same prefix"));
    assert_eq!(fates.borrow()[..], [(2, Err(Loss::NoLink))]);
}

#[test]
fn calls_happen_at_their_time_in_the_order_they_were_made() {
    let mut sim = Sim::new(Seed(0));
    let a = sim.host("a", HostConfig::default());
    let order = Rc::new(RefCell::new(Vec::new()));
    for (time, name) in [(20, 'c'), (10, 'a'), (20, 'd'), (10, 'b')] {
        let order = Rc::clone(&order);
        sim.at(ms(time), a, move |now, _| order.borrow_mut().push((now.as_millis(), name)));
    }
    let report = sim.run_until_idle(ms(100)).expect("idle");
    assert_eq!(order.borrow()[..], [(10, 'a'), (10, 'b'), (20, 'c'), (20, 'd')]);
    assert_eq!((report.steps, report.ended_at), (4, Instant::from_millis(20)));
}

/// Fails once a host has a connection in the given state.
struct Never(State);

impl Checker for Never {
    fn after_step(&mut self, now: Instant, hosts: &[&Host]) -> Result<(), Violation> {
        for (index, host) in hosts.iter().enumerate() {
            if host.snapshot(now).connections.iter().any(|connection| connection.state == self.0) {
                return Err(Violation(format!("host {index} is in {}", self.0)));
            }
        }
        Ok(())
    }
}

#[test]
fn broken_invariant_names_the_seed_the_step_and_the_time() {
    let (mut sim, _) = transfer(77, 1_000, false, |link| link);
    sim.check(Never(State::FinWait1));
    let failure = sim.run_until_idle(ms(60_000)).expect_err("the first host closes as soon as it can");
    assert_eq!((failure.seed, failure.now), (Seed(77), Instant::from_millis(20)));
    assert_eq!(failure.why, Why::Violation(Violation("host 0 is in FIN-WAIT-1".to_owned())));
    assert!(failure.to_string().starts_with("seed 77, step 2, 0.020000000s: host 0 is in"), "{failure}");
}

#[test]
fn run_that_is_not_idle_at_the_deadline_fails_and_says_what_is_left() {
    let (mut sim, _) = transfer(1, 1_000, false, |link| link.fault(fault::loss(1.0)));
    let failure = sim.run_until_idle(ms(5_000)).expect_err("the SYN is sent again and again");
    let Why::NotIdle(what) = &failure.why else { panic!("{failure}") };
    assert!(what.contains("timers of [a]"), "{what}");
}

#[test]
fn quiescence_finds_a_connection_that_was_left_open() {
    let mut sim = Sim::new(Seed(0));
    let [a, b] = ["a", "b"].map(|name| sim.host(name, HostConfig::default()));
    sim.link(a, b, Link::new());
    sim.check(Quiescent);
    let at = SocketAddr::new(sim.ipv4(b), 7);
    sim.with(b, |_, host| host.listen(at, ListenConfig::default()).expect("the port is free"));
    sim.with(a, |now, host| host.connect(now, at, ConnectConfig::default()).expect("a route"));
    let failure = sim.run_until_idle(ms(60_000)).expect_err("nobody closes");
    assert!(failure.to_string().contains("still has"), "{failure}");
}

#[test]
fn injected_packet_reaches_its_host_and_stepping_goes_on_from_where_it_was() {
    let mut sim = Sim::new(Seed(0));
    let a = sim.host("a", HostConfig::default());
    sim.inject(a, vec![0x45, 0, 0]);
    sim.run_for(ms(10)).expect("no checker");
    assert_eq!(sim.now(), Instant::from_millis(10));
    sim.run_for(ms(10)).expect("no checker");
    assert_eq!(sim.now(), Instant::from_millis(20));
    assert_eq!(sim.with(a, |_, host| host.counters().drops.total()), 1);
}
