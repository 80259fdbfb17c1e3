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

    /// Waits until so many may be sent, or as many of them as may be by then; how many is the answer.
    pub async fn wait(&self, count: usize, until: Instant) -> usize {
        let (count, pause) = self.take(count, Instant::now(), until);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        count
    }

    /// Takes turns for so many, as far as there is time for them, and says how long to wait for the last.
    fn take(&self, count: usize, now: Instant, until: Instant) -> (usize, Duration) {
        let (every, burst) = (Duration::from_secs(1) / self.per_second, Duration::from_secs(1));
        let due = self.next.get().unwrap_or(now).max(now);
        let room = (until.saturating_duration_since(now) + burst).saturating_sub(due.duration_since(now));
        let has_room = room.as_nanos() / every.as_nanos().max(1);
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(u32::try_from(has_room).unwrap_or(u32::MAX));
        if count == 0 {
            return (0, Duration::ZERO);
        }
        let taken = due + every * count;
        self.next.set(Some(taken));
        let pause = taken.saturating_duration_since(now).saturating_sub(burst);
        (usize::try_from(count).unwrap_or(usize::MAX), pause)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Pace;

    #[test]
    fn a_seconds_worth_goes_at_once_and_then_so_many_a_second() {
        let (pace, now) = (Pace::new(10), Instant::now());
        let until = now + Duration::from_mins(5);
        assert_eq!(pace.take(10, now, until), (10, Duration::ZERO));
        assert_eq!(pace.take(10, now, until), (10, Duration::from_secs(1)));
        assert_eq!(pace.take(5, now + Duration::from_secs(2), until), (5, Duration::ZERO));
        assert_eq!(
            pace.take(10, now + Duration::from_mins(1), until),
            (10, Duration::ZERO),
            "a pause earns no more than a burst"
        );
    }

    #[test]
    fn nobody_waits_for_longer_than_there_is_time() {
        for (per_second, left, expected) in [
            (1, 0, [(1, 0), (0, 0)]),
            (1, 5, [(6, 5), (0, 0)]),
            (1, 30, [(10, 9), (10, 19)]),
            (4, 2, [(10, 1), (2, 2)]),
            (10, 300, [(10, 0), (10, 1)]),
        ] {
            let (pace, now) = (Pace::new(per_second), Instant::now());
            for (count, seconds) in expected {
                let (taken, pause) = pace.take(10, now, now + Duration::from_secs(left));
                assert_eq!((taken, pause.as_secs()), (count, seconds), "{per_second} a second, {left} s");
                assert!(pause <= Duration::from_secs(left));
            }
        }
    }

    #[tokio::test]
    async fn where_the_time_is_over_nobody_waits_at_all() {
        let pace = Pace::new(1);
        let now = Instant::now();
        assert_eq!((pace.wait(10, now).await, pace.wait(10, now).await), (1, 0));
        assert!(now.elapsed() < Duration::from_secs(1));
    }
}
