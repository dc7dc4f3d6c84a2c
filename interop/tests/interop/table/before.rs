//! Scenarios before a connection is established: CLOSED, LISTEN, SYN-RECEIVED.

use super::play::GET;
use super::script::Start::{Closed, Listen, SynReceived};
use super::script::{
    ACK, FAR, FIN, FIN_ACK, NONE, RST, RST_ACK, RST_SYN, SYN, SYN_ACK, SYN_FIN, Scenario, Step, URG, URG_ACK,
    Until, say, scenario,
};

/// The connection works: a request is answered.
pub(super) const ALIVE: Step = say(ACK).text(GET).until(Until::Text(1), "text");

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = closed();
    all.extend(listen());
    all.extend(syn_received());
    all
}

fn closed() -> Vec<Scenario> {
    vec![
        scenario(
            "CLOSED: SYN",
            Closed,
            &["CLOSED-4", "CLOSED-7"],
            [
                say(SYN).gets("RST,ACK +1"),
                say(SYN).text("hello").gets("RST,ACK +6"),
                say(SYN_FIN).gets("RST,ACK +2"),
            ],
        ),
        scenario(
            "CLOSED: ACK",
            Closed,
            &["CLOSED-1", "CLOSED-5", "CLOSED-7"],
            [
                say(ACK).gets("RST at its ACK"),
                say(ACK).at(i32::MIN).text("hello").gets("RST at its ACK"),
                say(SYN_ACK).gets("RST at its ACK"),
                say(FIN_ACK).text("hello").gets("RST at its ACK"),
            ],
        ),
        scenario(
            "CLOSED: RST",
            Closed,
            &["CLOSED-2"],
            [
                say(RST).gets("nothing"),
                say(RST_ACK).gets("nothing"),
                say(RST_SYN).gets("nothing"),
                say(RST).text("hello").gets("nothing"),
            ],
        ),
        scenario(
            "CLOSED: FIN",
            Closed,
            &["CLOSED-8"],
            [say(FIN).gets("RST,ACK +1"), say(FIN).text("bye").gets("RST,ACK +4")],
        ),
        scenario(
            "CLOSED: no bit",
            Closed,
            &["CLOSED-7", "CLOSED-9"],
            [say(NONE).gets("RST,ACK"), say(NONE).text("hello").gets("RST,ACK +5")],
        ),
        scenario(
            "CLOSED: URG",
            Closed,
            &["CLOSED-6"],
            [say(URG).gets("RST,ACK"), say(URG_ACK).gets("RST at its ACK")],
        ),
    ]
}

fn listen() -> Vec<Scenario> {
    vec![
        scenario(
            "LISTEN: SYN",
            Listen,
            &["LISTEN-1", "LISTEN-4", "LISTEN-10"],
            [say(SYN).at(i32::MIN).gets("SYN,ACK +1"), say(ACK).gets("nothing"), ALIVE],
        ),
        scenario(
            "LISTEN: RST",
            Listen,
            &["LISTEN-2"],
            [
                say(RST).gets("nothing"),
                say(RST_ACK).gets("nothing"),
                say(RST_SYN).gets("nothing"),
                say(SYN).gets("SYN,ACK +1"),
            ],
        ),
        scenario(
            "LISTEN: ACK",
            Listen,
            &["LISTEN-5"],
            [
                say(ACK).gets("RST at its ACK"),
                say(SYN_ACK).gets("RST at its ACK"),
                say(FIN_ACK).text("hello").gets("RST at its ACK"),
                say(SYN).gets("SYN,ACK +1"),
            ],
        ),
        scenario(
            "LISTEN: none of RST, ACK and SYN",
            Listen,
            &["LISTEN-6", "LISTEN-8", "LISTEN-9"],
            [
                say(NONE).gets("nothing"),
                say(NONE).text("hello").gets("nothing"),
                say(FIN).gets("nothing"),
                say(URG).gets("nothing"),
            ],
        ),
        scenario(
            "LISTEN: SYN with text",
            Listen,
            &["LISTEN-7"],
            [say(SYN).text(GET).gets("SYN,ACK +1"), say(ACK).gets("nothing"), ALIVE],
        ),
        scenario(
            "LISTEN: SYN with FIN",
            Listen,
            &["LISTEN-8"],
            [
                say(SYN_FIN).gets("SYN,ACK +1"),
                say(ACK).gets("nothing"),
                say(FIN_ACK).until(Until::Fin, "FIN"),
            ],
        ),
        scenario(
            "LISTEN: SYN with URG",
            Listen,
            &["LISTEN-6"],
            [say(SYN.with(URG)).gets("SYN,ACK +1"), say(ACK).gets("nothing"), ALIVE],
        ),
    ]
}

fn syn_received() -> Vec<Scenario> {
    vec![
        scenario(
            "SYN-RECEIVED: outside the window",
            SynReceived,
            &["SYN-RECEIVED-1"],
            [say(ACK).at(FAR).gets("ACK"), ALIVE],
        ),
        scenario(
            "SYN-RECEIVED: text outside the window",
            SynReceived,
            &["SYN-RECEIVED-1"],
            [say(ACK).at(-100).text("hello").gets("ACK"), ALIVE],
        ),
        scenario(
            "SYN-RECEIVED: the SYN again",
            SynReceived,
            &["SYN-RECEIVED-1"],
            [say(SYN).at(-1).gets("SYN,ACK +1"), say(ACK).gets("nothing"), ALIVE],
        ),
        scenario(
            "SYN-RECEIVED: exact RST",
            SynReceived,
            &["SYN-RECEIVED-2"],
            [say(RST).gets("nothing"), say(ACK).gets("RST at its ACK")],
        ),
        scenario(
            "SYN-RECEIVED: RST elsewhere in the window",
            SynReceived,
            &["SYN-RECEIVED-11"],
            [say(RST).at(1).gets("ACK"), ALIVE],
        ),
        scenario(
            "SYN-RECEIVED: RST outside the window",
            SynReceived,
            &["SYN-RECEIVED-11"],
            [say(RST).at(-1).gets("nothing"), say(RST).at(FAR).gets("nothing"), ALIVE],
        ),
        scenario(
            "SYN-RECEIVED: another SYN in the window",
            SynReceived,
            &["SYN-RECEIVED-4"],
            [say(SYN).at(10).gets("nothing"), say(ACK).gets("RST at its ACK")],
        ),
        scenario(
            "SYN-RECEIVED: no ACK",
            SynReceived,
            &["SYN-RECEIVED-5"],
            [
                say(NONE).gets("nothing"),
                say(FIN).gets("nothing"),
                say(URG).text("hello").gets("nothing"),
                ALIVE,
            ],
        ),
        scenario(
            "SYN-RECEIVED: ACK of something else",
            SynReceived,
            &["SYN-RECEIVED-10"],
            [say(ACK).acking(1).gets("RST at its ACK"), say(ACK).acking(-1).gets("RST at its ACK"), ALIVE],
        ),
        scenario(
            "SYN-RECEIVED: text with the ACK",
            SynReceived,
            &["SYN-RECEIVED-5", "SYN-RECEIVED-7"],
            [ALIVE],
        ),
        scenario(
            "SYN-RECEIVED: FIN with the ACK",
            SynReceived,
            &["SYN-RECEIVED-8"],
            [say(FIN_ACK).until(Until::Fin, "FIN")],
        ),
        scenario(
            "SYN-RECEIVED: URG with the ACK",
            SynReceived,
            &["SYN-RECEIVED-6"],
            [say(URG_ACK).gets("nothing"), ALIVE],
        ),
    ]
}
