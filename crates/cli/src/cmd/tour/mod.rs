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
mod outcome;
mod page;
mod scene;

use crate::error::Result;
use std::path::PathBuf;
use std::process::ExitCode;

/// The options of `linger tour`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What is shown.
    #[arg(long, value_enum, default_value = "orderly")]
    scene: scene::Name,
    /// Leave out TIME-WAIT.
    #[arg(long)]
    without_time_wait: bool,
    /// What is fetched.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Where the random numbers come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    use linger_sim::ladder;
    struct W;
    impl ladder::Wording for W {
        fn headings(&self) -> [String; 2] {
            ["".into(), "seconds".into()]
        }
        fn lost(&self, l: linger_sim::Loss) -> String {
            l.text().into()
        }
        fn dropped(&self, h: &str, r: linger_proto::DropReason) -> String {
            format!("{h} drops it: {}", r.text())
        }
        fn again(&self) -> String {
            "again".into()
        }
        fn copy_of(&self, l: usize) -> String {
            format!("copy of {l}")
        }
        fn arrival_of(&self, l: usize) -> String {
            format!("{l}")
        }
        fn cause(&self, h: &str, r: &ladder::StateRow) -> String {
            format!("{h} {}->{}", r.states.before, r.states.after)
        }
    }
    let page = page::Page::built_in();
    let act = act::act(
        args.scene.scene(),
        act::Settings { seed: args.seed, time_wait: !args.without_time_wait, timestamps: None },
        &page,
    );
    print!("{}", ladder::draw(&act.lines, act::HOSTS, &W, ladder::Style::Plain));
    println!(
        "{:#?}\n{:?}\n{:?} {:?} {}",
        act.outcome,
        act.verdict,
        act.failure,
        act.readings,
        act.capture.len()
    );
    Ok(ExitCode::SUCCESS)
}
