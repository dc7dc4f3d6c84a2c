//! Plays a scenario to a host.

use super::script::{
    ACK, FIN, FIN_ACK, IN_FLIGHT, IN_FLIGHT_WINDOW, RST, SYN, Say, Scenario, Start, Step, Until, say,
};
use interop::probe::{Family, Heard, Probe};
use linger_proto::SeqNum;
use linger_proto::wire::tcp::{Flags, Header, Options, Timestamp};
use std::time::{Duration, Instant};

/// Longest wait for what an application must do before the host says anything.
const PATIENCE: Duration = Duration::from_secs(3);
/// The ports of the host.
const HTTP: u16 = 80;
const NOBODY: u16 = 81;
/// The probe's clock.
const CLOCK: u32 = 1_000_000;

pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: host\r\n\r\n";
const GET_AND_CLOSE: &str = "GET / HTTP/1.1\r\nHost: host\r\nConnection: close\r\n\r\n";
pub(super) const GET_BIG: &str = "GET /big HTTP/1.1\r\nHost: host\r\n\r\n";

/// One connection, as the probe sees it.
struct Line<'p> {
    probe: &'p mut Probe,
    family: Family,
    port: u16,
    host_port: u16,
    /// RCV.NXT of the host.
    seq: SeqNum,
    /// SND.NXT of the host.
    ack: SeqNum,
    clock: Option<Timestamp>,
    /// The same two numbers of the connection that had the tuple before.
    old: Option<(SeqNum, SeqNum)>,
}

/// RCV.NXT and SND.NXT of the host when it was spoken to, and those of the connection before.
#[derive(Clone, Copy)]
struct Numbers {
    rcv_nxt: SeqNum,
    snd_nxt: SeqNum,
    old: Option<(SeqNum, SeqNum)>,
}

/// What the host said to each step of `scenario`.
pub(super) fn play(probe: &mut Probe, family: Family, port: u16, scenario: &Scenario) -> Vec<String> {
    let clock = scenario.timestamps.then_some(Timestamp { val: CLOCK, ecr: 0 });
    let host_port = if scenario.start == Start::Closed { NOBODY } else { HTTP };
    // Numbers that the scenario may pass the end of the circle with.
    let (seq, ack) = (SeqNum(0xffff_ff00), SeqNum(0x1234_5678));
    let mut line = Line { probe, family, port, host_port, seq, ack, clock, old: None };
    line.begin(scenario);
    scenario.steps.iter().map(|step| line.take(step)).collect()
}

impl Line<'_> {
    /// Brings the host into the state in which `scenario` begins.
    fn begin(&mut self, scenario: &Scenario) {
        use Start::{CloseWait, Closed, Closing, FinWait1, FinWait2, LastAck, Listen, SynReceived, TimeWait};
        let start = scenario.start;
        if matches!(start, Closed | Listen) {
            return;
        }
        let must = |what: &str, said: &str, expected: &str| {
            assert_eq!(said, expected, "{what} of {:?}", scenario.name);
        };
        // A window that does not shrink: what remains of it is then never too small to be used.
        let wnd = if start == CloseWait { IN_FLIGHT_WINDOW } else { u16::MAX };
        let opening = self.take(&say(SYN).window(wnd).gets(""));
        must("the SYN-ACK", &opening, "SYN,ACK +1");
        if start == SynReceived {
            return;
        }
        must("the handshake", &self.take(&say(ACK).window(wnd).gets("")), "nothing");
        match start {
            FinWait1 | FinWait2 | Closing | TimeWait => {
                let closed = self.take(&say(ACK).text(GET_AND_CLOSE).until(Until::Fin, ""));
                must("the close", &closed, "text FIN");
                // All but the FIN.
                self.take(&say(ACK).acking(-1).gets(""));
            }
            CloseWait => {
                let text = say(ACK).text(GET_BIG).window(wnd).until(Until::Text(u32::from(wnd)), "");
                must("the text", &self.take(&text), "1000 of text");
                let fin = say(FIN_ACK).acking(-IN_FLIGHT).window(wnd).until(Until::Anything, "");
                must("the FIN", &self.take(&fin), "ACK +1");
            }
            LastAck => must("the close", &self.take(&say(FIN_ACK).until(Until::Fin, "")), "FIN"),
            _ => {}
        }
        match start {
            FinWait2 | TimeWait => must("the ACK", &self.take(&say(ACK).gets("")), "nothing"),
            Closing => must("the FIN", &self.take(&say(FIN_ACK).acking(-1).gets("")), "ACK +1"),
            _ => {}
        }
        if start == TimeWait {
            must("the FIN", &self.take(&say(FIN_ACK).gets("")), "ACK +1");
        }
    }

    /// Says one segment and listens; the answer in words.
    fn take(&mut self, step: &Step) -> String {
        let header = self.header(&step.say);
        self.probe.say(self.family, &header, step.say.text.as_bytes());
        let mut heard: Vec<Heard> = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        let numbers = Numbers { rcv_nxt: self.seq, snd_nxt: self.ack, old: self.old };
        let snd_nxt = numbers.snd_nxt;
        let mut known = snd_nxt;
        loop {
            self.probe.settle(self.family);
            for segment in self.probe.take(self.family, self.port) {
                let (end, syn) = (segment.end(), segment.header.flags.has(SYN));
                let seen = end != segment.header.seq && end.at_or_before(known);
                // What a timer sends again is no answer; to a SYN, the SYN-ACK is one.
                if !seen || (syn && step.say.flags.has(SYN)) {
                    known = known.max(end);
                    heard.push(segment);
                }
            }
            if is_enough(step.until, &heard, snd_nxt) || Instant::now() >= deadline {
                break;
            }
            self.probe.receive(deadline);
        }
        self.learn(&header, &heard);
        let passes_acks = matches!(step.until, Until::Text(_) | Until::Fin);
        if passes_acks {
            heard.retain(|segment| segment.text_len > 0 || segment.header.flags != ACK);
        }
        describe(&header, &heard, numbers, step.until)
    }

    fn header(&self, say: &Say) -> Header {
        let syn = say.flags.has(SYN);
        let (rcv_nxt, snd_nxt) = self.old.filter(|_| say.old).unwrap_or((self.seq, self.ack));
        let timestamp = self
            .clock
            .zip(say.clock)
            .map(|(clock, by)| Timestamp { val: clock.val.wrapping_add_signed(by), ecr: clock.ecr });
        Header {
            source: self.port,
            destination: self.host_port,
            seq: rcv_nxt + say.seq.cast_unsigned(),
            ack: if say.flags.has(ACK) { snd_nxt + say.ack.cast_unsigned() } else { SeqNum(0) },
            flags: say.flags,
            wnd: say.wnd,
            urgent: u16::from(say.flags.has(Flags::URG)),
            options: Options { mss: syn.then_some(1460), timestamp, ..Options::default() },
            ..Header::default()
        }
    }

    /// Takes over what the host has sent and what it has taken.
    fn learn(&mut self, said: &Header, heard: &[Heard]) {
        let opened = said.flags.has(SYN) && heard.iter().any(|segment| segment.header.flags.has(SYN));
        if opened {
            self.old = Some((self.seq, self.ack));
            self.seq = said.seq;
        }
        for segment in heard {
            let flags = segment.header.flags;
            if flags.has(SYN) {
                self.ack = segment.end();
            }
            if flags.has(RST) {
                continue;
            }
            self.ack = self.ack.max(segment.end());
            if segment.header.ack.since(self.seq) < 1 << 16 {
                self.seq = segment.header.ack;
            }
            if let (Some(clock), Some(theirs)) = (&mut self.clock, segment.header.options.timestamp) {
                clock.ecr = theirs.val;
            }
        }
    }
}

