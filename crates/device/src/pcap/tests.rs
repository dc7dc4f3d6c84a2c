use super::*;
use crate::offload::test_packets::{checksums_fit, tcp};
use crate::{Capabilities, Channel, Device};
use linger_proto::{
    Checksum, Direction, DropReason, FourTuple, FrameTrace, Instant, State, TraceEvent, Transmit,
};
use pcap_file::pcapng::{Block, PcapNgReader};
use std::future::poll_fn;
use std::io::{self, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const OFFLOAD: Capabilities = Capabilities { mtu: 1500, checksum_offload: true, segmentation_offload: true };

/// A writer that others can read.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").write(octets)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn octets(&self) -> Vec<u8> {
        self.0.lock().expect("whole").clone()
    }
}

/// A disk with room for so many octets.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = octets.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn trace(
    direction: Direction,
    millis: u64,
    before: State,
    after: State,
    drop: Option<DropReason>,
) -> FrameTrace {
    let tuple = FourTuple {
        local: "10.7.0.2:80".parse().expect("an address"),
        remote: "10.7.0.1:40000".parse().expect("an address"),
    };
    FrameTrace { at: Instant::from_millis(millis), direction, tuple: Some(tuple), before, after, drop }
}

/// Time, interface name, direction flags, comment and packet of each packet.
fn packets(capture: &[u8]) -> Vec<(Duration, u32, String, Vec<u8>)> {
    let mut reader = PcapNgReader::new(capture).expect("a section");
    let mut found = Vec::new();
    while let Some(block) = reader.next_block() {
        let (Block::EnhancedPacket(packet), _) = block.expect("a whole block") else { continue };
        let text = format!("{:?}", packet.options);
        found.push((packet.timestamp, packet.interface_id, text, packet.data.to_vec()));
    }
    found
}

