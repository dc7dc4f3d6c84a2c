//! `linger tour`: two simulated hosts, one HTTP connection, and every segment of it explained.
//!
//! | file | what |
//! |---|---|
//! | `scene/` | the scenes: what is arranged, and nothing more |
//! | `apps`, `page` | the hyper server and client, and what is fetched |
//! | `act` | one run of a scene |
//! | `outcome` | what the applications got, and the verdict |
//! | `meaning` | what each segment was for, from what it did |
//! | `words/` | the same in English and Chinese |
//! | `show`, `json` | the output |

mod act;
mod apps;
mod json;
mod meaning;
mod outcome;
mod page;
mod scene;
mod show;
#[cfg(test)]
mod tests;
mod words;

use crate::cmd::print;
use crate::error::{Error, Result};
use crate::file::{self, Place};
use act::{Act, Settings, act};
use linger_sim::ladder::Style;
use page::Page;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use words::{Arranged, Language};

/// See one HTTP connection from SYN to the end of TIME-WAIT, every segment explained. Needs no privilege.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Exit status: 0 when the connection ended in order and the octets arrived intact on both sides, 1 when not, 2 when \
the call was wrong.

Examples:
  linger tour
  linger tour --scene lost-last-ack --without-time-wait
  linger tour --scene old-duplicate --pcap out.pcapng")]
pub(crate) struct Args {
    /// What happens.
    #[arg(long, value_enum, value_name = "SCENE", default_value = "orderly")]
    scene: scene::Name,
    /// Leave out TIME-WAIT: a maximum segment lifetime of zero.
    #[arg(long)]
    without_time_wait: bool,
    /// What is fetched, instead of the page that comes with the program.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Where every random number comes from: the same seed gives the same octets on the wire.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write a capture of the link, with the states of the connection in a comment on each packet.
    #[arg(long, value_name = "OUT.pcapng")]
    pcap: Option<PathBuf>,
    /// Print one JSON document instead of text.
    #[arg(long)]
    json: bool,
    /// The language of the explanations.
    #[arg(long, value_enum, value_name = "LANG", default_value = "en")]
    lang: Language,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let page = args.page.as_deref().map_or_else(|| Ok(Page::built_in()), read_page)?;
    let capture = args.pcap.as_deref().map(|path| Place::new("the capture", path)).transpose()?;
    let scene = args.scene.scene();
    let settings = Settings { seed: args.seed, time_wait: !args.without_time_wait, timestamps: None };
    let main = act(scene, settings, &page);
    if let Some(place) = capture {
        place.write(&main.capture)?;
    }
    let others = if scene.compare { compared(scene, args.seed, &page) } else { Vec::new() };
    let arranged = Arranged {
        scene: args.scene,
        seed: args.seed,
        time_wait: main.time_wait,
        timestamps: main.timestamps,
        numbers: scene.initial_sequence.is_some(),
    };
    let output = if args.json {
        format!("{:#}\n", json::document(&main, &arranged, &others, args.lang))
    } else {
        text(&main, &others, &arranged, args.lang)
    };
    print(&output)?;
    Ok(if main.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The same scene with TIME-WAIT, without it, and without it but with timestamps.
fn compared(scene: scene::Scene, seed: u64, page: &Page) -> Vec<Act> {
    [(true, false), (false, false), (false, true)]
        .map(|(time_wait, timestamps)| {
            act(scene, Settings { seed, time_wait, timestamps: Some(timestamps) }, page)
        })
        .into()
}

fn text(main: &Act, others: &[Act], arranged: &Arranged, language: Language) -> String {
    let (words, style) = (language.words(), style());
    let mut text = show::text(main, arranged, words, style);
    if !others.is_empty() {
        text.push_str(&show::comparison(others, words, style));
    }
    text.push_str(&show::verdict(main, words, style));
    text
}

/// Colour for people at a terminal who have not asked for none (`NO_COLOR`).
fn style() -> Style {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if io::stdout().is_terminal() && !refused && !dumb { Style::Colour } else { Style::Plain }
}

/// The ladder has a row for each segment: past this nobody reads it.
const PAGE_MAX: u64 = 16 << 20;

fn read_page(path: &Path) -> Result<Page> {
    let octets = file::read_at_most(path, PAGE_MAX).map_err(|why| {
        Error::usage(format!(
            "cannot read the page '{}': {why}; name a file that can be read",
            path.display()
        ))
    })?;
    Ok(Page::new(octets))
}
