//! The floor: the bare kernel operations alone, with no tool around them.

mod container;
mod microvm;

use criterion::Criterion;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("floor");
    container::bench(&mut group);
    microvm::bench(&mut group);
    group.finish();
}
