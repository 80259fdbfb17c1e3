//! How fast letters are sent: at most so many a second, and no more at once than a second's worth.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The generic cell rate algorithm (ITU-T I.371), within one invocation.
#[derive(Debug)]
pub struct Pace {
    per_second: u32,
    next: Cell<Option<Instant>>,
}

impl Pace {
    /// At most so many a second; at least one.
    pub const fn new(per_second: u32) -> Self {
        Self { per_second: if per_second == 0 { 1 } else { per_second }, next: Cell::new(None) }
    }

    /// Waits until so many may be sent.
    pub async fn wait(&self, count: usize) {
        let now = Instant::now();
        let pause = self.take(count, now);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    /// Takes turns for so many, and says how long to wait for the last of them.
    fn take(&self, count: usize, now: Instant) -> Duration {
        let every = Duration::from_secs(1) / self.per_second;
        let due = self.next.get().unwrap_or(now).max(now);
        let taken = due + every * u32::try_from(count).unwrap_or(u32::MAX);
        self.next.set(Some(taken));
        taken.saturating_duration_since(now).saturating_sub(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Pace;

    #[test]
    fn a_seconds_worth_goes_at_once_and_then_so_many_a_second() {
        let (pace, now) = (Pace::new(10), Instant::now());
        assert_eq!(pace.take(10, now), Duration::ZERO);
        assert_eq!(pace.take(10, now), Duration::from_secs(1));
        assert_eq!(pace.take(5, now + Duration::from_secs(2)), Duration::ZERO);
        assert_eq!(
            pace.take(10, now + Duration::from_mins(1)),
            Duration::ZERO,
            "a pause earns no more than a burst"
        );
    }
}
