//! Scenarios of connections that close: what is particular to FIN-WAIT, CLOSE-WAIT, CLOSING and LAST-ACK, and TIME-WAIT.

use super::before::ALIVE;
use super::script::Start::{CloseWait, Closing, FinWait1, FinWait2, LastAck, TimeWait};
use super::script::{
    ACK, FAR, FIN_ACK, IN_FLIGHT, IN_FLIGHT_WINDOW, NONE, RST, RST_ACK, SYN, SYN_ACK, Scenario, URG_ACK,
    Until, say, scenario,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = fin_wait();
    all.extend(both_closed());
    all.extend(time_wait());
    all.extend(reopening());
    all
}

fn fin_wait() -> Vec<Scenario> {
    vec![
        scenario(
            "FIN-WAIT-1: ACK of the FIN",
            FinWait1,
            &["FIN-WAIT-1-5"],
            [say(ACK).gets("nothing"), say(FIN_ACK).gets("ACK +1"), say(FIN_ACK).at(-1).gets("ACK")],
        ),
        scenario(
            "FIN-WAIT-1: ACK below the FIN",
            FinWait1,
            &["FIN-WAIT-1-10"],
            [say(ACK).acking(-1).gets("nothing"), say(FIN_ACK).acking(-1).gets("ACK +1")],
        ),
        scenario(
            "FIN-WAIT-1: text that nobody will read",
            FinWait1,
            &["FIN-WAIT-1-7"],
            [say(ACK).acking(-1).text("hello").gets("RST,ACK"), say(ACK).gets("RST at its ACK")],
        ),
        scenario(
            "FIN-WAIT-1: FIN before the ACK of ours",
            FinWait1,
            &["FIN-WAIT-1-8", "CLOSING-5"],
            [
                say(FIN_ACK).acking(-1).gets("ACK +1"),
                say(ACK).gets("nothing"),
                say(FIN_ACK).at(-1).gets("ACK"),
            ],
        ),
        scenario(
            "FIN-WAIT-1: FIN with the ACK of ours",
            FinWait1,
            &["FIN-WAIT-1-9"],
            [say(FIN_ACK).gets("ACK +1"), say(FIN_ACK).at(-1).gets("ACK")],
        ),
        scenario(
            "FIN-WAIT-1: URG",
            FinWait1,
            &["FIN-WAIT-1-6"],
            [say(URG_ACK).acking(-1).gets("nothing"), say(FIN_ACK).gets("ACK +1")],
        ),
        scenario(
            "FIN-WAIT-2: ACK",
            FinWait2,
            &["FIN-WAIT-2-5"],
            [say(ACK).gets("nothing"), say(FIN_ACK).gets("ACK +1")],
        ),
        scenario(
            "FIN-WAIT-2: text that nobody will read",
            FinWait2,
            &["FIN-WAIT-2-7"],
            [say(ACK).text("hello").gets("RST,ACK"), say(ACK).gets("RST at its ACK")],
        ),
        scenario(
            "FIN-WAIT-2: FIN",
            FinWait2,
            &["FIN-WAIT-2-8"],
            [say(FIN_ACK).gets("ACK +1"), say(FIN_ACK).at(-1).gets("ACK")],
        ),
        scenario(
            "FIN-WAIT-2: URG",
            FinWait2,
            &["FIN-WAIT-2-6"],
            [say(URG_ACK).gets("nothing"), say(FIN_ACK).gets("ACK +1")],
        ),
    ]
}

