//! Options that several subcommands share.

use crate::error::{Error, Result, plain};
use crate::prefix::Prefix;
use crate::quantity;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

/// Which link to make, and which addresses to have on it.
#[derive(clap::Args, Debug, Clone, Default)]
pub(crate) struct LinkArgs {
    /// Our address and the length of its prefix; may be given once for each address
    ///
    /// The kernel's end of the link gets the first other address of the prefix: for 10.7.0.2/24 that is 10.7.0.1.
    #[arg(long, value_name = "ADDRESS/LENGTH")]
    pub(crate) address: Vec<Prefix>,

    /// Name of the TUN device to make, or of one prepared with `ip tuntap add` [default: the first free lingerN]
    #[arg(long, value_name = "NAME", value_parser = tun_name)]
    pub(crate) tun: Option<String>,
}

/// How to make a link worse than it is, both ways, repeatably.
#[derive(clap::Args, Debug, Clone, Default)]
#[command(next_help_heading = "Impairment of the link, each way")]
pub(crate) struct ImpairmentArgs {
    /// Hold every packet back for so long, such as 20ms; a round trip takes twice this
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    pub(crate) delay: Option<Duration>,

    /// Lose this share of the packets, such as 1%
    #[arg(long, value_name = "SHARE", value_parser = quantity::probability)]
    pub(crate) loss: Option<f64>,

    /// Deliver this share of the packets twice
    #[arg(long, value_name = "SHARE", value_parser = quantity::probability)]
    pub(crate) duplicate: Option<f64>,

    /// Let later packets overtake this share of the packets
    #[arg(long, value_name = "SHARE", value_parser = quantity::probability)]
    pub(crate) reorder: Option<f64>,

    /// Bits a second, such as 100mbit
    #[arg(long, value_name = "RATE", value_parser = quantity::rate)]
    pub(crate) rate: Option<u64>,

    /// Repeat the impairments of an earlier run [default: a new seed, which is printed]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

impl ImpairmentArgs {
    /// Whether any of them is asked for.
    pub(crate) fn is_any(&self) -> bool {
        let Self { delay, loss, duplicate, reorder, rate, seed: _ } = self;
        delay.is_some() || rate.is_some() || [loss, duplicate, reorder].iter().any(|share| share.is_some())
    }
}

/// Where to write a capture.
#[derive(clap::Args, Debug, Clone, Default)]
pub(crate) struct CaptureArgs {
    /// Write every packet to this pcapng file, each with the state of its connection before and after
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
}

impl CaptureArgs {
    /// Opens the file now, so that a wrong path is found before anything else is done.
    pub(crate) fn open(&self) -> Result<Option<Capture>> {
        let Some(path) = &self.pcap else { return Ok(None) };
        let made = path.symlink_metadata().is_err();
        // What was there before stays until there is something to capture.
        match File::options().write(true).create(true).truncate(false).open(path) {
            Ok(file) => Ok(Some(Capture { file: Some(file), remove: made.then(|| path.clone()) })),
            Err(error) => Err(Error::usage(format!(
                "cannot write the capture '{}': {}; name another file with --pcap",
                path.display(),
                plain(&error)
            ))),
        }
    }
}

/// A file for a capture. One that was made for it and never begun goes away again.
#[derive(Debug)]
pub(crate) struct Capture {
    file: Option<File>,
    remove: Option<PathBuf>,
}

impl Capture {
    /// The file, emptied.
    pub(crate) fn begin(mut self) -> std::io::Result<File> {
        let file = self.file.take().ok_or(std::io::ErrorKind::NotFound)?;
        self.remove = None;
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        Ok(file)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Some(path) = &self.remove {
            // If it cannot be removed there is nobody left to tell.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A name the kernel takes for an interface: at most 15 octets, no slash, no white space.
fn tun_name(text: &str) -> std::result::Result<String, String> {
    let wrong = |c: char| c == '/' || c == ':' || c == '%' || c.is_whitespace() || c.is_control();
    if text.is_empty() || text.len() > 15 || text == "." || text == ".." || text.contains(wrong) {
        return Err(format!("'{text}' cannot name an interface; at most 15 characters, such as linger0"));
    }
    Ok(text.to_owned())
}
