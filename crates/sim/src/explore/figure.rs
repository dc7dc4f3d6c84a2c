//! RFC 9293 Figure 5, and what of it an exploration has reached.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How it stands with an edge of the figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reached {
    /// It was taken.
    Yes,
    /// It does not exist in this stack, for this reason.
    Absent(&'static str),
    /// It exists and was not taken.
    No,
}

/// One edge: both states, what leads along it, and how it stands.
#[derive(Clone, Copy, Debug)]
pub struct Coverage {
    /// The state it leaves.
    pub from: &'static str,
    /// The state it leads to.
    pub to: &'static str,
    /// What leads along it.
    pub by: &'static str,
    /// How it stands.
    pub reached: Reached,
}

/// The edges, with what leads along each.
const EDGES: [(&str, &str, &str); 21] = [
    ("CLOSED", "LISTEN", "passive OPEN"),
    ("CLOSED", "SYN-SENT", "active OPEN"),
    ("LISTEN", "CLOSED", "CLOSE"),
    ("LISTEN", "SYN-SENT", "SEND"),
    ("LISTEN", "SYN-RECEIVED", "SYN"),
    ("SYN-SENT", "CLOSED", "CLOSE"),
    ("SYN-SENT", "SYN-RECEIVED", "SYN"),
    ("SYN-SENT", "ESTABLISHED", "SYN, ACK"),
    ("SYN-RECEIVED", "LISTEN", "RST"),
    ("SYN-RECEIVED", "ESTABLISHED", "ACK of SYN"),
    ("SYN-RECEIVED", "FIN-WAIT-1", "CLOSE"),
    ("ESTABLISHED", "FIN-WAIT-1", "CLOSE"),
    ("ESTABLISHED", "CLOSE-WAIT", "FIN"),
    ("FIN-WAIT-1", "FIN-WAIT-2", "ACK of FIN"),
    ("FIN-WAIT-1", "CLOSING", "FIN"),
    ("FIN-WAIT-1", "TIME-WAIT", "FIN, ACK of FIN"),
    ("CLOSING", "TIME-WAIT", "ACK of FIN"),
    ("FIN-WAIT-2", "TIME-WAIT", "FIN"),
    ("CLOSE-WAIT", "LAST-ACK", "CLOSE"),
    ("LAST-ACK", "CLOSED", "ACK of FIN"),
    ("TIME-WAIT", "CLOSED", "2*MSL"),
];

/// Edges that this stack does not have, or an exploration cannot take, with the reason.
const ABSENT: [(&str, &str, &str); 1] =
    [("LISTEN", "SYN-SENT", "a listener is a factory of connections: it has no text to send")];

/// Compares the edges that were taken with the figure. OPEN and CLOSE of a listener are calls of the exploration itself.
pub fn coverage(taken: &BTreeSet<(&'static str, &'static str)>) -> Vec<Coverage> {
    let listener = [("CLOSED", "LISTEN"), ("LISTEN", "CLOSED")];
    EDGES
        .iter()
        .map(|&(from, to, by)| {
            let absent = ABSENT.iter().find(|edge| (edge.0, edge.1) == (from, to));
            let reached = match absent {
                Some((.., reason)) => Reached::Absent(reason),
                None if taken.contains(&(from, to)) || listener.contains(&(from, to)) => Reached::Yes,
                None => Reached::No,
            };
            Coverage { from, to, by, reached }
        })
        .collect()
}

/// Where each state stands in the drawing: the middle of its box.
const PLACES: [(&str, i32, i32); 11] = [
    ("CLOSED", 400, 40),
    ("LISTEN", 400, 130),
    ("SYN-RECEIVED", 180, 220),
    ("SYN-SENT", 620, 220),
    ("ESTABLISHED", 400, 310),
    ("FIN-WAIT-1", 180, 400),
    ("CLOSE-WAIT", 620, 400),
    ("FIN-WAIT-2", 180, 550),
    ("CLOSING", 400, 480),
    ("LAST-ACK", 620, 550),
    ("TIME-WAIT", 400, 620),
];

fn place(state: &str) -> (i32, i32) {
    PLACES.iter().find(|(name, ..)| *name == state).map_or((0, 0), |&(_, x, y)| (x, y))
}

/// The figure as SVG: edges that were taken in black, those not taken in red, those that do not exist dashed. Edges that
/// the figure does not have, such as reopening out of TIME-WAIT, are blue.
pub fn svg(taken: &BTreeSet<(&'static str, &'static str)>) -> String {
    let mut text = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 680\" font-family=\"sans-serif\" \
         font-size=\"12\" text-anchor=\"middle\">\n<defs><marker id=\"end\" markerWidth=\"9\" markerHeight=\"8\" \
         refX=\"8\" refY=\"4\" orient=\"auto\"><path d=\"M0,0 L9,4 L0,8 z\"/></marker></defs>\n\
         <rect width=\"800\" height=\"680\" fill=\"white\"/>\n",
    );
    let mut drawn = BTreeSet::new();
    for edge in coverage(taken) {
        let style = match edge.reached {
            Reached::Yes => "stroke=\"black\"",
            Reached::Absent(_) => "stroke=\"gray\" stroke-dasharray=\"4 4\"",
            Reached::No => "stroke=\"red\" stroke-width=\"2\"",
        };
        drawn.insert((edge.from, edge.to));
        draw(&mut text, (edge.from, edge.to), edge.by, style);
    }
    for &edge in taken.difference(&drawn) {
        draw(&mut text, edge, "", "stroke=\"royalblue\"");
    }
    for (name, x, y) in PLACES {
        let _infallible = writeln!(
            text,
            "<rect x=\"{}\" y=\"{}\" width=\"120\" height=\"28\" rx=\"4\" fill=\"white\" stroke=\"black\"/>\
             <text x=\"{x}\" y=\"{}\">{name}</text>",
            x - 60,
            y - 14,
            y + 4
        );
    }
    text.push_str("</svg>\n");
    text
}

/// An edge beside the straight line between its states, so that there and back are two lines.
fn draw(text: &mut String, (from, to): (&str, &str), by: &str, style: &str) {
    let ((x1, y1), (x2, y2)) = (place(from), place(to));
    let (dx, dy) = (f64::from(x2 - x1), f64::from(y2 - y1));
    let length = dx.hypot(dy).max(1.0);
    let (nx, ny) = (-dy / length * 14.0, dx / length * 14.0);
    // From border to border of the boxes.
    let inset = |dx: f64, dy: f64| (64.0 / dx.abs().max(0.001)).min(18.0 / dy.abs().max(0.001)).min(0.45);
    let cut = inset(dx, dy);
    let at = |t: f64| (f64::from(x1) + dx * t + nx, f64::from(y1) + dy * t + ny);
    let ((ax, ay), (bx, by_), (mx, my)) = (at(cut), at(1.0 - cut), at(0.5));
    let _infallible = writeln!(
        text,
        "<line x1=\"{ax:.0}\" y1=\"{ay:.0}\" x2=\"{bx:.0}\" y2=\"{by_:.0}\" {style} marker-end=\"url(#end)\"/>\
         <text x=\"{mx:.0}\" y=\"{:.0}\" font-size=\"10\" fill=\"#444\">{by}</text>",
        my - 2.0
    );
}
