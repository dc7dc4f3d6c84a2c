//! Scenarios of open connections: ESTABLISHED, and what FIN-WAIT, CLOSE-WAIT, CLOSING and LAST-ACK have in common with it.

use super::before::ALIVE;
use super::play::{GET, GET_BIG};
use super::script::Start::{self, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck};
use super::script::{
    ACK, FAR, FIN, FIN_ACK, IN_FLIGHT, IN_FLIGHT_WINDOW, NONE, RST, RST_ACK, SYN, SYN_ACK, Scenario, Step,
    URG_ACK, Until, say, scenario,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = common();
    all.extend(established());
    all
}

/// A state: how the scenarios are called, the state, rows that they show, and what is acknowledged of what was sent.
struct Common {
    names: [&'static str; 5],
    start: Start,
    rows: [&'static [&'static str]; 5],
    acking: i32,
    wnd: u16,
    /// Shows that the connection is in the same state still.
    same: Step,
}

macro_rules! common {
    ($state:literal, $start:expr, $acking:expr, $wnd:expr, $outside:expr, $same:expr) => {
        Common {
            names: [
                concat!($state, ": outside the window"),
                concat!($state, ": exact RST"),
                concat!($state, ": RST elsewhere"),
                concat!($state, ": SYN"),
                concat!($state, ": no ACK, or one of something not sent"),
            ],
            start: $start,
            rows: [
                &[concat!($state, "-1")],
                &[concat!($state, "-2")],
                $outside,
                &[concat!($state, "-4")],
                &[concat!($state, "-5")],
            ],
            acking: $acking,
            wnd: $wnd,
            same: $same,
        }
    };
}

fn common() -> Vec<Scenario> {
    let states = [
        common!("ESTABLISHED", Established, 0, WIDE, &["ESTABLISHED-9", "ESTABLISHED-10"], ALIVE),
        common!("FIN-WAIT-1", FinWait1, -1, WIDE, &["FIN-WAIT-1-2"], say(FIN_ACK).acking(-1).gets("ACK +1")),
        common!("FIN-WAIT-2", FinWait2, 0, WIDE, &["FIN-WAIT-2-2"], say(FIN_ACK).gets("ACK +1")),
        common!(
            "CLOSE-WAIT",
            CloseWait,
            -IN_FLIGHT,
            IN_FLIGHT_WINDOW,
            &["CLOSE-WAIT-2"],
            say(FIN_ACK).at(-1).acking(-IN_FLIGHT).window(IN_FLIGHT_WINDOW).gets("ACK")
        ),
        common!("CLOSING", Closing, -1, WIDE, &["CLOSING-2"], say(FIN_ACK).at(-1).acking(-1).gets("ACK")),
        common!("LAST-ACK", LastAck, -1, WIDE, &["LAST-ACK-2"], say(FIN_ACK).at(-1).acking(-1).gets("ACK")),
    ];
    states.into_iter().flat_map(|state| state.scenarios()).collect()
}

impl Common {
    fn scenarios(&self) -> Vec<Scenario> {
        let ack = say(ACK).acking(self.acking).window(self.wnd);
        let steps: [Vec<Step>; 5] = [
            vec![
                ack.at(FAR).gets("ACK"),
                ack.at(i32::MIN).gets("ACK"),
                ack.at(FAR).text("hello").gets("ACK"),
                ack.at(-100).text("hello").gets("ACK"),
                self.same,
            ],
            vec![say(RST).gets("nothing"), ack.gets("RST at its ACK")],
            vec![
                say(RST).at(1).gets("ACK"),
                say(RST_ACK).at(2).acking(self.acking).gets("ACK"),
                say(RST).at(-2).gets("nothing"),
                say(RST).at(FAR).gets("nothing"),
                self.same,
            ],
            vec![
                say(SYN).gets("ACK"),
                say(SYN).at(1000).gets("ACK"),
                say(SYN).at(-1000).gets("ACK"),
                say(SYN).at(i32::MIN).gets("ACK"),
                say(SYN_ACK).gets("ACK"),
                self.same,
            ],
            vec![
                say(NONE).gets("nothing"),
                say(FIN).text("hello").gets("nothing"),
                say(ACK).acking(1).text("hello").gets("ACK"),
                say(FIN_ACK).acking(FAR).gets("ACK"),
                self.same,
            ],
        ];
        std::iter::zip(std::iter::zip(self.names, self.rows), steps)
            .map(|((name, rows), steps)| scenario(name, self.start, rows, steps))
            .collect()
    }
}

/// The window of a probe that does not limit the host.
const WIDE: u16 = u16::MAX;
/// Octets of [`GET`].
const GET_LEN: i32 = 30;

fn established() -> Vec<Scenario> {
    let text = || say(ACK).text(GET);
    vec![
        scenario(
            "ESTABLISHED: ACK of something not sent, with text",
            Established,
            &["ESTABLISHED-11", "ESTABLISHED-16"],
            [text().acking(1).gets("ACK"), ALIVE],
        ),
        scenario(
            "ESTABLISHED: old ACK with text",
            Established,
            &["ESTABLISHED-5", "ESTABLISHED-12"],
            [ALIVE, text().acking(-10).until(Until::Text(1), "text")],
        ),
        scenario(
            "ESTABLISHED: ACK older than any window, with text",
            Established,
            &["ESTABLISHED-12"],
            [text().acking(-FAR).gets("ACK"), ALIVE],
        ),
        scenario(
            "ESTABLISHED: text",
            Established,
            &["ESTABLISHED-7"],
            [say(ACK).text("GET").until(Until::Anything, "ACK +3")],
        ),
        scenario(
            "ESTABLISHED: text across RCV.NXT",
            Established,
            &["ESTABLISHED-14"],
            [
                say(ACK).text("GET").until(Until::Anything, "ACK +3"),
                text().at(-3).until(Until::Text(1), "text"),
            ],
        ),
        scenario(
            "ESTABLISHED: FIN",
            Established,
            &["ESTABLISHED-8"],
            [
                say(FIN_ACK).until(Until::Fin, "FIN"),
                say(ACK).gets("nothing"),
                say(ACK).gets("RST at its ACK"),
            ],
        ),
        scenario(
            "ESTABLISHED: timestamp older, or missing",
            Established,
            &["ESTABLISHED-1"],
            [
                say(ACK).clock(-10).gets("ACK"),
                text().clock(-10).gets("ACK"),
                say(ACK).at(FAR).without_timestamp().gets("nothing"),
                ALIVE,
            ],
        )
        .with_timestamps(),
        scenario(
            "ESTABLISHED: timestamp older by one tick",
            Established,
            &["ESTABLISHED-1"],
            [say(ACK).clock(-1).gets("ACK"), ALIVE],
        )
        .with_timestamps(),
        scenario(
            "ESTABLISHED: FIN out of order",
            Established,
            &["ESTABLISHED-15"],
            [say(FIN_ACK).at(GET_LEN).gets("ACK"), text().until(Until::Fin, "text FIN")],
        ),
        scenario(
            "ESTABLISHED: windows, newer and older",
            Established,
            &["ESTABLISHED-13"],
            [
                say(ACK).text(GET_BIG).window(1200).until(Until::Text(1200), "1200 of text"),
                say(ACK).window(1000).until(Until::Text(1000), "1000 of text"),
                // At the same number the smaller ACK is the older.
                say(ACK).acking(-1500).window(5000).gets("nothing"),
            ],
        ),
        scenario(
            "ESTABLISHED: URG without text",
            Established,
            &["ESTABLISHED-6"],
            [say(URG_ACK).gets("nothing"), ALIVE],
        ),
    ]
}
