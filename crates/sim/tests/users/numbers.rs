//! Sequence numbers, windows and sizes at their edges.

use crate::forge;
use crate::world::{CLIENT, End, ROUND_TRIP, SERVER, Setup, World, in_both, ms, secs, text};
use linger_proto::wire::tcp::{Flags, Header, Options};
use linger_proto::{DropReason, FourTuple, SeqNum};

/// Initial numbers around which arithmetic goes wrong.
const EDGES: [fn(&FourTuple) -> SeqNum; 6] = [
    |_| SeqNum(0x8000_0000),
    |_| SeqNum(0x7fff_ffff),
    |_| SeqNum(0xffff_ffff),
    |_| SeqNum(0),
    |_| SeqNum(0xffff_8000),
    |_| SeqNum(0x7fff_8000),
];

#[test]
fn initial_numbers_at_the_edges_and_numbers_that_wrap_carry_everything() {
    in_both(|family| {
        for (edge, initial) in EDGES.into_iter().enumerate() {
            let mut setup = Setup::new(family);
            setup.hosts.iter_mut().for_each(|host| host.initial_sequence = Some(initial));
            let mut world = setup.build();
            let (client, server) = world.established();
            let sent = text(300_000);
            for (host, id) in [(CLIENT, client), (SERVER, server)] {
                assert_eq!(world.write(host, id, &sent), sent.len());
                world.shutdown(host, id);
            }
            world.run(secs(5));
            for (host, id) in [(CLIENT, client), (SERVER, server)] {
                let got = world.read(host, id);
                assert!(got.text == sent && got.end == End::Eof, "edge {edge}");
                world.close(host, id);
            }
            world.finish();
        }
    });
}

#[test]
fn segment_anywhere_around_the_window_with_any_ack_and_window_never_panics() {
    in_both(|family| {
        let mut world = World::new(family);
        let peer = world.scripted(4096, Options::default());
        world.write(SERVER, peer.id, &text(10_000));
        world.run(ms(1));
        let offsets =
            [0, 1, 4095, 4096, 65_535, 65_536, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, u32::MAX];
        for seq in offsets {
            for ack in offsets {
                for (wnd, len) in [(0, 0), (1, 1), (4096, 1400), (65_535, 1), (10, 0)] {
                    let header = Header { wnd, ..forge::header(Flags::ACK, peer.seq + seq, peer.ack + ack) };
                    world.play(&peer, &header, &text(len));
                }
            }
        }
        assert!(world.drops(SERVER, DropReason::OutOfWindow) > 0);
        world.run(secs(1));
        // What was in order is there, and the connection works: a window of all sizes was no end of it.
        assert!(world.read(SERVER, peer.id).text.starts_with(&text(1)));
        world.abort(SERVER, peer.id);
        world.finish();
    });
}

#[test]
fn window_that_shrinks_below_what_is_in_flight_is_no_panic_and_no_loss() {
    in_both(|family| {
        let mut world = World::new(family);
        let peer = world.scripted(8_000, Options { mss: Some(1_000), ..Options::default() });
        world.write(SERVER, peer.id, &text(8_000));
        world.run(ms(1));
        world.play(&peer, &peer.ack(1_000, 500), b"");
        assert_eq!(world.info(SERVER, peer.id).snd_wnd, 500, "it is believed");
        world.run(secs(2));
        world.play(&peer, &peer.ack(8_000, 8_000), b"");
        world.run(secs(1));
        assert_eq!(world.write(SERVER, peer.id, b"and on"), 6);
        world.run(ms(1));
        let last = world.sent(SERVER, |seen| !seen.text.is_empty()).pop().expect("text");
        assert_eq!((last.header.seq, &last.text[..]), (peer.ack + 8_000, &b"and on"[..]));
        world.abort(SERVER, peer.id);
        world.finish();
    });
}

// requirement: 7323-12
#[test]
fn segment_without_the_timestamp_that_was_agreed_on_is_dropped_and_counted() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        let tuple = world.tuple(client);
        world.write(CLIENT, client, b"with");
        world.run(2 * ROUND_TRIP);
        let last = world.sent(CLIENT, |seen| seen.text.len() == 4).pop().expect("text").header;
        let bare = Header { options: Options::default(), seq: last.seq + 4, ..last };
        world.inject(SERVER, tuple, &bare, b"without");
        assert_eq!(world.drops(SERVER, DropReason::TimestampMissing), 1);
        assert_eq!(world.read(SERVER, server).text, b"with");
        // An RST needs none (RFC 7323 §3.2).
        world.inject(SERVER, tuple, &Header { flags: Flags::RST, ..bare }, b"");
        assert!(matches!(world.read(SERVER, server).end, End::Broken(_)));
        world.close(SERVER, server);
        world.abort(CLIENT, client);
        world.finish();
    });
}

#[test]
fn mss_of_517_and_a_buffer_of_one_mtu_with_nagle_do_not_stall() {
    in_both(|family| {
        for (mss, buffer) in [(Some(517), 4 << 20), (None, 1_500), (None, 1_460), (Some(517), 1_500)] {
            let change = |tcp: &mut linger_proto::TcpConfig| {
                tcp.mss = mss;
                tcp.send_buffer = buffer;
                tcp.nodelay = false;
            };
            let mut world = Setup::new(family).tcp(CLIENT, change).build();
            let (client, server) = world.established();
            let (sent, mut got, mut written) = (text(100_000), Vec::new(), 0);
            let began = world.now();
            while got.len() < sent.len() {
                let rest = &sent[written..];
                let step =
                    world.with(CLIENT, |now, host| host.stream(client).expect("held").write(now, rest));
                written += step.unwrap_or(0);
                world.run(ROUND_TRIP);
                got.extend(world.read(SERVER, server).text);
                let took = world.now().since(began);
                assert!(took < secs(10), "mss {mss:?}, buffer {buffer}: {} octets in {took:?}", got.len());
            }
            assert!(got == sent);
            world.close(CLIENT, client);
            world.run(ROUND_TRIP);
            world.close(SERVER, server);
            world.finish();
        }
    });
}
