//! Bar charts as SVG: one metric, one bar for each subject, a thin line for the spread.

use super::plan::Chart;
use super::results::Row;
use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
/// Where bars begin: names stand before it.
const LEFT: f64 = 200.0;
/// What is left for the figure behind the longest bar.
const RIGHT: f64 = 130.0;
const BAR: f64 = 22.0;
const STEP: f64 = 32.0;
const TOP: f64 = 66.0;

/// The chart's file; `None` while nothing has been measured.
pub(super) fn svg(chart: &Chart, rows: &[Row]) -> Option<String> {
    let mut bars: Vec<&Row> =
        rows.iter().filter(|row| row.metric == chart.metric && row.median > 0.0).collect();
    bars.sort_by(|a, b| {
        if chart.more_is_better { b.median.total_cmp(&a.median) } else { a.median.total_cmp(&b.median) }
    });
    let unit = bars.first()?.unit.as_str();
    let scale = Scale::new(&bars, chart.logarithmic);
    let height = TOP + STEP * bars.len() as f64 + 14.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{title}\">\n<style>\n\
         text {{ font: 13px system-ui, sans-serif; fill: #24292f }}\n\
         .title {{ font-size: 16px; font-weight: 600 }} .note {{ fill: #57606a }}\n\
         .bar {{ fill: #8c959f }} .own {{ fill: #0969da }} .floor {{ fill: #d0d7de }} .spread {{ stroke: #24292f }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         text {{ fill: #e6edf3 }} .note {{ fill: #9198a1 }} .bar {{ fill: #6e7681 }} .own {{ fill: #4493f8 }}\n\
         .floor {{ fill: #3d444d }} .spread {{ stroke: #e6edf3 }} }}\n</style>\n",
        title = escape(chart.title),
    );
    let better = if chart.more_is_better { "more is better" } else { "less is better" };
    let logarithmic = if chart.logarithmic { ", logarithmic" } else { "" };
    let _ = writeln!(out, "<text class=\"title\" x=\"12\" y=\"26\">{}</text>", escape(chart.title));
    let _ = writeln!(
        out,
        "<text class=\"note\" x=\"12\" y=\"46\">{}, {better}{logarithmic}</text>",
        escape(unit)
    );
    for (index, row) in bars.iter().enumerate() {
        bar(&mut out, row, TOP + STEP * index as f64, &scale);
    }
    out.push_str("</svg>\n");
    Some(out)
}

fn bar(out: &mut String, row: &Row, y: f64, scale: &Scale) {
    let class = match row.subject.as_str() {
        "linger" => "own",
        "floor" => "floor",
        _ => "bar",
    };
    let (length, middle) = (scale.length(row.median), y + BAR / 2.0);
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
         <rect class=\"{class}\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\"/>",
        LEFT - 8.0,
        middle + 4.5,
        escape(&row.subject)
    );
    let (from, to) = (LEFT + scale.length(row.min), LEFT + scale.length(row.max));
    if to - from > 1.0 {
        let _ = writeln!(
            out,
            "<path class=\"spread\" d=\"M{from:.1} {middle:.1}H{to:.1}M{from:.1} {a:.1}v6M{to:.1} {a:.1}v6\"/>",
            a = middle - 3.0
        );
    }
    let end = LEFT + length.max(to - LEFT) + 8.0;
    let _ = writeln!(out, "<text x=\"{end:.1}\" y=\"{:.1}\">{}</text>", middle + 4.5, readable(row.median));
}

/// From a figure to the length of its bar.
struct Scale {
    least: f64,
    most: f64,
    logarithmic: bool,
}

impl Scale {
    fn new(bars: &[&Row], logarithmic: bool) -> Self {
        let most = bars.iter().map(|row| row.max).fold(f64::MIN_POSITIVE, f64::max);
        let least = bars.iter().map(|row| row.min).fold(most, f64::min).max(f64::MIN_POSITIVE);
        // The shortest bar of a logarithmic chart is a third of a decade long.
        Self { least: least / 2.0, most, logarithmic: logarithmic && least < most }
    }

    fn length(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.least) / self.least).ln() / (self.most / self.least).ln()
        } else {
            value / self.most
        };
        (share * (WIDTH - LEFT - RIGHT)).max(1.0)
    }
}

/// A figure with three digits that count, and its thousands apart.
pub(super) fn readable(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1000.0 {
        let digits = format!("{value:.0}");
        let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
        let mut out = sign.to_owned();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index) % 3 == 0 {
                out.push(',');
            }
            out.push(digit);
        }
        return out;
    }
    let decimals = if magnitude >= 100.0 {
        0
    } else if magnitude >= 10.0 {
        1
    } else {
        2
    };
    if magnitude > 0.0 && magnitude < 0.1 { format!("{value:.4}") } else { format!("{value:.decimals$}") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(subject: &str, median: f64) -> Row {
        Row {
            metric: "m".to_owned(),
            subject: subject.to_owned(),
            median,
            min: median * 0.9,
            max: median * 1.1,
            unit: "ns".to_owned(),
            rounds: 5,
            date: String::new(),
        }
    }

    const CHART: Chart =
        Chart { file: "m.svg", title: "A & B", metric: "m", more_is_better: false, logarithmic: true };

    #[test]
    fn the_best_bar_is_first_and_ours_has_its_colour() {
        let drawn = svg(&CHART, &[row("kernel", 5000.0), row("linger", 100.0)]).unwrap_or_default();
        let (ours, kernels) = (drawn.find(">linger<"), drawn.find(">kernel<"));
        assert!(ours.is_some() && ours < kernels, "{drawn}");
        assert_eq!(drawn.matches("<rect class=\"own\"").count(), 1);
        assert!(drawn.contains("A &amp; B") && drawn.contains("5,000"));
    }

    #[test]
    fn nothing_measured_is_nothing_drawn() {
        assert_eq!(svg(&CHART, &[]), None);
    }

    #[test]
    fn figures_are_readable() {
        let shown = [0.0317, 0.5, 12.34, 123.4, 1234.0, 18_250_000.0].map(readable);
        assert_eq!(shown, ["0.0317", "0.50", "12.3", "123", "1,234", "18,250,000"]);
    }
}
