//! One moment of an exploration: two hosts, what is between them, and how far their applications have got.

use super::action::Action;
use super::app::{App, Stage};
use super::network::{Flight, Network};
use super::property::{Exception, Kind, Violation};
use super::scenario::{Ending, Number, Scenario};
use linger_proto::wire::tcp::{self, Flags};
use linger_proto::{
    ConnectConfig, Event, FourTuple, Frame, Host, HostConfig, Instant, InterfaceConfig, InterfaceId,
    ListenConfig, Secret, State, TraceEvent, Transmit,
};
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use std::hash::Hash as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
/// Incarnations of the tuple.
pub(super) const INCARNATIONS: usize = 2;
/// Far from zero, where clocks begin.
const BEGIN: Instant = Instant::from_millis(1_000_000);

/// The end of one side.
pub(super) fn end(side: usize) -> SocketAddr {
    match side {
        0 => SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 4000),
        _ => SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80),
    }
}

fn tuple(side: usize) -> FourTuple {
    FourTuple { local: end(side), remote: end(1 - side) }
}

/// A change of state that a step brought about.
pub(super) type Edge = (State, State);

/// What a step did, for those who watch.
#[derive(Clone, Default, Debug)]
pub(super) struct Seen {
    /// Changes of state, with the side.
    pub(super) edges: Vec<(usize, Edge)>,
    /// Segments that left, in order: by whom, and the packet.
    pub(super) sent: Vec<(usize, bytes::Bytes)>,
    /// The segment that was delivered, lost, held or released: to whom.
    pub(super) moved: Option<(usize, bytes::Bytes)>,
}

/// One moment of an exploration.
#[derive(Clone)]
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) scenario: Scenario,
    pub(super) hosts: [Host; 2],
    interfaces: [InterfaceId; 2],
    network: Network,
    /// Incarnations opened so far.
    pub(super) opened: usize,
    /// By incarnation, then side.
    pub(super) apps: [[App; 2]; INCARNATIONS],
    /// Openings of each side so far: they decide its next initial sequence number.
    openings: [u8; 2],
    losses: u8,
    duplicates: u8,
    delayed: u8,
    early: u8,
    strays: u8,
    faults: u8,
    ticks: u8,
    /// What has happened that only a property of TCP itself explains, and in which incarnation first. What can follow
    /// from it does not count.
    exceptions: Vec<(Exception, usize)>,
    /// The side that has begun to open in this step: its first SYN or SYN-ACK is about to leave.
    opens: [bool; 2],
    /// The side whose answer in this step refuses a SYN-ACK.
    refuses: Option<usize>,
}

impl World {
    /// Before anything has happened. `scenario.simultaneous`: nobody listens.
    pub(super) fn new(scenario: Scenario) -> Self {
        let mut interfaces = [InterfaceId::default(); 2];
        let mut hosts = [0, 1].map(|side: usize| {
            let config = HostConfig {
                tcp: scenario.tcp(),
                initial_sequence: Some(Number::Base.as_setting()),
                ..HostConfig::default()
            };
            let mut host = Host::new(config, Secret::from_bytes([7; 32]));
            let addresses = vec![(end(side).ip(), 24)];
            interfaces[side] =
                host.add_interface(InterfaceConfig { addresses, ..InterfaceConfig::default() });
            host.set_tracing(true);
            host
        });
        if !scenario.simultaneous {
            // Its address and port are its own: nothing can stand against it.
            let _listener = hosts[1].listen(end(1), ListenConfig::default());
        }
        Self {
            now: BEGIN,
            hosts,
            interfaces,
            network: Network::default(),
            opened: 0,
            apps: Default::default(),
            openings: [0; 2],
            losses: scenario.losses,
            duplicates: scenario.duplicates,
            delayed: scenario.delayed,
            early: scenario.early,
            strays: scenario.strays,
            faults: scenario.faults,
            ticks: scenario.ticks,
            exceptions: Vec::new(),
            opens: [false; 2],
            refuses: None,
            scenario,
        }
    }

