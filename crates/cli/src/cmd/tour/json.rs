//! The tour as one JSON document.

use super::act::{Act, HOSTS};
use super::meaning::steps;
use super::outcome::{Answer, Closed};
use super::words::{Arranged, Language};
use linger_proto::Instant;
use linger_sim::ladder::{Fate, Line, Part, Row, SegmentRow};
use serde_json::{Value, json};

/// The document.
pub(super) fn document(act: &Act, arranged: &Arranged, others: &[Act], language: Language) -> Value {
    let words = language.words();
    let steps: Vec<Value> = steps(&act.lines)
        .iter()
        .map(|step| json!({ "rows": step.lines, "kind": format!("{:?}", step.meaning), "text": words.meaning(&step.meaning) }))
        .collect();
    let readings: Vec<Value> = act
        .readings
        .iter()
        .map(|reading| {
            json!({
                "time_ns": reading.at.as_nanos(),
                "host": HOSTS[reading.side],
                "remaining_ms": u64::try_from(reading.remaining.as_millis()).unwrap_or(u64::MAX),
            })
        })
        .collect();
    let compared: Vec<Value> = others.iter().map(run).collect();
    let mut document = run(act);
    let more = json!({
        "scene": arranged.scene.text(),
        "seed": arranged.seed,
        "language": language.text(),
        "hosts": HOSTS,
        "ladder": act.lines.iter().map(row).collect::<Vec<_>>(),
        "steps": steps,
        "time_wait_readings": readings,
        "trace_digest": format!("{:016x}", act.report.trace_digest),
        "compared": compared,
    });
    if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
        document.extend(more);
    }
    document
}

/// The settings and the outcome of a run.
fn run(act: &Act) -> Value {
    let outcome = &act.outcome;
    let connects: Vec<Value> = outcome
        .attempts
        .iter()
        .map(|attempt| {
            let millis = u64::try_from(attempt.at.as_millis()).unwrap_or(u64::MAX);
            json!({ "time_ms": millis, "error": attempt.refused })
        })
        .collect();
    let received: Vec<Value> = outcome
        .received
        .iter()
        .map(|received| match received {
            Ok(reply) => answer(reply),
            Err(error) => json!({ "error": error }),
        })
        .collect();
    json!({
        "time_wait_ms": u64::try_from(act.time_wait.as_millis()).unwrap_or(u64::MAX),
        "timestamps": act.timestamps,
        "connects": connects,
        "served": outcome.served.iter().map(answer).collect::<Vec<_>>(),
        "received": received,
        "closed": { HOSTS[0]: closed(&outcome.client_closed), HOSTS[1]: closed(&outcome.server_closed) },
        "failed": { HOSTS[0]: outcome.client_failed, HOSTS[1]: outcome.server_failed },
        "verdict": {
            "intact": act.verdict.intact,
            "in_order": act.verdict.in_order,
            "good": act.good(),
            "invariant": act.failure.as_ref().map(ToString::to_string),
        },
    })
}

fn answer(answer: &Answer) -> Value {
    json!({ "status": answer.status, "octets": answer.octets, "sha256": answer.sha256 })
}

fn closed(closed: &[Closed]) -> Vec<String> {
    closed.iter().map(|one| one.map_or_else(|| "in order".to_owned(), |reason| reason.to_string())).collect()
}

/// One line of the ladder.
fn row(line: &Line) -> Value {
    let mut value = json!({
        "row": line.number,
        "time_ns": line.at.as_nanos(),
        "shows": match line.part {
            Part::Whole => "segment",
            Part::Departure => "departure",
            Part::Arrival => "arrival",
            Part::State => "state",
        },
        "states": { HOSTS[0]: line.states[0].name(), HOSTS[1]: line.states[1].name() },
    });
    let more = match &line.row {
        Row::State(state) => json!({
            "host": HOSTS[state.side],
            "before": state.states.before.name(),
            "after": state.states.after.name(),
        }),
        Row::Segment(row) => segment(line, row),
    };
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

fn segment(line: &Line, row: &SegmentRow) -> Value {
    let segment = &row.segment;
    let (arrived_at, lost, dropped): (Option<Instant>, _, _) = match row.fate {
        Fate::Arrived { at, drop, .. } => (Some(at), None, drop.map(|why| why.text())),
        Fate::Lost(why) => (None, Some(why.text()), None),
        Fate::OnTheWay => (None, None, None),
    };
    json!({
        "from": HOSTS[row.side],
        "to": HOSTS[1 - row.side],
        "departure_row": line.departed,
        "copy": row.copy,
        "sent_ns": row.sent_at.as_nanos(),
        "arrived_ns": arrived_at.map(Instant::as_nanos),
        "flags": segment.flags(),
        "seq": row.relative.0,
        "ack": row.relative.1,
        "length": segment.text.len(),
        "window": segment.window,
        "options": {
            "mss": segment.options.mss,
            "window_scale": segment.options.window_scale,
            "sack_permitted": segment.options.sack_permitted,
            "timestamps": segment.options.timestamps,
        },
        "http": row.http,
        "retransmitted": row.again,
        "lost": lost,
        "dropped": dropped,
    })
}
