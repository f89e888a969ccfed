//! Tests of the density report: its figures, and that no result can break a page.

use super::super::synthetic::{HOSTILE, Synthetic};
use super::super::terminal::Style;
use super::*;
use crate::language::Language;
use crate::results::density::{Created, DensityPlan, HostLimit, HostMemory, Kind, Resource, Sample};
use crate::runtime::trial::Exit;

const MIB: u64 = 1 << 20;

/// `count` sandboxes of 2 MiB each, the start-up of which grows from 1 to 2 ms.
fn made(count: u32) -> DensityResults {
    let results = Synthetic::default().results();
    let at = |number: u32| HostMemory {
        available_bytes: 8_000 * MIB - 2 * MIB * u64::from(number),
        slab_bytes: 100 * MIB + MIB / 2 * u64::from(number),
        ..HostMemory::default()
    };
    let start = |number: u32| Start {
        count: number,
        first_output_ns: Some(1_000_000 + 1_000_000 * u64::from(number) / u64::from(count)),
        entered_ns: Some(900_000),
        available_bytes: at(number).available_bytes,
        accounted: number == 1,
        cgroup_peak_bytes: Some(MIB),
        cgroup_kernel_bytes: Some(MIB / 2),
        guest_memory: None,
        exit: Exit::Code(0),
    };
    let sample =
        |number| Sample { count: number, pss_bytes: 3 * MIB, looked_at: 8, processes: 16, host: at(number) };
    let created = |number: u64| Created {
        requested_ns: number * 2_000_000,
        first_output_ns: Some(number * 2_000_000 + 1_000_000),
        torn_down_ns: number * 2_000_000 + 1_500_000,
    };
    let rate = CreationRate {
        starters: 1,
        window_ns: 2_000_000_000,
        created: (0..1000).map(created).collect(),
        failed: 0,
        failure: None,
        cpu_busy: Some(0.5),
    };
    let alive = Alive {
        before: at(0),
        starts: (1..=count).map(start).collect(),
        samples: [1, 10, count].map(sample).into(),
        ended: Ended::Planned,
        teardown_ns: 1_000_000_000,
        after: at(0),
    };
    DensityResults {
        kind: Kind::Density,
        version: VERSION,
        tool: results.tool,
        started: results.started,
        duration_ns: 1,
        command: vec!["isobench".to_owned(), "density".to_owned()],
        plan: DensityPlan {
            runtimes: vec!["container".to_owned()],
            workload: results.plan.workloads[0].clone(),
            max: count,
            reserve_bytes: MIB,
            starters: vec![1],
            window_ns: 2_000_000_000,
            limits: results.plan.limits,
        },
        host: results.host,
        skipped: Vec::new(),
        interrupted: false,
        runtimes: vec![RuntimeDensity {
            runtime: "container".to_owned(),
            rates: vec![rate],
            alive: Some(alive),
        }],
    }
}

#[test]
fn the_slope_of_the_host_is_what_one_sandbox_takes() {
    let summary = DensitySummary::new(&made(200));
    let alive = summary.runtimes[0].alive.as_ref().unwrap();
    assert_eq!(alive.host_bytes, Some(2.0 * MIB as f64));
    let (slope, interval) = alive.slope_bytes.unwrap();
    assert_eq!((slope, interval.low, interval.high), (2.0 * MIB as f64, 2.0 * MIB as f64, 2.0 * MIB as f64));
    assert_eq!(alive.rows[1].kernel, 0.5 * MIB as f64);
    assert_eq!(alive.start_ups.len(), 199, "an accounted start is no start-up");
    let growth = alive.last.unwrap() / alive.first.unwrap();
    assert!((1.7..1.9).contains(&growth), "{growth}");
}

#[test]
fn few_sandboxes_have_no_interval() {
    for count in 0..30 {
        let mut results = made(30);
        results.runtimes[0].alive.as_mut().unwrap().starts.truncate(count);
        let summary = DensitySummary::new(&results);
        assert!(summary.runtimes[0].alive.as_ref().unwrap().slope_bytes.is_none());
    }
}

#[test]
fn throughput_latency_and_starters_obey_littles_law() {
    let mut results = made(10);
    let summary = |results: &DensityResults| DensitySummary::new(results).runtimes[0].rates[0].clone();
    let rate = summary(&results);
    assert_eq!((rate.per_second, rate.existing), (Some(500.0), 0.75));
    // One starter cannot have had two at once.
    results.runtimes[0].rates[0].window_ns /= 3;
    let rate = summary(&results);
    assert!(rate.is_impossible() && rate.per_second.is_none());
    assert!(markdown(&DensitySummary::new(&results), Language::English).contains("Little"));
}

#[test]
fn every_edition_names_the_limit_that_came_first() {
    let mut results = made(50);
    results.runtimes[0].alive.as_mut().unwrap().ended = Ended::Limit(HostLimit {
        resource: Resource::Files,
        name: "RLIMIT_NOFILE of the launcher".to_owned(),
        free: 33,
        reserve: 32,
    });
    let folder = tempfile::tempdir().unwrap();
    let written = render_all(&results, folder.path(), Language::English).unwrap();
    let summary = DensitySummary::new(&results);
    let page = std::fs::read_to_string(written.html).unwrap();
    for text in
        [page, markdown(&summary, Language::English), terminal(&summary, Style::default(), Language::English)]
    {
        assert!(text.contains("open files came first: RLIMIT_NOFILE of the launcher has 33 left"), "{text}");
    }
    assert_eq!(read(&written.results).unwrap(), results);
}

#[test]
fn it_speaks_korean_too() {
    let results = made(50);
    let folder = tempfile::tempdir().unwrap();
    let written = render_all(&results, folder.path(), Language::Korean).unwrap();
    for path in [written.html, written.markdown] {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            text.contains("생성 속도") && !text.contains("Creation rate") && !text.contains("density-column"),
            "{text}"
        );
    }
}

#[test]
fn hostile_or_absurd_results_break_no_page() {
    let mut results = made(30);
    results.command.push(HOSTILE.to_owned());
    results.runtimes[0].runtime = HOSTILE.to_owned();
    results.runtimes[0].rates[0].failure = Some(HOSTILE.to_owned());
    let alive = results.runtimes[0].alive.as_mut().unwrap();
    alive.ended = Ended::SandboxEnded(HOSTILE.to_owned());
    alive.starts[3].first_output_ns = Some(u64::MAX);
    alive.starts[4].available_bytes = u64::MAX;
    alive.starts[5].first_output_ns = Some(0);
    alive.samples[0].count = 0;
    results.runtimes[0].rates[0].window_ns = 0;
    let folder = tempfile::tempdir().unwrap();
    let page = std::fs::read_to_string(render_all(&results, folder.path(), Language::English).unwrap().html)
        .unwrap();
    assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{page}");
}

#[test]
fn other_files_are_refused_by_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("density.json");
    let mut newer = serde_json::to_value(made(6)).unwrap();
    newer["version"] = 9.into();
    std::fs::write(&path, newer.to_string()).unwrap();
    assert!(matches!(read(&path).unwrap_err(), ReportError::NewerVersion { found: 9, .. }));
    std::fs::write(&path, "{\"version\":1}").unwrap();
    assert!(matches!(read(&path).unwrap_err(), ReportError::NotResults { .. }));
}
