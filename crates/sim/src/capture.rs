//! A link as a pcapng file: each packet where it left and where it arrived, with what it did in a comment.

use crate::{HostId, LinkId, Observation, Sim};
use linger_device::pcap::{PcapInterface, Pcapng, frame_comment};
use linger_proto::{Direction, FrameTrace, Instant};
use std::io::{self, Write};
use std::time::Duration;

/// One link being captured.
pub(crate) struct Capture {
    link: LinkId,
    ends: [HostId; 2],
    names: [String; 2],
    interfaces: [PcapInterface; 2],
    out: Pcapng<Box<dyn Write>>,
    /// The first error of the writer. Nothing is written after it.
    error: Option<io::Error>,
}

impl Capture {
    fn new(link: LinkId, ends: [HostId; 2], names: [String; 2], out: Box<dyn Write>) -> io::Result<Self> {
        let mut out = Pcapng::new(out)?;
        let interfaces = [out.interface(&names[0])?, out.interface(&names[1])?];
        Ok(Self { link, ends, names, interfaces, out, error: None })
    }

    pub(crate) fn observe(&mut self, what: &Observation<'_>) {
        let result = match what {
            Observation::Sent(sent) if sent.link == Some(self.link) => {
                let lost = sent.fate.err().map(crate::Loss::text);
                self.packet(sent.from, sent.at, Direction::Out, sent.bytes, sent.trace, lost)
            }
            Observation::Arrived(arrived) if arrived.link == Some(self.link) => {
                self.packet(arrived.to, arrived.at, Direction::In, arrived.bytes, arrived.trace, None)
            }
            _ => Ok(()),
        };
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
    }

    fn packet(
        &mut self,
        host: HostId,
        at: Instant,
        direction: Direction,
        bytes: &[u8],
        trace: Option<FrameTrace>,
        lost: Option<&str>,
    ) -> io::Result<()> {
        if self.error.is_some() {
            return Ok(());
        }
        let end = usize::from(host != self.ends[0]);
        let states = trace.and_then(|trace| frame_comment(&self.names[end], &trace));
        let comment = match (states, lost) {
            (Some(states), Some(lost)) => Some(format!("{states}; {lost}")),
            (states, lost) => states.or_else(|| lost.map(str::to_owned)),
        };
        let time = Duration::from_nanos(at.as_nanos());
        self.out.packet(self.interfaces[end], time, direction, bytes, comment.as_deref())
    }

    /// Hands what was captured so far to the writer.
    pub(crate) fn flush(&mut self) -> Result<(), String> {
        let flushed = self.out.flush();
        match self.error.take().map_or(flushed, Err) {
            Ok(()) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Sim {
    /// Writes the packets of a link to `pcap`, in the pcapng format: one interface for each end, named as its host.
    /// A packet is there once where it left and once for each copy that arrived, with the states of the connection
    /// before and after it in a comment; a lost one says so where it left. Times count from 1970.
    ///
    /// Everything is handed to the writer by the end of each `run_*`, which also reports what the writer refused.
    pub fn capture(&mut self, link: LinkId, pcap: impl Write + 'static) {
        let ends = self.ends(link);
        let names = ends.map(|end| self.name(end).to_owned());
        match Capture::new(link, ends, names, Box::new(pcap)) {
            Ok(capture) => self.captures.push(capture),
            Err(error) => self.capture_error = Some(error.to_string()),
        }
    }
}
