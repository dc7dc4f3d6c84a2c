//! What the tour says, in two languages.
//!
//! | file | language |
//! |---|---|
//! | `en` | English |
//! | `zh` | Chinese |
//! | `zh_drops` | the reasons for throwing a segment away, in Chinese |

mod en;
mod zh;
mod zh_drops;

use super::meaning::Meaning;
use super::outcome::{Answer, Closed};
use super::scene::Name;
use linger_sim::ladder::Wording;
use std::time::Duration;

/// The languages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Language {
    /// English.
    En,
    /// Chinese.
    Zh,
}

impl Language {
    /// The words of this language.
    pub(super) const fn words(self) -> &'static dyn Words {
        match self {
            Self::En => &en::English,
            Self::Zh => &zh::Chinese,
        }
    }

    /// As it is written on the command line.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }
}

/// How a scene was run, in words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arranged {
    pub(super) scene: Name,
    pub(super) seed: u64,
    /// 2*MSL.
    pub(super) time_wait: Duration,
    pub(super) timestamps: bool,
    /// Whether the scene arranges the initial sequence numbers.
    pub(super) numbers: bool,
}

/// One `connect`, or several in a row with the same answer.
#[derive(Clone, Debug)]
pub(super) struct Connects {
    pub(super) first: Duration,
    pub(super) last: Duration,
    pub(super) times: usize,
    pub(super) refused: Option<String>,
}

/// Everything the tour says. Methods return whole lines or sentences without a newline.
pub(super) trait Words: Wording {
    /// What is shown, and under which settings.
    fn title(&self, arranged: &Arranged) -> Vec<String>;
    /// Over the explanations.
    fn steps_heading(&self) -> String;
    /// Over the readings of TIME-WAIT.
    fn countdown_heading(&self, host: &str, time_wait: Duration) -> String;
    /// One reading: when, and how long TIME-WAIT still lasts.
    fn countdown_reading(&self, at: &str, left: Duration) -> String;
    /// The end of the countdown.
    fn countdown_end(&self, host: &str, at: &str) -> String;
    /// What a step was for.
    fn meaning(&self, meaning: &Meaning) -> String;
    /// Over what the applications got.
    fn outcome_heading(&self) -> String;
    /// What `connect` gave.
    fn connects(&self, host: &str, connects: &Connects) -> String;
    /// What was served, and what of it was received.
    fn reply(
        &self,
        number: usize,
        served: Option<&Answer>,
        received: Option<&Result<Answer, String>>,
    ) -> String;
    /// How `close().await` ended.
    fn closed(&self, host: &str, closed: Closed) -> String;
    /// What else went wrong.
    fn failed(&self, host: &str, what: &str) -> String;
    /// The verdict.
    fn verdict(&self, intact: bool, in_order: bool) -> String;
    /// What the simulator found wrong.
    fn invariant(&self, what: &str) -> String;
    /// Over the same scene under other settings.
    fn compare_heading(&self) -> String;
    /// The settings of one of them.
    fn settings(&self, time_wait: Duration, timestamps: bool) -> String;
    /// What became of the stray: how often a host took one for its own, and why others were thrown away.
    fn stray(&self, taken: usize, dropped: Option<(&str, linger_proto::DropReason)>) -> String;
}