fn both_closed() -> Vec<Scenario> {
    let window = IN_FLIGHT_WINDOW;
    let unread = say(ACK).acking(-IN_FLIGHT).window(window);
    vec![
        scenario(
            "CLOSE-WAIT: the FIN again",
            CloseWait,
            &["CLOSE-WAIT-1", "CLOSE-WAIT-8"],
            [
                say(FIN_ACK).at(-1).acking(-IN_FLIGHT).window(window).gets("ACK"),
                say(FIN_ACK).at(-1).acking(-IN_FLIGHT).window(window).gets("ACK"),
            ],
        ),
        scenario(
            "CLOSE-WAIT: the FIN again with a larger window",
            CloseWait,
            &["CLOSE-WAIT-1"],
            [say(FIN_ACK).at(-1).acking(-IN_FLIGHT).window(4000).gets("ACK")],
        ),
        scenario(
            "CLOSE-WAIT: ACK of text",
            CloseWait,
            &["CLOSE-WAIT-5"],
            [say(ACK).window(window).until(Until::Text(1000), "1000 of text")],
        ),
        scenario(
            "CLOSE-WAIT: text behind the FIN",
            CloseWait,
            &["CLOSE-WAIT-7"],
            [unread.text("hello").gets("nothing"), unread.at(-100).gets("ACK")],
        ),
        scenario(
            "CLOSE-WAIT: FIN behind the FIN",
            CloseWait,
            &["CLOSE-WAIT-8"],
            [say(FIN_ACK).acking(-IN_FLIGHT).window(window).gets("nothing"), unread.at(-100).gets("ACK")],
        ),
        scenario(
            "CLOSE-WAIT: URG",
            CloseWait,
            &["CLOSE-WAIT-6"],
            [say(URG_ACK).acking(-IN_FLIGHT).window(window).gets("nothing"), unread.at(-100).gets("ACK")],
        ),
        scenario(
            "CLOSING: the FIN again",
            Closing,
            &["CLOSING-1", "CLOSING-8"],
            [say(FIN_ACK).at(-1).acking(-1).gets("ACK"), say(FIN_ACK).at(-1).acking(-1).gets("ACK")],
        ),
        scenario(
            "CLOSING: text and URG",
            Closing,
            &["CLOSING-6", "CLOSING-7"],
            [
                say(ACK).acking(-1).text("hello").gets("nothing"),
                say(URG_ACK).acking(-1).gets("nothing"),
                say(FIN_ACK).at(-1).acking(-1).gets("ACK"),
            ],
        ),
        scenario(
            "CLOSING: ACK of the FIN",
            Closing,
            &["CLOSING-5"],
            [say(ACK).gets("nothing"), say(ACK).gets("nothing"), say(FIN_ACK).at(-1).gets("ACK")],
        ),
        scenario(
            "LAST-ACK: the FIN again",
            LastAck,
            &["LAST-ACK-1", "LAST-ACK-8"],
            [say(FIN_ACK).at(-1).acking(-1).gets("ACK"), say(FIN_ACK).at(-1).acking(-1).gets("ACK")],
        ),
        scenario(
            "LAST-ACK: text and URG",
            LastAck,
            &["LAST-ACK-6", "LAST-ACK-7"],
            [
                say(ACK).acking(-1).text("hello").gets("nothing"),
                say(URG_ACK).acking(-1).gets("nothing"),
                say(FIN_ACK).at(-1).acking(-1).gets("ACK"),
            ],
        ),
        scenario(
            "LAST-ACK: ACK of the FIN",
            LastAck,
            &["LAST-ACK-5"],
            [say(ACK).acking(-1).gets("nothing"), say(ACK).gets("nothing"), say(ACK).gets("RST at its ACK")],
        ),
    ]
}