    /// One number for everything that can influence what happens from here on.
    pub(super) fn digest(&self) -> u128 {
        let mut hasher = SipHasher13::new();
        self.hosts.iter().for_each(|host| host.write_canonical(self.now, &mut hasher));
        self.network.write_canonical(self.now, &mut hasher);
        (self.opened, &self.apps, self.openings).hash(&mut hasher);
        self.exceptions.hash(&mut hasher);
        self.allowance().hash(&mut hasher);
        if self.opened < INCARNATIONS {
            self.ticks.hash(&mut hasher);
        }
        hasher.finish128().as_u128()
    }

    /// Everything that can happen now.
    pub(super) fn actions(&self, out: &mut Vec<Action>) {
        out.clear();
        if self.may_connect() {
            out.push(Action::Connect);
            if self.ticks > 0 && self.opened > 0 {
                out.push(Action::TickAndConnect);
            }
        }
        if self.opened > 0 {
            (0..2).for_each(|side| self.calls(side, out));
        }
        let [losses, duplicates, delayed, _, strays] = self.allowance();
        for (side, queue) in (0..).zip(&self.network.queues) {
            if queue.is_empty() {
                continue;
            }
            out.push(Action::Deliver(side));
            if duplicates > 0 {
                out.push(Action::Double(side));
            }
            if losses > 0 {
                out.push(Action::Lose(side));
            }
            if delayed > 0 {
                out.push(Action::Hold(side));
            }
        }
        out.extend((0..).zip(&self.network.loose).map(|(index, _)| Action::Release(index)));
        if strays > 0 && self.opened == 1 && self.states()[1] == State::TimeWait {
            out.push(Action::Stray);
        }
        if self.due().is_some() {
            out.push(Action::Timer);
        }
        if out.is_empty() && self.opened > 0 {
            for side in 0..2 {
                if self.aborted() && self.app(usize::from(side)).is_some_and(App::is_open) {
                    out.push(Action::GiveUp(side));
                }
            }
        }
    }

    fn calls(&self, side: u8, out: &mut Vec<Action>) {
        let place = usize::from(side);
        let Some(app) = self.app(place) else { return };
        if !app.is_open() {
            return;
        }
        let early = self.scenario.ending == Ending::Early;
        let Some(id) = app.id else { return };
        let Some(info) = self.hosts[place].info(id) else { return };
        let opening = matches!(info.state, State::SynSent | State::SynReceived);
        if early && info.state == State::SynSent && !app.wrote && !app.shut && self.opened == 1 {
            out.push(Action::Cancel(side));
        }
        if opening && !early {
            return;
        }
        if self.scenario.ending == Ending::Abort && self.opened == 1 {
            out.push(Action::Abort(side));
        }
        if !app.wrote {
            out.push(Action::Write(side));
        } else if !app.shut {
            let first = match self.scenario.ending {
                Ending::Left => side == 0,
                Ending::Right => side == 1,
                _ => true,
            };
            if first || app.ended {
                out.push(Action::Shutdown(side));
            }
        }
    }

    /// What the network may still do wrong: losses, duplicates, delays, early timers, stray SYNs.
    fn allowance(&self) -> [u8; 5] {
        [self.losses, self.duplicates, self.delayed, self.early, self.strays]
            .map(|left| left.min(self.faults))
    }

    fn app(&self, side: usize) -> Option<&App> {
        self.apps.get(self.opened.checked_sub(1)?).map(|pair| &pair[side])
    }

    fn aborted(&self) -> bool {
        self.opened > 0 && self.apps[self.opened - 1].iter().any(|app| app.aborted)
    }

    fn may_connect(&self) -> bool {
        if self.opened == INCARNATIONS {
            return false;
        }
        let over = |side: usize| self.app(side).is_none_or(|app| app.stage == Stage::Over);
        let both = self.scenario.simultaneous;
        let free = |side: usize| {
            over(side)
                && match self.hosts[side].state_of(&tuple(side)) {
                    State::Closed | State::Listen => true,
                    State::TimeWait => {
                        self.hosts[side].clone().connect(self.now, end(1 - side), source(side)).is_ok()
                    }
                    _ => false,
                }
        };
        // Nothing was opened yet: the tuple is free.
        self.opened == 0 || (free(0) && (!both || free(1)))
    }

