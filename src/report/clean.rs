//! Names and texts come from a file that anyone may have written, and go to terminals and pages:
//! control characters are replaced, and lengths bounded.

use super::format::plain;
use super::summary::Summary;

const NAME: usize = 60;
const TEXT: usize = 400;

/// Cleans every text of a summary in place.
pub fn names(summary: &mut Summary) {
    for name in summary.runtimes.iter_mut().chain(&mut summary.virtual_machines) {
        clean(name, NAME);
    }
    summary.start_up_workload.iter_mut().for_each(|name| clean(name, NAME));
    for row in summary.headline.iter_mut().chain(&mut summary.control) {
        clean(&mut row.runtime, NAME);
    }
    for cell in &mut summary.cells {
        let names = [&mut cell.runtime, &mut cell.workload, &mut cell.unit].into_iter();
        let reasons = cell.exits.iter_mut().map(|exit| &mut exit.reason);
        names.chain(reasons).chain(&mut cell.crossings.missing_calls).for_each(|name| clean(name, NAME));
    }
    for waterfall in &mut summary.waterfalls {
        clean(&mut waterfall.runtime, NAME);
        waterfall.timeline.phases.iter_mut().for_each(|phase| clean(&mut phase.name, NAME));
    }
    for workload in &mut summary.workloads {
        clean(&mut workload.name, NAME);
        clean(&mut workload.description, TEXT);
    }
    for failure in &mut summary.failures {
        clean(&mut failure.runtime, NAME);
        clean(&mut failure.workload, NAME);
        clean(&mut failure.reason, TEXT);
    }
    for skipped in &mut summary.skipped {
        clean(&mut skipped.runtime, NAME);
        clean(&mut skipped.reason, TEXT);
        clean(&mut skipped.fix, TEXT);
    }
    for tool in &mut summary.external {
        clean(&mut tool.runtime, NAME);
        [&mut tool.program, &mut tool.version].into_iter().for_each(|text| clean(text, TEXT));
        tool.differences.iter_mut().for_each(|text| clean(text, TEXT));
    }
    for note in &mut summary.notes {
        clean(&mut note.runtime, NAME);
        clean(&mut note.text, TEXT);
    }
    for row in &mut summary.quality.trust {
        [&mut row.runtime, &mut row.workload].into_iter().for_each(|name| clean(name, NAME));
    }
    for row in &mut summary.quality.cold {
        [&mut row.runtime, &mut row.workload].into_iter().for_each(|name| clean(name, NAME));
    }
    summary.quality.opinions.iter_mut().for_each(|row| clean(&mut row.runtime, NAME));
    summary.cells.iter_mut().flat_map(|cell| &mut cell.invalid).for_each(|reason| clean(reason, TEXT));
    let host = &mut summary.host;
    host.checks.iter_mut().for_each(|check| {
        clean(&mut check.name, NAME);
        check.value.iter_mut().for_each(|value| clean(value, NAME));
    });
    host.kvm.iter_mut().for_each(|kvm| clean(&mut kvm.backend, NAME));
    let facts = [&mut host.cpu_model, &mut host.kernel, &mut host.cgroup].into_iter();
    let may_be_unknown =
        [&mut host.governor, &mut host.distribution, &mut host.hypervisor, &mut host.container];
    let may_be_unknown = may_be_unknown.into_iter().flatten();
    let own = [&mut summary.tool, &mut summary.started].into_iter();
    own.chain(facts).chain(may_be_unknown).chain(&mut host.warnings).for_each(|text| clean(text, TEXT));
}

fn clean(text: &mut String, longest: usize) {
    *text = plain(text, longest).into_owned();
}
