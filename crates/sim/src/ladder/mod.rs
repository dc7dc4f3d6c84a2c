//! The ladder of a connection: every segment between two hosts, with the states of both after it.
//!
//! | file | what |
//! |---|---|
//! | `segment` | a segment as a person reads it |
//! | `record` | notes down what happens in a run |
//! | `rows` | what was noted, and how it follows one another on paper |
//! | `draw` | the drawing, [`COLUMNS`] wide |
//! | `width` | columns on a terminal |

mod draw;
mod record;
mod rows;
mod segment;
mod width;

pub use draw::{COLUMNS, Style, Wording, draw, seconds};
pub use record::Recorder;
pub use rows::{Fate, Line, Part, Row, SegmentRow, StateRow, Transition, lines};
pub use segment::{Segment, SegmentOptions};
pub use width::{pad_left, pad_right, width, wrap};
