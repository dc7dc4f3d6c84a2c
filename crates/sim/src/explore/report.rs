//! A counterexample for people, and for the next run.

use super::action::Action;
use super::property::Violation;
use super::scenario::Scenario;
use super::search::Counterexample;
use super::world::{Seen, World};
use crate::ladder::{Segment, pad_right};
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// A run that can be repeated: a scenario and what happens in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// The settings.
    pub scenario: Scenario,
    /// What happens, in order.
    pub actions: Vec<Action>,
}

impl From<&Counterexample> for Script {
    fn from(found: &Counterexample) -> Self {
        Self { scenario: found.scenario, actions: found.actions.clone() }
    }
}

/// The first line is the scenario; each further one an action. What follows a `#` is for people.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.scenario)?;
        self.actions.iter().try_for_each(|action| writeln!(f, "{action}"))
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lines = (1..)
            .zip(text.lines())
            .map(|(number, line): (usize, &str)| (number, line.split('#').next().unwrap_or_default().trim()));
        let mut lines = lines.filter(|(_, line)| !line.is_empty());
        let (number, first) = lines.next().ok_or("the script is empty")?;
        let at = |number: usize| move |why: String| format!("line {number}: {why}");
        let scenario = first.parse().map_err(at(number))?;
        let actions = lines.map(|(number, line)| line.parse().map_err(at(number)));
        let actions = actions.collect::<Result<_, String>>()?;
        Ok(Self { scenario, actions })
    }
}

/// Columns of an action, a state, and what moves between two states.
const ACTION: usize = 18;
const STATE: usize = 12;
const ARROW: usize = 58;

/// Runs a script: the ladder of what happened, and what went wrong, if something did.
///
/// # Errors
/// An action that is not possible where it stands.
pub fn ladder(script: &Script) -> Result<(String, Option<Violation>), String> {
    let mut world = World::new(script.scenario);
    let begin = world.now;
    let mut text = format!(
        "{} {} {} {} right\n",
        pad_right("time, action", 11 + ACTION),
        pad_right("left", STATE),
        " ".repeat(ARROW),
        ""
    );
    let mut possible = Vec::new();
    for (number, &action) in (1..).zip(&script.actions) {
        world.actions(&mut possible);
        if !possible.contains(&action) {
            return Err(format!("action {number}, '{action}', is not possible there"));
        }
        let mut seen = Seen::default();
        let outcome = world.act(action, &mut seen);
        let seconds = world.now.since(begin).as_secs_f64();
        let mut label = format!("{seconds:>9.3}  {action}");
        for arrow in arrows(action, &seen) {
            line(&mut text, &label, &arrow, &world);
            label.clear();
        }
        if let Err(violation) = outcome {
            return Ok((text, Some(violation)));
        }
    }
    world.actions(&mut possible);
    let end = if possible.is_empty() { world.judge_end().err() } else { None };
    Ok((text, end))
}

fn line(text: &mut String, label: &str, arrow: &str, world: &World) {
    let [left, right] = world.states().map(linger_proto::State::name);
    let _infallible = writeln!(
        text,
        "{} {} {} {right}",
        pad_right(label, 11 + ACTION),
        pad_right(left, STATE),
        pad_right(arrow, ARROW)
    );
}

/// What moved: first the segment that the action is about, then those that left because of it.
fn arrows(action: Action, seen: &Seen) -> Vec<String> {
    let mut arrows = Vec::new();
    if let Some((to, bytes)) = &seen.moved {
        let what = match action {
            Action::Lose(_) => "x lost",
            Action::Hold(_) => "~ held back",
            Action::Double(_) => "arrives, and once more later",
            Action::Release(_) => "arrives late",
            _ => "arrives",
        };
        arrows.push(drawn(*to, &format!("{} {what}", brief(bytes))));
    }
    arrows.extend(seen.sent.iter().map(|(from, bytes)| drawn(1 - from, &format!("{} leaves", brief(bytes)))));
    if arrows.is_empty() {
        arrows.push(String::new());
    }
    arrows
}

fn drawn(to: usize, what: &str) -> String {
    if to == 1 { format!("   {what} >") } else { format!("< {what}") }
}

/// A segment in a few words.
fn brief(bytes: &[u8]) -> String {
    let Some(segment) = Segment::decode(bytes) else { return "?".to_owned() };
    let base = super::scenario::Number::Base.as_setting()(&segment.tuple);
    let relative = |number: linger_proto::SeqNum| i64::from(number.0) - i64::from(base.0);
    let mut text = segment.flags();
    let _infallible = write!(text, " {}", relative(segment.seq));
    if segment.ack_bit() {
        let _infallible = write!(text, " ack {}", relative(segment.ack));
    }
    if !segment.text.is_empty() {
        let _infallible = write!(text, " \"{}\"", String::from_utf8_lossy(&segment.text));
    }
    if let Some((val, _)) = segment.options.timestamps {
        let _infallible = write!(text, " ts {}", val % 100_000);
    }
    text
}
