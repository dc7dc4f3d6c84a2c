//! Measures servers behind a TUN against the kernel's client, one at a time, in rounds: `tun_suite [OPTION]...`.
//!
//! `--subject NAME:PLACE:COMMAND` (repeatable, PLACE is `tun`, `loopback` or `veth`), `--kinds up,down,...`,
//! `--rounds N`, `--seconds N` of each measurement, `--prefix http`. Without subjects: linger's small server and the
//! kernel's. Prints `METRIC SUBJECT VALUE UNIT` lines; what fails is a line of its own and does not stop the rest. Needs
//! root, wrk and `ip`.

use bench::tun::{Figure, KINDS, Kind, Subject, measure};
use std::process::ExitCode;
use std::time::Duration;

struct Options {
    subjects: Vec<Subject>,
    kinds: Vec<Kind>,
    rounds: u32,
    length: Duration,
    prefix: String,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("tun_suite: {error}");
            return ExitCode::from(2);
        }
    };
    let mut figures = 0;
    for _ in 0..options.rounds {
        for subject in &options.subjects {
            let mut tell = |figure: Figure| {
                let unit = figure.unit.replace(' ', "_");
                println!("{} {} {:.6} {unit}", figure.metric, subject.name, figure.value);
                figures += 1;
            };
            for (kind, error) in measure(subject, &options.kinds, &options.prefix, options.length, &mut tell)
            {
                let name = format!("{}_{}_failed", options.prefix, kind.name());
                tell(Figure { metric: name, value: 1.0, unit: "failures" });
                eprintln!("tun_suite: {}: {}: {error}", subject.name, kind.name());
            }
        }
    }
    if figures > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        subjects: Vec::new(),
        kinds: Vec::new(),
        rounds: 5,
        length: Duration::from_secs(2),
        prefix: "http".to_owned(),
    };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u32>().map_err(|_| format!("{word} {value}: not a number"));
        match word.as_str() {
            "--subject" => options.subjects.push(value.parse()?),
            "--kinds" => {
                options.kinds = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            "--rounds" => options.rounds = number()?,
            "--seconds" => options.length = Duration::from_secs(number()?.into()),
            "--prefix" => options.prefix = value,
            _ => return Err(format!("no option {word}")),
        }
    }
    if options.kinds.is_empty() {
        options.kinds = KINDS
            .map(|(_, kind)| kind)
            .into_iter()
            .filter(|kind| !matches!(kind, Kind::Minute | Kind::Held | Kind::Half))
            .collect();
    }
    if options.subjects.is_empty() {
        options.subjects = ["linger:tun:tun_linger", "kernel:loopback:tun_kernel"]
            .map(neighbour)
            .into_iter()
            .collect::<Result<_, _>>()?;
    }
    Ok(options)
}

/// A subject whose program lies beside this one.
fn neighbour(text: &str) -> Result<Subject, String> {
    let mut subject: Subject = text.parse()?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    subject.command[0] = own.with_file_name(&subject.command[0]).to_string_lossy().into_owned();
    Ok(subject)
}
