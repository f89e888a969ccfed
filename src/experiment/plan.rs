//! What a comparison sets out to run, and the random order of its rounds.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::results::WorkloadKind;
pub use crate::workload::catalogue::Effort;

/// The fewest rounds of a workload from which an interval can be had (`src/stats/`).
pub const LEAST_ROUNDS: u32 = 6;

impl Effort {
    /// Rounds of a workload that only starts up.
    pub fn startup_rounds(self) -> u32 {
        match self {
            Effort::Quick => 15,
            Effort::Default => 60,
            Effort::Thorough => 300,
        }
    }

    /// Rounds of a workload that computes.
    pub fn work_rounds(self) -> u32 {
        match self {
            Effort::Quick => 6,
            Effort::Default => 10,
            Effort::Thorough => 50,
        }
    }

    /// Footprint trials of a cell: enough for an interval where the workload itself needs no memory and
    /// the headline is made from, one elsewhere.
    pub fn footprint_trials(self, kind: WorkloadKind) -> u32 {
        match (self, kind) {
            (Effort::Thorough, _) => 10,
            (_, WorkloadKind::Startup | WorkloadKind::Own) => 7,
            (_, _) => 1,
        }
    }

    /// No new round begins after this, once there are [`LEAST_ROUNDS`], nor after twice this time.
    pub fn budget(self) -> Duration {
        Duration::from_secs(match self {
            Effort::Quick => 15,
            Effort::Default => 45,
            Effort::Thorough => 600,
        })
    }

    /// The longest random pause between two trials. A tight loop would hide the waits for RCU grace
    /// periods that a start after a pause pays for.
    pub fn longest_gap(self) -> Duration {
        Duration::from_millis(match self {
            Effort::Quick => 4,
            Effort::Default => 10,
            Effort::Thorough => 40,
        })
    }
}

/// One trial to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Round, from 0.
    pub round: u32,
    /// Index of the runtime.
    pub runtime: usize,
    /// Index of the workload.
    pub workload: usize,
    /// With a cold page cache.
    pub cold: bool,
}

/// The timing trials in the order in which they run, from a seed.
///
/// A round has one trial of every cell, in random order, and with `cold` a second one with a cold page cache. A workload with fewer rounds than the
/// longest takes part in rounds spread evenly over the run, so that a drift of the host meets all alike.
pub fn order(runtimes: usize, workload_rounds: &[u32], cold: bool, seed: u64) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed);
    let rounds = workload_rounds.iter().copied().max().unwrap_or(0);
    let caches: &[bool] = if cold { &[false, true] } else { &[false] };
    let mut steps = Vec::new();
    for round in 0..rounds {
        let mut cells: Vec<Step> = workload_rounds
            .iter()
            .enumerate()
            .filter(|(_, wanted)| takes_part(round, **wanted, rounds))
            .flat_map(|(workload, _)| (0..runtimes).map(move |runtime| (runtime, workload)))
            .flat_map(|(runtime, workload)| {
                caches.iter().map(move |cold| Step { round, runtime, workload, cold: *cold })
            })
            .collect();
        cells.shuffle(&mut random);
        steps.extend(cells);
    }
    steps
}

/// True in `wanted` of `rounds` rounds, evenly spread.
fn takes_part(round: u32, wanted: u32, rounds: u32) -> bool {
    let share = |round: u32| u64::from(round) * u64::from(wanted) / u64::from(rounds);
    share(round + 1) > share(round)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_cell_gets_its_rounds_and_every_round_is_complete(
            runtimes in 1usize..5, rounds in proptest::collection::vec(1u32..40, 1..6), cold: bool, seed: u64
        ) {
            let steps = order(runtimes, &rounds, cold, seed);
            let caches = 1 + usize::from(cold);
            prop_assert_eq!(steps.iter().filter(|step| step.cold).count() * caches, if cold { steps.len() } else { 0 });
            for (workload, wanted) in rounds.iter().enumerate() {
                for runtime in 0..runtimes {
                    let count = steps.iter().filter(|s| s.workload == workload && s.runtime == runtime).count();
                    prop_assert_eq!(count, *wanted as usize * caches);
                }
            }
            for step in &steps {
                let cells = steps.iter().filter(|s| s.round == step.round && s.workload == step.workload).count();
                prop_assert_eq!(cells, runtimes * caches);
            }
            prop_assert_eq!(&steps, &order(runtimes, &rounds, cold, seed));
        }
    }

    #[test]
    fn another_seed_gives_another_order() {
        assert_ne!(order(3, &[20], false, 1), order(3, &[20], false, 2));
    }
}