fn time_wait() -> Vec<Scenario> {
    vec![
        scenario(
            "TIME-WAIT: outside the window",
            TimeWait,
            &["TIME-WAIT-1"],
            [
                say(ACK).at(FAR).gets("ACK"),
                say(ACK).at(-100).gets("ACK"),
                say(ACK).at(FAR).text("hello").gets("ACK"),
            ],
        ),
        scenario(
            "TIME-WAIT: RST",
            TimeWait,
            &["TIME-WAIT-2"],
            [
                say(RST).at(-1).gets("nothing"),
                say(RST).gets("nothing"),
                say(RST_ACK).gets("nothing"),
                say(FIN_ACK).at(-1).gets("ACK"),
            ],
        ),
        scenario(
            "TIME-WAIT: the FIN again",
            TimeWait,
            &["TIME-WAIT-5", "TIME-WAIT-8"],
            [say(FIN_ACK).at(-1).gets("ACK"), say(FIN_ACK).at(-1).gets("ACK"), say(ACK).gets("nothing")],
        ),
        scenario(
            "TIME-WAIT: another FIN",
            TimeWait,
            &["TIME-WAIT-8"],
            [say(FIN_ACK).gets("ACK"), say(FIN_ACK).at(-1).gets("ACK")],
        ),
        scenario(
            "TIME-WAIT: text and URG",
            TimeWait,
            &["TIME-WAIT-6", "TIME-WAIT-7"],
            [
                say(ACK).text("hello").gets("nothing"),
                say(URG_ACK).gets("nothing"),
                say(FIN_ACK).at(-1).gets("ACK"),
            ],
        ),
        scenario(
            "TIME-WAIT: no ACK, or one of something not sent",
            TimeWait,
            &["TIME-WAIT-5"],
            [
                say(NONE).gets("nothing"),
                say(ACK).acking(1).gets("ACK"),
                say(ACK).acking(-1).gets("nothing"),
                say(FIN_ACK).at(-1).gets("ACK"),
            ],
        ),
    ]
}

/// SYNs in TIME-WAIT, and RSTs and strays while one reopens the tuple.
fn reopening() -> Vec<Scenario> {
    let newer = say(SYN).at(FAR);
    let fin = say(FIN_ACK).at(-1).of_the_old_connection();
    vec![
        scenario(
            "TIME-WAIT: SYN with a newer number",
            TimeWait,
            &["TIME-WAIT-4"],
            [newer.gets("SYN,ACK +1"), say(ACK).gets("nothing"), ALIVE],
        ),
        scenario(
            "TIME-WAIT: SYN with an older number",
            TimeWait,
            &["TIME-WAIT-1", "TIME-WAIT-4"],
            [say(SYN).at(-FAR).gets("ACK"), say(FIN_ACK).at(-1).gets("ACK")],
        ),
        scenario(
            "TIME-WAIT: SYN with a newer timestamp and an older number",
            TimeWait,
            &["TIME-WAIT-4"],
            [say(SYN).at(-FAR).clock(1).gets("SYN,ACK +1"), say(ACK).clock(1).gets("nothing")],
        )
        .with_timestamps(),
        scenario(
            "TIME-WAIT: SYN with the same timestamp and an older number",
            TimeWait,
            &["TIME-WAIT-4"],
            [say(SYN).at(-FAR).gets("ACK"), say(FIN_ACK).at(-1).gets("ACK")],
        )
        .with_timestamps(),
        scenario(
            "TIME-WAIT: SYN with an older timestamp and a newer number",
            TimeWait,
            &["TIME-WAIT-4"],
            [say(SYN).at(FAR).clock(-1).gets("SYN,ACK +1")],
        )
        .with_timestamps(),
        scenario(
            "TIME-WAIT: SYN,ACK",
            TimeWait,
            &["TIME-WAIT-4"],
            [say(SYN_ACK).at(FAR).gets("ACK"), say(FIN_ACK).at(-1).gets("ACK")],
        ),
        scenario(
            "TIME-WAIT: the reopening SYN is reset",
            TimeWait,
            &["TIME-WAIT-4"],
            [newer.gets("SYN,ACK +1"), say(RST).gets("nothing"), fin.gets("ACK of the old connection")],
        ),
        scenario(
            "TIME-WAIT: strays while a SYN reopens",
            TimeWait,
            &["TIME-WAIT-4", "TIME-WAIT-8"],
            [
                newer.gets("SYN,ACK +1"),
                fin.gets("ACK of the old connection"),
                say(ACK).of_the_old_connection().gets("nothing"),
                say(ACK).gets("nothing"),
                ALIVE,
            ],
        ),
    ]
}
