//! `linger sim`: what the simulator can do by itself.
//!
//! | command | what it does |
//! |---|---|
//! | `explore` | every way in which two hosts can live through a connection and the next one, within a bound |

mod explore;

use crate::error::Result;
use std::process::ExitCode;

/// Two hosts without a network: what can happen to them.
#[derive(clap::Args, Debug)]
#[command(arg_required_else_help = false)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    Explore(explore::Args),
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Explore(args) => explore::run(args),
    }
}
