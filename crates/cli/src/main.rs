//! The program `linger`: see, serve, fetch and test over its own TCP.
//!
//! One file or folder under `cmd/` for each subcommand; `http/` and the files beside this one are what they share.
#![forbid(unsafe_code)]
// Elsewhere only `tour` works, and what the others share has no user.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports))]

mod args;
mod cmd;
mod error;
mod file;
#[cfg(target_os = "linux")]
mod http;
#[cfg(target_os = "linux")]
mod interrupt;
#[cfg(target_os = "linux")]
mod link;
#[cfg(target_os = "linux")]
mod netlink;
mod prefix;
mod quantity;
#[cfg(target_os = "linux")]
mod stack;

use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// See, serve, fetch and test over linger's own TCP/IP stack.
#[derive(Parser)]
#[command(name = "linger", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

const AFTER_HELP: &str = "\
Examples:
  linger tour                      one connection in the simulator, every segment explained
  linger serve ./public            a web server at http://10.7.0.2/
  linger fetch http://10.7.1.1/    what a server on this machine answers
  linger run --loss 1% -- curl http://linger.test/

'linger help COMMAND' shows the options of a command, with examples.";

#[derive(Subcommand)]
enum Command {
    Tour(cmd::tour::Args),
    Serve(cmd::serve::Args),
    Fetch(cmd::fetch::Args),
    Run(cmd::run::Args),
    Sim(cmd::sim::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let words: Vec<String> =
                std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
            return answer_parse_error(&error, &words);
        }
    };
    let outcome = match cli.command {
        None => {
            print(&Cli::command().render_help().to_string());
            return ExitCode::SUCCESS;
        }
        Some(Command::Tour(args)) => cmd::tour::run(&args),
        Some(Command::Serve(args)) => cmd::serve::run(&args),
        Some(Command::Fetch(args)) => cmd::fetch::run(&args),
        Some(Command::Run(args)) => cmd::run::run(&args),
        Some(Command::Sim(args)) => cmd::sim::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("linger: {error}");
        error.exit_code()
    })
}

/// Help and version go to stdout as clap has them; a mistake becomes one line on stderr and exit status 2.
fn answer_parse_error(error: &clap::Error, words: &[String]) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    if matches!(error.kind(), DisplayHelp | DisplayVersion) {
        // A reader that has gone away wants no help.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let mistake = error::Error::usage(in_one_line(&error.render().to_string(), words));
    eprintln!("linger: {mistake}");
    mistake.exit_code()
}

/// clap's paragraphs as one line: what is wrong, its tips, and where to read more.
fn in_one_line(rendered: &str, words: &[String]) -> String {
    let mut what = String::new();
    let mut tips = String::new();
    for line in rendered.lines().map(str::trim) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            tips = format!("{tips}; {tip}");
        } else if !line.is_empty()
            && !line.starts_with("Usage: ")
            && !line.starts_with("For more information")
        {
            let space = if what.is_empty() { "" } else { " " };
            what = format!("{what}{space}{}", line.strip_prefix("error: ").unwrap_or(line));
        }
    }
    let mut command = String::new();
    let mut known = Cli::command();
    for word in words {
        let Some(subcommand) = known.find_subcommand(word) else { break };
        known = subcommand.clone();
        command = format!("{command} {word}");
    }
    format!("{what}{tips}; see 'linger{command} --help'")
}

/// Prints to stdout; a reader that has gone away is no error.
fn print(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(words: &[&str]) -> String {
        let error = Cli::try_parse_from(words).err().expect("a mistake");
        let words: Vec<String> = words.iter().skip(1).map(ToString::to_string).collect();
        in_one_line(&error.render().to_string(), &words)
    }

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_word_is_told_in_one_line_with_where_to_read_more() {
        for (words, what, more) in [
            (&["linger", "sevre"][..], "unrecognized subcommand 'sevre'", "see 'linger --help'"),
            (
                &["linger", "serve", "--prot", "80", "."],
                "unexpected argument '--prot'",
                "see 'linger serve --help'",
            ),
            (&["linger", "serve"], "DIR", "see 'linger serve --help'"),
            (&["linger", "serve", ".", "--port", "0"], "--port", "see 'linger serve --help'"),
            (&["linger", "serve", ".", "--loss", "2"], "more than 100%", "see 'linger serve --help'"),
            (&["linger", "run"], "COMMAND", "see 'linger run --help'"),
            (&["linger", "run", "--los", "1%", "--", "true"], "'--los'", "see 'linger run --help'"),
            (&["linger", "sim"], "requires a subcommand", "see 'linger sim --help'"),
            (&["linger", "sim", "explore", "--mls", "1"], "'--mls'", "see 'linger sim explore --help'"),
        ] {
            let line = mistake(words);
            assert!(line.contains(what) && line.contains(more) && !line.contains('\n'), "{words:?}: {line}");
        }
    }
}