    /// When the next timer expires, if it may: before that every queued segment must have arrived, or be lost.
    fn due(&self) -> Option<Instant> {
        let next = self.hosts.iter().filter_map(|host| host.next_deadline(self.now)).min()?;
        self.network.must_arrive_by().is_none_or(|by| self.allowance()[3] > 0 && next < by).then_some(next)
    }

    /// Lets `action` happen, which [`World::actions`] has named.
    pub(super) fn act(&mut self, action: Action, seen: &mut Seen) -> Result<(), Violation> {
        match action {
            Action::Connect => self.connect(),
            Action::TickAndConnect => {
                self.ticks -= 1;
                self.now += Duration::from_millis(1);
                self.connect();
            }
            Action::Write(side) => self.call(side, |app, host, now, who| app.write(host, now, who)),
            Action::Shutdown(side) => self.call(side, |app, host, now, _| app.shutdown(host, now)),
            Action::Abort(side) | Action::GiveUp(side) => {
                self.call(side, |app, host, now, _| app.abort(host, now));
            }
            Action::Cancel(side) => {
                self.apps[self.opened - 1][1 - usize::from(side)].aborted = true;
                self.call(side, |app, host, now, _| app.abort_quietly(host, now));
            }
            Action::Deliver(to) => self.take(to, seen, |_, _| {}),
            Action::Double(to) => {
                self.duplicates -= 1;
                self.faults -= 1;
                self.take(to, seen, |world, flight| world.network.let_loose(flight, world.now));
            }
            Action::Lose(to) => {
                self.losses -= 1;
                self.faults -= 1;
                self.remove(to, seen);
            }
            Action::Hold(to) => {
                self.delayed -= 1;
                self.faults -= 1;
                if let Some(flight) = self.remove(to, seen) {
                    self.network.let_loose(flight, self.now);
                }
            }
            Action::Release(index) => {
                let index = usize::from(index);
                if index < self.network.loose.len() {
                    let flight = self.network.loose.remove(index);
                    self.arrive(&flight, seen);
                }
            }
            Action::Stray => {
                self.strays -= 1;
                self.faults -= 1;
                if let Some(bytes) = stray_syn(self.scenario) {
                    self.arrive(&Flight::new(bytes, self.now, 1, 0, State::Closed, false), seen);
                }
            }
            Action::Timer => self.timer(),
        }
        let outcome = self.settle(seen).map_err(|violation| self.excused(violation));
        (self.opens, self.refuses) = ([false; 2], None);
        outcome
    }

    /// Notes what only a property of TCP itself explains.
    fn note(&mut self, exception: Exception) {
        if !self.exceptions.iter().any(|(known, _)| *known == exception) {
            self.exceptions.push((exception, self.opened.max(1) - 1));
            self.exceptions.sort_unstable();
        }
    }

    /// With the reason why it does not count, if it does not.
    fn excused(&self, violation: Violation) -> Violation {
        let mut known = self.exceptions.iter().filter(|(_, since)| violation.incarnation >= *since);
        let exception =
            known.find(|(exception, _)| exception.excuses(violation.kind)).map(|(known, _)| *known);
        Violation { exception, ..violation }
    }

    fn connect(&mut self) {
        let both = self.scenario.simultaneous;
        let aborted = self.aborted();
        self.opened += 1;
        if aborted {
            self.note(Exception::AfterAbort);
        }
        for side in 0..if both { 2 } else { 1 } {
            let connected = self.hosts[side].connect(self.now, end(1 - side), source(side));
            self.apps[self.opened - 1][side].begin(connected.ok());
            self.next_number(side);
            self.opens[side] = true;
        }
    }

    /// The number that the side's next opening begins with.
    fn next_number(&mut self, side: usize) {
        self.openings[side] = (self.openings[side] + 1).min(1);
        let number = self.scenario.numbers[side];
        self.hosts[side].set_initial_sequence(number.as_setting());
    }

