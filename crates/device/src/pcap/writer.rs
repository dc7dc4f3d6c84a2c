//! Writing pcapng.

use linger_proto::{Direction, FrameTrace};
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriter};
use pcap_file::{DataLink, Endianness};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::time::Duration;

/// Longest packet: an IPv6 header and 65,535 octets. Tools reserve no more than this for one.
const SNAPLEN: u32 = 65_575;

/// Octets gathered before they go to the writer.
const GATHER: usize = 64 * 1024;

/// An interface of a capture, from [`Pcapng::interface`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PcapInterface(u32);

/// Writes a capture of IP packets (LINKTYPE_RAW) with nanosecond times and a comment on each packet.
///
/// The same calls give the same octets: no clock, machine or program name goes in. Only whole blocks are handed to
/// the writer, in large pieces, so it needs no buffer of its own and a capture cut short is readable up to there.
pub struct Pcapng<W: Write> {
    blocks: PcapNgWriter<Vec<u8>>,
    interfaces: u32,
    /// `None` once `finish` has given it back.
    out: Option<W>,
}

impl<W: Write> fmt::Debug for Pcapng<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pcapng").field("interfaces", &self.interfaces).finish_non_exhaustive()
    }
}

impl<W: Write> Drop for Pcapng<W> {
    /// What was gathered still goes out; an error goes unnoticed, which [`Pcapng::finish`] is for.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

impl<W: Write> Pcapng<W> {
    /// Starts a capture.
    ///
    /// # Errors
    /// Those of the encoder; none is known for an empty capture.
    pub fn new(out: W) -> io::Result<Self> {
        let blocks =
            PcapNgWriter::with_endianness(Vec::new(), Endianness::Little).map_err(io::Error::other)?;
        Ok(Self { blocks, interfaces: 0, out: Some(out) })
    }

    /// Adds an interface under a name for people, such as `HOST1`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn interface(&mut self, name: &str) -> io::Result<PcapInterface> {
        let mut block = InterfaceDescriptionBlock::new(DataLink::RAW, SNAPLEN);
        block.options = vec![
            InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
            InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
        ];
        self.write(block)?;
        self.interfaces += 1;
        Ok(PcapInterface(self.interfaces - 1))
    }

    /// Writes one packet. `at` is the time since 1970, or since whatever the reader of the capture will count from.
    ///
    /// # Errors
    /// Those of the writer; a packet of more than 65,575 octets is refused.
    pub fn packet(
        &mut self,
        interface: PcapInterface,
        at: Duration,
        direction: Direction,
        packet: &[u8],
        comment: Option<&str>,
    ) -> io::Result<()> {
        let original_len = u32::try_from(packet.len()).ok().filter(|length| *length <= SNAPLEN);
        let Some(original_len) = original_len else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "longer than any IP packet"));
        };
        let flags = match direction {
            Direction::In => 1,
            Direction::Out => 2,
        };
        let mut options = vec![EnhancedPacketOption::Flags(flags)];
        options.extend(
            comment.map(|text| EnhancedPacketOption::Common(CommonOption::Comment(Cow::Borrowed(text)))),
        );
        let data = Cow::Borrowed(packet);
        self.write(EnhancedPacketBlock {
            interface_id: interface.0,
            timestamp: at,
            original_len,
            data,
            options,
        })
    }

    /// Hands everything gathered to the writer and flushes it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn flush(&mut self) -> io::Result<()> {
        self.drain()?;
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }

    /// Flushes, and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        self.out.take().ok_or_else(|| io::Error::other("already finished"))
    }

    fn write<'a>(&mut self, block: impl PcapNgBlock<'a>) -> io::Result<()> {
        self.blocks.write_pcapng_block(block).map_err(io::Error::other)?;
        if self.blocks.get_ref().len() >= GATHER { self.drain() } else { Ok(()) }
    }

    fn drain(&mut self) -> io::Result<()> {
        let gathered = self.blocks.get_mut();
        let result = self.out.as_mut().map_or(Ok(()), |out| out.write_all(gathered));
        // After an error too: half of it may be out, and writing it again would spoil what can be read.
        gathered.clear();
        result
    }
}

/// What a frame did, in one line: `HOST1 ESTABLISHED -> FIN-WAIT-1`, `HOST1 LISTEN -> LISTEN, dropped: not a SYN`.
/// `None` when there is nothing to tell: no TCP, and not dropped.
pub fn frame_comment(host: &str, trace: &FrameTrace) -> Option<String> {
    let mut text = String::from(host);
    if trace.tuple.is_some() {
        write!(text, " {} -> {}", trace.before, trace.after).ok()?;
    }
    match trace.drop {
        Some(reason) if trace.tuple.is_some() => write!(text, ", dropped: {}", reason.text()).ok()?,
        Some(reason) => write!(text, " dropped: {}", reason.text()).ok()?,
        None if trace.tuple.is_none() => return None,
        None => {}
    }
    Some(text)
}
