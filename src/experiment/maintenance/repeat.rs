//! Doing a thing several times.

use std::time::{Duration, Instant};

use super::error::MaintenanceError;
use crate::measure::clock::monotonic_ns;

/// How often and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Repetitions at most; from 6 on there is an interval.
    pub rounds: u32,
    /// Nothing is begun again after this time, once it was done.
    pub budget: Duration,
}

impl Effort {
    /// For a first look: as many rounds as give an interval, where they are short.
    pub const QUICK: Effort = Effort { rounds: 6, budget: Duration::from_millis(500) };
    /// The usual one.
    pub const DEFAULT: Effort = Effort { rounds: 10, budget: Duration::from_secs(5) };

    /// The same, but once only.
    pub fn once(self) -> Effort {
        Effort { rounds: 1, ..self }
    }

    /// Does `work` again and again; the times that it says it took, in nanoseconds.
    pub fn times(
        self,
        mut work: impl FnMut(u32) -> Result<Duration, MaintenanceError>,
    ) -> Result<Vec<u64>, MaintenanceError> {
        let begin = Instant::now();
        let mut times = Vec::new();
        for round in 0..self.rounds.max(1) {
            if round > 0 && begin.elapsed() > self.budget {
                break;
            }
            times.push(work(round)?.as_nanos() as u64);
        }
        Ok(times)
    }
}

/// How long `work` takes.
pub fn timed<R>(
    work: impl FnOnce() -> Result<R, MaintenanceError>,
) -> Result<(R, Duration), MaintenanceError> {
    let begin_ns = monotonic_ns();
    let result = work()?;
    Ok((result, Duration::from_nanos(monotonic_ns() - begin_ns)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_at_least_once_and_not_again_when_time_is_over() {
        let effort = Effort { rounds: 50, budget: Duration::ZERO };
        let times = effort.times(|round| {
            std::thread::sleep(Duration::from_millis(1));
            Ok(Duration::from_nanos(round.into()))
        });
        assert_eq!(times.expect("no error"), [0]);
        let times = Effort::DEFAULT.times(|round| Ok(Duration::from_nanos(round.into())));
        assert_eq!(times.expect("no error").len(), 10);
        assert!(Effort::DEFAULT.once().times(|_| Err(MaintenanceError::Wrong("no".into()))).is_err());
    }
}
