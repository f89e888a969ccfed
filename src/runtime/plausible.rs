//! Guards against results that cannot be. A trial that fails one is kept and told as failed, with the reason;
//! no figure rests on it.

use super::trial::{GuestClock, SelfReport, Timeline, Trial};

/// A part that is over sooner says more about reading the clock, some 20 to 100 ns, than about the work.
const SHORTEST_NS: u64 = 1_000;

/// Units of work in a nanosecond that no CPU does: the widest vector units of the 2020s do some 300 floating
/// point operations, and a core moves some 100 bytes.
const MOST_PER_NS: u64 = 1_000;

/// How far two readings of one clock may lie apart: 1 %, and a millisecond.
fn with_tolerance(ns: u64) -> u64 {
    ns.saturating_add(ns / 100).saturating_add(1_000_000)
}

/// Why what `trial` says cannot be, in one clause; `None` when nothing speaks against it.
pub fn impossibility(trial: &Trial) -> Option<String> {
    out_of_order(&trial.timeline)
        .or_else(|| trial.guest_clock.and_then(of_guest_clock))
        .or_else(|| no_machine(trial))
        .or_else(|| trial.self_report.as_ref().and_then(|report| of_work(report, &trial.timeline)))
}

/// The guest's clock beside the host's: two readings of each, of which the second pair may lie a little apart.
fn of_guest_clock(clock: GuestClock) -> Option<String> {
    let GuestClock { guest_ns, host_ns } = clock;
    let tolerance = host_ns / 100 + READING_NS;
    (guest_ns.abs_diff(host_ns) > tolerance).then(|| {
        format!(
            "impossible: while the host's clock ran {host_ns} ns the guest's ran {guest_ns} ns, so the two run at different rates"
        )
    })
}

/// How far the readings of two clocks lie apart at most, where nobody was interrupted between them three times in a row.
const READING_NS: u64 = 200_000;

/// A virtual machine that ran without KVM noticing ran on something else.
fn no_machine(trial: &Trial) -> Option<String> {
    let is_ours = matches!(trial.runtime.as_str(), "microvm" | "linuxvm") && trial.exit.is_success();
    let crossings = &trial.crossings;
    let ran = trial.cpu.guest_ns.is_some_and(|ns| ns > 0);
    (is_ours && !ran && crossings.vm_exits.is_empty() && crossings.kvm_stats.is_empty()).then(|| {
        "impossible: it ran as a virtual machine, but KVM ran nothing, so this was software emulation"
            .to_owned()
    })
}

/// Moments that one clock cannot have given in this order.
fn out_of_order(timeline: &Timeline) -> Option<String> {
    let pairs = [
        ("ended", timeline.exited_ns, "its first process was there", timeline.spawned_ns),
        (
            "wrote its first output",
            timeline.first_output_ns,
            "its first process was there",
            timeline.spawned_ns,
        ),
        ("was torn down", timeline.torn_down_ns, "it ended", timeline.exited_ns),
    ];
    pairs.into_iter().find_map(|(later, later_ns, earlier, earlier_ns)| {
        let (later_ns, earlier_ns) = later_ns.zip(earlier_ns)?;
        (later_ns < earlier_ns).then(|| {
            format!("impossible: it {later} ({later_ns} ns) before {earlier} ({earlier_ns} ns), so a clock stepped back")
        })
    })
}

fn of_work(report: &SelfReport, timeline: &Timeline) -> Option<String> {
    let SelfReport { elapsed_ns, work, unit } = report;
    if *work > 0 && *elapsed_ns < SHORTEST_NS {
        return Some(format!(
            "impossible: its work took {elapsed_ns} ns, which is less than a clock can measure"
        ));
    }
    if work / MOST_PER_NS > *elapsed_ns {
        return Some(format!("impossible: {work} {unit} in {elapsed_ns} ns is more than any CPU does"));
    }
    let (exited_ns, spawned_ns) = timeline.exited_ns.zip(timeline.spawned_ns)?;
    let lived_ns = exited_ns.saturating_sub(spawned_ns);
    (*elapsed_ns > with_tolerance(lived_ns)).then(|| {
        format!(
            "impossible: by its own clock it worked for {elapsed_ns} ns, but by the host's it lived only for {lived_ns} ns, so \
             the two run at different rates"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::synthetic::Synthetic;

    fn working() -> Trial {
        let trials = Synthetic { rounds: 1, ..Synthetic::default() }.results().trials;
        trials.into_iter().find(|trial| trial.self_report.is_some()).unwrap()
    }

    fn reason(change: impl FnOnce(&mut Timeline, &mut SelfReport)) -> String {
        let mut trial = working();
        change(&mut trial.timeline, trial.self_report.as_mut().unwrap());
        let reason = impossibility(&trial).unwrap_or_default();
        assert_eq!(reason.is_empty(), trial.is_valid());
        reason
    }

    #[test]
    fn what_can_be_is_let_through() {
        let results = Synthetic { rounds: 20, ..Synthetic::default() }.results();
        assert_eq!(results.trials.iter().find_map(impossibility), None);
        assert_eq!(reason(|_, report| (report.elapsed_ns, report.work) = (0, 0)), "", "no work, no rate");
        assert_eq!(
            reason(|timeline, _| *timeline = Timeline::default()),
            "",
            "what is not known is not wrong"
        );
        // A busy host may wake whoever reads the clock late.
        assert_eq!(
            reason(|timeline, report| {
                report.elapsed_ns = timeline.exited_ns.unwrap() - timeline.spawned_ns.unwrap() + 900_000;
            }),
            ""
        );
    }

    #[test]
    fn what_cannot_be_is_named() {
        assert!(reason(|_, report| report.elapsed_ns = 40).contains("less than a clock can measure"));
        assert!(reason(|_, report| report.work = u64::MAX).contains("more than any CPU does"));
        assert!(reason(|timeline, _| timeline.exited_ns = Some(0)).contains("stepped back"));
        assert!(reason(|timeline, _| timeline.torn_down_ns = Some(1)).contains("stepped back"));
        assert!(reason(|timeline, _| timeline.first_output_ns = Some(0)).contains("stepped back"));
        // By the two clocks themselves: slower and faster.
        for guest_ns in [50_000_000, 103_000_000] {
            let clock = GuestClock { guest_ns, host_ns: 100_000_000 };
            assert!(of_guest_clock(clock).unwrap().contains("different rates"));
        }
        assert_eq!(of_guest_clock(GuestClock { guest_ns: 100_900_000, host_ns: 100_000_000 }), None);
        let mut emulated = working();
        emulated.runtime = "microvm".to_owned();
        (emulated.cpu.guest_ns, emulated.crossings) = (None, super::super::trial::Crossings::default());
        assert!(impossibility(&emulated).unwrap().contains("software emulation"));
        // A guest whose clock runs twice as fast.
        assert!(reason(|_, report| report.elapsed_ns *= 2).contains("different rates"));
    }
}
