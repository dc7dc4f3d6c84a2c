//! linger in memory: two hosts back to back in one thread.
#![forbid(unsafe_code)]

use bench::memory::{self, Choice};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: bench::Counting = bench::Counting;

const USAGE: &str = "usage: linger_mem MEASURE ...

  life LIVES [IDLE [HELD]]         whole lives next to IDLE connections and HELD TIME-WAITs (3000)
  seg CONNECTIONS ROUNDTRIPS [same|random] [BATCH]
                                   32-octet segments to and fro (same, 1)
  bulk MTU on|off MIB [BUFKIB [IDLE]]
                                   text in one direction, with checksums or without (256, 0)
  mem idle|half_open|time_wait_v4|time_wait_v6 COUNT
                                   octets of memory for each
  tw LIVES HELD                    life LIVES 0 HELD
  housekeeping CONNECTIONS CALLS   looks with nothing due
  grow idle|time_wait COUNT [CALL] the largest call while tables grow; callgrind counts CALL alone
  gated NAME                       work whose instructions are gated; callgrind counts it alone
  carry FRAMES OCTETS              what the wire between the hosts costs alone

Prints `key value` lines. Times are nanoseconds of processor time of the thread.
example: linger_mem life 100000 1000";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if measure(&words).is_some() {
        return ExitCode::SUCCESS;
    }
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// `None` when the words make no sense.
fn measure(words: &[&str]) -> Option<()> {
    let number = |index: usize| words.get(index)?.parse::<u32>().ok();
    let number_or = |index: usize, otherwise: u32| match words.get(index) {
        None => Some(otherwise),
        Some(word) => word.parse().ok(),
    };
    match *words.first()? {
        "life" => memory::life(number(1)?, number_or(2, 0)?, number_or(3, 3000)?),
        "tw" => memory::life(number(1)?, 0, number(2)?),
        "seg" => {
            let choice = match words.get(3) {
                None | Some(&"same") => Choice::Same,
                Some(&"random") => Choice::Random,
                Some(_) => return None,
            };
            let batch = number_or(words.iter().position(|word| *word == "batch").map_or(4, |at| at + 1), 1)?;
            memory::seg(number(1)?, number(2)?, choice, usize::try_from(batch).ok()?.max(1));
        }
        "bulk" => {
            let checksums = match *words.get(2)? {
                "on" | "1" => true,
                "off" | "0" => false,
                _ => return None,
            };
            memory::bulk(
                u16::try_from(number(1)?).ok()?,
                checksums,
                number(3)?.into(),
                number_or(4, 256)? << 10,
                number_or(5, 0)?,
            );
        }
        "mem" => memory::footprint(words.get(1)?, number(2)?).then_some(())?,
        "housekeeping" => memory::housekeeping(number(1)?, number(2)?),
        "grow" => {
            let call = words.get(3).map(|word| word.parse::<u64>().ok());
            let call = if let Some(call) = call { Some(call?) } else { None };
            memory::grow(words.get(1)?, number(2)?, call).then_some(())?;
        }
        "gated" => memory::gated(words.get(1)?).then_some(())?,
        "carry" => memory::carry_alone(number(1)?.into(), usize::try_from(number(2)?).ok()?),
        _ => return None,
    }
    Some(())
}
