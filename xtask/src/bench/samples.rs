//! Samples become medians: figures by metric and subject, one for each round that gave one.

use super::plan::Ratio;
use super::run::Figure;

/// The figures of one metric of one subject.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Series {
    pub(super) metric: String,
    pub(super) subject: String,
    pub(super) unit: String,
    /// Round and figure.
    pub(super) values: Vec<(u32, f64)>,
}

impl Series {
    /// Median, least and most.
    pub(super) fn spread(&self) -> Option<(f64, f64, f64)> {
        let mut values: Vec<f64> = self.values.iter().map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some((median, least, most))
    }
}

/// Every series, in the order of their first figure.
#[derive(Default)]
pub(super) struct Samples(pub(super) Vec<Series>);

impl Samples {
    /// Adds a figure of a round.
    pub(super) fn add(&mut self, round: u32, figure: Figure) {
        let Figure { metric, subject, unit, value } = figure;
        if let Some(series) = self.find_mut(&metric, &subject) {
            series.values.push((round, value));
        } else {
            self.0.push(Series { metric, subject, unit, values: vec![(round, value)] });
        }
    }

    fn find(&self, metric: &str, subject: &str) -> Option<&Series> {
        self.0.iter().find(|series| series.metric == metric && series.subject == subject)
    }

    fn find_mut(&mut self, metric: &str, subject: &str) -> Option<&mut Series> {
        self.0.iter_mut().find(|series| series.metric == metric && series.subject == subject)
    }

    /// Adds the ratios whose two sides were measured, each from the two figures of the same round.
    pub(super) fn add_ratios(&mut self, ratios: &[Ratio]) {
        for ratio in ratios {
            let (of, to) = (self.find(ratio.of.0, ratio.of.1), self.find(ratio.to.0, ratio.to.1));
            let (Some(of), Some(to)) = (of, to) else { continue };
            let pair = |(round, value): &(u32, f64)| {
                let other = to.values.iter().find(|(other, _)| other == round)?;
                Some((*round, value / other.1))
            };
            let values: Vec<(u32, f64)> = of.values.iter().filter_map(pair).collect();
            if !values.is_empty() {
                self.0.push(Series {
                    metric: ratio.metric.to_owned(),
                    subject: ratio.subject.to_owned(),
                    unit: "ratio".to_owned(),
                    values,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(metric: &str, subject: &str, value: f64) -> Figure {
        Figure { metric: metric.to_owned(), subject: subject.to_owned(), unit: "ns".to_owned(), value }
    }

    #[test]
    fn a_spread_is_median_least_and_most() {
        let mut samples = Samples::default();
        for (round, value) in [5.0, 1.0, 9.0, 3.0].into_iter().enumerate() {
            samples.add(u32::try_from(round).unwrap_or(0), figure("m", "s", value));
        }
        assert_eq!(samples.0[0].spread(), Some((4.0, 1.0, 9.0)));
    }

    #[test]
    fn a_ratio_pairs_figures_of_the_same_round_and_skips_a_round_that_failed() {
        let mut samples = Samples::default();
        for (round, value) in [(0, 10.0), (1, 20.0), (2, 30.0)] {
            samples.add(round, figure("m", "ours", value));
        }
        samples.add(0, figure("m", "theirs", 5.0));
        samples.add(2, figure("m", "theirs", 10.0));
        samples.add_ratios(&[Ratio { metric: "r", subject: "ours", of: ("m", "ours"), to: ("m", "theirs") }]);
        assert_eq!(samples.0[2].values, [(0, 2.0), (2, 3.0)]);
        samples.add_ratios(&[Ratio { metric: "q", subject: "ours", of: ("m", "ours"), to: ("m", "nobody") }]);
        assert_eq!(samples.0.len(), 3, "there is nothing to compare with");
    }
}
