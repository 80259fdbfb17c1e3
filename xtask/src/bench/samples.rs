//! Numbers measured again and again.

use std::time::Duration;

/// Times in milliseconds, in the order they were measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples(Vec<f64>);

impl Samples {
    /// Adds a time.
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1_000.0);
    }

    pub(super) fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// The smallest sample that at least so many percent of the samples do not exceed (nearest rank); zero without
    /// samples.
    pub(super) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Samples;

    #[track_caller]
    fn check(millis: &[u64], percent: usize, expected: f64) {
        let mut samples = Samples::default();
        for &millis in millis {
            samples.add(Duration::from_millis(millis));
        }
        assert!((samples.percentile(percent) - expected).abs() < 1e-9, "{samples:?}");
    }

    #[test]
    fn a_percentile_is_a_sample_that_so_many_percent_do_not_exceed() {
        check(&[], 50, 0.0);
        check(&[7], 50, 7.0);
        check(&[7], 99, 7.0);
        check(&[3, 1, 2], 50, 2.0);
        check(&[4, 3, 2, 1], 50, 2.0);
        check(&(1..=100).collect::<Vec<_>>(), 99, 99.0);
        check(&(1..=10).collect::<Vec<_>>(), 99, 10.0);
    }
}