    fn call(&mut self, side: u8, call: impl FnOnce(&mut App, &mut Host, Instant, (usize, usize))) {
        let side = usize::from(side);
        let incarnation = self.opened - 1;
        call(&mut self.apps[incarnation][side], &mut self.hosts[side], self.now, (incarnation, side));
    }

    fn remove(&mut self, to: u8, seen: &mut Seen) -> Option<Arc<Flight>> {
        let flight = self.network.queues[usize::from(to)].pop_front()?;
        seen.moved = Some((flight.to, flight.bytes.clone()));
        Some(flight)
    }

    fn take(&mut self, to: u8, seen: &mut Seen, then: impl FnOnce(&mut Self, Arc<Flight>)) {
        if let Some(flight) = self.network.queues[usize::from(to)].pop_front() {
            self.arrive(&flight, seen);
            then(self, flight);
        }
    }

    fn arrive(&mut self, flight: &Flight, seen: &mut Seen) {
        let to = flight.to;
        seen.moved = Some((to, flight.bytes.clone()));
        let host = &mut self.hosts[to];
        let before = host.state_of(&tuple(to));
        host.handle_frames(
            self.now,
            self.interfaces[to],
            &mut [Frame::from(flight.bytes.clone())].into_iter(),
        );
        let after = host.state_of(&tuple(to));
        let passive = before != State::SynSent && before != State::SynReceived;
        if flight.twin && synchronized(after) {
            match before {
                State::SynSent => self.note(Exception::OldSynAck),
                State::SynReceived => self.note(Exception::OldAck),
                _ => {}
            }
        }
        let over = matches!(after, State::Closed | State::Listen | State::TimeWait);
        if flight.refusal && flight.incarnation < self.opened && before != after && over {
            self.note(Exception::LateRefusal);
        }
        if before == State::Closed && flight.has(SYN_ACK) {
            self.refuses = Some(to);
        }
        if flight.provoked && before != after && before != State::TimeWait && over {
            self.note(Exception::ProvokedReset);
        }
        if flight.of_time_wait && synchronized(before) && before != State::TimeWait && before != after {
            self.note(Exception::OutlivingAnswer);
        }
        if passive && after == State::SynReceived {
            self.next_number(to);
            self.opens[to] = true;
            if self.aborted() {
                self.note(Exception::AfterAbort);
            }
        }
    }

    fn timer(&mut self) {
        let Some(due) = self.due() else { return };
        if self.network.must_arrive_by().is_some() {
            self.early -= 1;
            self.faults -= 1;
        }
        self.now = self.now.max(due);
        self.network.bury(self.now);
        for host in &mut self.hosts {
            host.handle_timeout(self.now);
        }
    }

    /// Both hosts have said everything, and both applications have heard it.
    fn settle(&mut self, seen: &mut Seen) -> Result<(), Violation> {
        let mut out = Transmit::default();
        loop {
            let mut busy = false;
            for side in 0..2 {
                while self.hosts[side].poll_transmit(self.now, &mut out) {
                    let bytes = out.to_bytes();
                    seen.sent.push((side, bytes.clone()));
                    self.send(side, bytes);
                    busy = true;
                }
                while let Some(event) = self.hosts[side].poll_event() {
                    self.event(side, event)?;
                    busy = true;
                }
                busy |= self.read(side)?;
                while let Some(trace) = self.hosts[side].poll_trace() {
                    if let TraceEvent::State { before, after, .. } = trace {
                        seen.edges.push((side, (before, after)));
                    }
                }
            }
            if !busy {
                return Ok(());
            }
        }
    }

    fn send(&mut self, side: usize, bytes: bytes::Bytes) {
        let (state, refuses) = (self.sender_state(side), self.refuses == Some(side));
        if std::mem::take(&mut self.opens[side])
            && let Some(Ok(opening)) = bytes.get(20..).map(tcp::parse)
        {
            self.network.mark_twins(side, &opening, self.now);
        }
        self.network.send(Flight::new(bytes, self.now, 1 - side, self.opened, state, refuses));
    }