/// What tshark says about some fields of each packet of a capture.
fn tshark(name: &str, capture: &[u8], fields: &[&str]) -> Vec<String> {
    let path = std::env::temp_dir().join(format!("linger-device-{}-{name}.pcapng", std::process::id()));
    std::fs::write(&path, capture).expect("a temporary file");
    let mut command = Command::new("tshark");
    command.args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
    command.arg("-r").arg(&path).args(["-T", "fields", "-E", "separator=|"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let output = command.output().expect("tshark is installed (Debian package tshark)");
    std::fs::remove_file(&path).expect("removed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("appears"), "{errors}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn tshark_reads_names_times_directions_and_comments_without_complaint() {
    let mut pcap = Pcapng::new(Vec::new()).expect("started");
    let one = pcap.interface("HOST1").expect("added");
    let two = pcap.interface("HOST2").expect("added");
    for version in [4, 6] {
        let mut frame = tcp(version, b"some text", 0);
        crate::offload::complete_transmit(&mut frame);
        let at = Duration::new(1, 23_456_789);
        let comment = "HOST1 ESTABLISHED -> FIN-WAIT-1";
        pcap.packet(one, at, Direction::Out, &frame.to_bytes(), Some(comment)).expect("written");
        pcap.packet(two, at, Direction::In, &frame.to_bytes(), None).expect("written");
    }
    let capture = pcap.finish().expect("finished");
    let fields = [
        "frame.interface_name",
        "frame.time_epoch",
        "frame.packet_flags_direction",
        "frame.comment",
        "tcp.checksum.status",
        "_ws.malformed",
    ];
    let lines = tshark("names", &capture, &fields);
    assert_eq!(lines.len(), 4);
    for pair in lines.chunks(2) {
        let direction = |line: &str| line.split('|').nth(2).map(str::to_owned);
        assert!(pair[0].starts_with("HOST1|1.023456789|"), "{}", pair[0]);
        assert!(pair[0].ends_with("|HOST1 ESTABLISHED -> FIN-WAIT-1|1|"), "{}", pair[0]);
        assert!(pair[1].starts_with("HOST2|1.023456789|") && pair[1].ends_with("||1|"), "{}", pair[1]);
        assert_ne!(direction(&pair[0]), direction(&pair[1]));
    }
}

#[test]
fn the_same_calls_give_the_same_octets() {
    let capture = || {
        let mut pcap = Pcapng::new(Vec::new()).expect("started");
        let one = pcap.interface("HOST1").expect("added");
        for i in 0..300 {
            let packet = tcp(4, &[1; 1000], 0).to_bytes();
            pcap.packet(one, Duration::from_millis(i), Direction::In, &packet, Some("x")).expect("written");
        }
        pcap.finish().expect("finished")
    };
    let first = capture();
    assert!(first.len() > 300_000);
    assert_eq!(first, capture());
}

#[test]
fn a_comment_names_both_states_and_the_reason_of_a_drop() {
    let mut frame = trace(Direction::In, 0, State::Established, State::CloseWait, None);
    assert_eq!(frame_comment("HOST1", &frame).as_deref(), Some("HOST1 ESTABLISHED -> CLOSE-WAIT"));
    frame.after = frame.before;
    frame.drop = Some(DropReason::OutOfWindow);
    let text = "HOST1 ESTABLISHED -> ESTABLISHED, dropped: outside the receive window";
    assert_eq!(frame_comment("HOST1", &frame).as_deref(), Some(text));
    frame.tuple = None;
    assert_eq!(frame_comment("HOST1", &frame).as_deref(), Some("HOST1 dropped: outside the receive window"));
    frame.drop = None;
    assert_eq!(frame_comment("HOST1", &frame), None);
}

/// A tee on one end of a channel, the other end, and what is written.
fn teed() -> (Tee<Channel, Shared>, Channel, Shared) {
    let (near, far) = Channel::pair(16, OFFLOAD);
    let out = Shared::default();
    let tee = Tee::new(near, out.clone(), "HOST1", Duration::from_secs(5)).expect("started");
    (tee, far, out)
}

async fn send(device: &mut impl Device, frame: &Transmit) {
    poll_fn(|cx| device.poll_send(cx, frame)).await.expect("sent");
}

#[tokio::test]
async fn a_tee_pairs_each_direction_with_its_events_in_order() {
    let (mut tee, mut far, out) = teed();
    assert!(tee.wants_trace());
    assert_eq!(tee.capabilities(), OFFLOAD);
    send(&mut far, &tcp(4, b"in one", 0)).await;
    send(&mut far, &tcp(4, b"in two", 0)).await;
    let mut batch = Vec::new();
    poll_fn(|cx| tee.poll_recv(cx, &mut batch)).await.expect("frames");
    use State::{CloseWait, Established, LastAck};
    // The event about what is sent comes before the frame, those about what was received after it.
    for event in [
        trace(Direction::In, 1, Established, Established, None),
        trace(Direction::Out, 2, CloseWait, LastAck, None),
        trace(Direction::In, 3, Established, CloseWait, None),
    ] {
        tee.handle_trace(&TraceEvent::Frame(event));
    }
    send(&mut tee, &tcp(4, b"out one", 0)).await;
    let status = tee.status();
    tee.finish().expect("whole");
    let written = packets(&out.octets());
    let seen: Vec<_> = written.iter().map(|(at, _, _, packet)| (at.as_millis(), &packet[40..])).collect();
    assert_eq!(seen, [(5001, &b"in one"[..]), (5003, b"in two"), (5002, b"out one")]);
    assert!(written[1].2.contains("HOST1 ESTABLISHED -> CLOSE-WAIT"), "{}", written[1].2);
    assert!(written[2].2.contains("HOST1 CLOSE-WAIT -> LAST-ACK"), "{}", written[2].2);
    assert_eq!(status.uncommented(), 0);
}

#[tokio::test]
async fn a_super_segment_is_written_whole_with_its_checksum_complete() {
    let (mut tee, mut far, out) = teed();
    send(&mut tee, &tcp(6, &[9; 20_000], 1440)).await;
    send(&mut far, &tcp(4, &[9; 20_000], 1460)).await;
    let mut batch = Vec::new();
    poll_fn(|cx| tee.poll_recv(cx, &mut batch)).await.expect("frames");
    assert!(matches!(batch[0].checksum, Checksum::Partial { .. }), "the traffic itself is left alone");
    for direction in [Direction::Out, Direction::In] {
        let event = trace(direction, 1, State::Established, State::Established, None);
        tee.handle_trace(&TraceEvent::Frame(event));
    }
    tee.finish().expect("whole");
    let capture = out.octets();
    let written = packets(&capture);
    assert_eq!(written.iter().map(|packet| packet.3.len()).collect::<Vec<_>>(), [20_060, 20_040]);
    assert!(written.iter().all(|packet| checksums_fit(&packet.3)));
    let lines = tshark("super", &capture, &["tcp.len", "tcp.checksum.status", "_ws.malformed"]);
    assert_eq!(lines, ["20000|1|", "20000|1|"]);
}

#[tokio::test]
async fn frames_that_nobody_spoke_of_are_written_at_the_end_without_a_comment() {
    let (mut tee, _far, out) = teed();
    send(&mut tee, &tcp(4, b"silent", 0)).await;
    let status = tee.status();
    drop(tee);
    let written = packets(&out.octets());
    assert_eq!(written.len(), 1);
    assert!(!written[0].2.contains("Comment"));
    assert_eq!(status.uncommented(), 1);
}

#[tokio::test]
async fn frames_waiting_for_their_events_are_bounded() {
    let (mut tee, far, _out) = teed();
    let drain = tokio::spawn(async move {
        let (mut far, mut batch) = (far, Vec::new());
        while batch.len() < 5000 {
            poll_fn(|cx| far.poll_recv(cx, &mut batch)).await.expect("frames");
        }
    });
    for _ in 0..5000 {
        send(&mut tee, &tcp(4, b"x", 0)).await;
    }
    assert_eq!(tee.status().uncommented(), 5000 - 4096);
    drain.await.expect("no panic");
}

#[tokio::test]
async fn a_full_disk_ends_the_capture_but_not_the_traffic_and_is_reported_once() {
    let (near, mut far) = Channel::pair(64, OFFLOAD);
    let mut tee = Tee::new(near, Disk(1000), "HOST1", Duration::ZERO).expect("started");
    let status = tee.status();
    for _ in 0..20 {
        let event = trace(Direction::Out, 1, State::Established, State::Established, None);
        tee.handle_trace(&TraceEvent::Frame(event));
        send(&mut tee, &tcp(4, &[7; 5000], 1460)).await;
    }
    let mut batch = Vec::new();
    poll_fn(|cx| far.poll_recv(cx, &mut batch)).await.expect("frames");
    assert_eq!(batch.len(), 20);
    assert!(status.is_failed());
    let error = tee.finish().expect_err("the disk was full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(status.take_error().is_none());
}

#[tokio::test]
async fn a_capture_is_readable_while_it_is_being_made() {
    let (mut tee, _far, out) = teed();
    send(&mut tee, &tcp(4, b"now", 0)).await;
    let event = trace(Direction::Out, 1, State::SynSent, State::Established, None);
    tee.handle_trace(&TraceEvent::Frame(event));
    assert!(poll_fn(|cx| std::task::Poll::Ready(tee.poll_recv(cx, &mut Vec::new()).is_pending())).await);
    assert_eq!(packets(&out.octets()).len(), 1);
}
