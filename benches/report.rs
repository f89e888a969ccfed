//! How long a report of very many trials takes: 100,000 should take at most 5 s.
//! `ISOBENCH_BENCH_QUICK=1` takes 10,000.
//! (The memory it needs: `/usr/bin/time -v cargo bench --bench report -- --profile-time 1`.)

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use isobench::language::Language;
use isobench::report::{self, file, synthetic::Synthetic};

fn render(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("report");
    let quick = std::env::var_os("ISOBENCH_BENCH_QUICK").is_some();
    group.sample_size(10).measurement_time(Duration::from_secs(if quick { 1 } else { 30 }));
    for trials in if quick { [1_000, 10_000] } else { [1_000, 100_000] } {
        // A round is one trial of 6 workloads under 5 runtimes, and at times 5 that sample memory.
        let results = Synthetic { rounds: trials / 31, ..Synthetic::default() }.results();
        let Ok(folder) = tempfile::tempdir() else { return };
        group.bench_function(format!("render/{trials}"), |bencher| {
            bencher.iter(|| report::render_all(&results, folder.path(), Language::English));
        });
        let path = folder.path().join("results.json");
        group.bench_function(format!("read/{trials}"), |bencher| bencher.iter(|| file::read(&path)));
    }
    group.finish();
}

criterion_group!(benches, render);
criterion_main!(benches);