    /// Where a sender stands; TIME-WAIT only if it is that of an incarnation before.
    fn sender_state(&self, side: usize) -> State {
        match self.hosts[side].state_of(&tuple(side)) {
            State::TimeWait if self.app(side).is_some_and(|app| app.id.is_some()) => State::Closed,
            state => state,
        }
    }

    fn event(&mut self, side: usize, event: Event) -> Result<(), Violation> {
        match event {
            Event::Incoming(listener) => {
                let Some(id) = self.hosts[side].accept(listener) else { return Ok(()) };
                let incarnation = self.opened.max(1) - 1;
                let app = &mut self.apps[incarnation][side];
                if app.id.is_some() {
                    return Err(Violation::new(Kind::Ghost, side, incarnation));
                }
                app.begin(Some(id));
                Ok(())
            }
            Event::Closed(id, reason) => {
                let found = self.apps.iter().position(|pair| pair[side].id == Some(id));
                let Some(incarnation) = found else { return Ok(()) };
                let aborted = self.apps[incarnation].iter().any(|app| app.aborted);
                self.apps[incarnation][side].closed(&mut self.hosts[side], self.now, reason, aborted).map_err(
                    |kind| Violation { reason: Some(reason), ..Violation::new(kind, side, incarnation) },
                )
            }
            Event::Connected(id) => {
                for pair in &mut self.apps {
                    pair[side].established |= pair[side].id == Some(id);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The applications read what there is, and let go when nothing is left to do.
    fn read(&mut self, side: usize) -> Result<bool, Violation> {
        let mut busy = false;
        for incarnation in 0..self.opened {
            let peer = self.apps[incarnation][1 - side].clone();
            let app = &mut self.apps[incarnation][side];
            busy |= app
                .read(&mut self.hosts[side], self.now, (incarnation, 1 - side), &peer)
                .map_err(|kind| Violation::new(kind, side, incarnation))?;
        }
        Ok(busy)
    }

    /// Nothing can happen any more: then everything must have come to its end.
    pub(super) fn judge_end(&self) -> Result<(), Violation> {
        self.everything_over().map_err(|violation| self.excused(violation))
    }

    fn everything_over(&self) -> Result<(), Violation> {
        if self.opened < INCARNATIONS || !self.network.is_empty() {
            return Err(Violation::new(Kind::Stuck, 0, self.opened.max(1) - 1));
        }
        for (incarnation, pair) in self.apps.iter().enumerate() {
            for (side, app) in pair.iter().enumerate() {
                if app.is_open() {
                    return Err(Violation::new(Kind::Stuck, side, incarnation));
                }
            }
        }
        for (side, host) in self.hosts.iter().enumerate() {
            let left = host.snapshot(self.now);
            if !left.connections.is_empty() || !left.time_wait.is_empty() {
                return Err(Violation::new(Kind::LeftOver, side, self.opened - 1));
            }
        }
        Ok(())
    }

    /// Where both sides stand.
    pub(super) fn states(&self) -> [State; 2] {
        [0, 1].map(|side| self.hosts[side].state_of(&tuple(side)))
    }
}

/// A SYN of an incarnation before the first: numbered past everything, without timestamps.
fn stray_syn(scenario: Scenario) -> Option<bytes::Bytes> {
    let before = Scenario { timestamps: false, simultaneous: true, ..scenario };
    let mut world = World::new(before);
    world.hosts[0].set_initial_sequence(Number::Beyond.as_setting());
    world.hosts[0].connect(world.now, end(1), source(0)).ok()?;
    let mut out = Transmit::default();
    world.hosts[0].poll_transmit(world.now, &mut out).then(|| out.to_bytes())
}

fn synchronized(state: State) -> bool {
    !matches!(state, State::Closed | State::Listen | State::SynSent | State::SynReceived)
}

fn source(side: usize) -> ConnectConfig {
    ConnectConfig::default().local(end(side))
}