/// The answer in words. Numbers are counted from RCV.NXT and SND.NXT of the host as they were; in an answer that stands for
/// no connection, from SEG.SEQ.
fn describe(said: &Header, heard: &[Heard], numbers: Numbers, until: Until) -> String {
    let mut words: Vec<String> = Vec::new();
    let octets = octets(heard, numbers.snd_nxt);
    for segment in heard {
        let fin = segment.header.flags.has(FIN);
        if segment.text_len > 0 {
            let text = match until {
                Until::Text(most @ 2..) if octets > most => format!("more than {most} of text"),
                Until::Text(2..) => format!("{octets} of text"),
                _ => "text".to_owned(),
            };
            if !words.contains(&text) {
                words.push(text);
            }
        } else if !fin {
            words.push(control(said, &segment.header, numbers));
        }
        if fin {
            words.push("FIN".to_owned());
        }
    }
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}

/// Octets of text behind `snd_nxt`, those that came twice counted once.
fn octets(heard: &[Heard], snd_nxt: SeqNum) -> u32 {
    let texts = heard.iter().filter(|segment| segment.text_len > 0);
    let ends = texts.map(|segment| segment.header.seq + segment.text_len);
    ends.fold(snd_nxt, SeqNum::max).since(snd_nxt)
}

fn is_enough(until: Until, heard: &[Heard], snd_nxt: SeqNum) -> bool {
    let ended = heard.iter().any(|segment| segment.header.flags.has(RST));
    match until {
        Until::AtOnce => true,
        Until::Anything => !heard.is_empty(),
        Until::Text(least) => ended || octets(heard, snd_nxt) >= least,
        Until::Fin => ended || heard.iter().any(|segment| segment.header.flags.has(FIN)),
    }
}

/// A segment without text and FIN in words.
fn control(said: &Header, header: &Header, numbers: Numbers) -> String {
    let Numbers { rcv_nxt, snd_nxt, old } = numbers;
    let flags = header.flags;
    let from = |start: SeqNum, number: SeqNum| match number.since(start).cast_signed() {
        0 => String::new(),
        distance => format!(" {distance:+}"),
    };
    let place = |usual: SeqNum| match from(usual, header.seq) {
        exact if exact.is_empty() => exact,
        other => format!(" at{other}"),
    };
    if flags == RST {
        if said.flags.has(ACK) && header.seq == said.ack {
            return "RST at its ACK".to_owned();
        }
        return format!("RST{}", place(snd_nxt));
    }
    if flags.has(RST) {
        let usual = if said.flags.has(ACK) { snd_nxt } else { SeqNum(0) };
        return format!("RST,ACK{}{}", from(said.seq, header.ack), place(usual));
    }
    if flags.has(SYN) {
        return format!("{flags}{}", from(said.seq, header.ack));
    }
    if flags == ACK && old == Some((header.ack, header.seq)) {
        return "ACK of the old connection".to_owned();
    }
    format!("{flags}{}{}", from(rcv_nxt, header.ack), place(snd_nxt))
}
