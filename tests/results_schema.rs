//! `docs/results.schema.json` says what a results file looks like.

mod common;

use std::fs;
use std::path::Path;

use common::{isobench, need};
use isobench::report::file;
use isobench::report::synthetic::Synthetic;
use isobench::results::maintenance::{
    Build, Cause, DiskImage, Form, KernelFacts, Maintenance, MeasuredImage, MeasuredLayer, Replacement,
    ReplacementRound, RollBack, Shipment, Storage, Strategy,
};
use isobench::results::{Cold, During, HostFacts};
use isobench::runtime::spec::Isolation;
use isobench::runtime::trial::{Death, DeathCause, Exit, PageCache};
use jsonschema::Validator;
use serde_json::{Value, json};
use tempfile::TempDir;

fn schema() -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/results.schema.json");
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn assert_valid(value: &Value) {
    let errors: Vec<String> = schema()
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .take(5)
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn a_real_run_writes_what_the_schema_says() {
    let folder = TempDir::new().unwrap();
    let runtimes = if need("kvm") { "container,microvm" } else { "container" };
    isobench()
        .args(["compare", "--quick", "--workloads", "noop,syscall", "--runtimes", runtimes, "--output"])
        .arg(folder.path())
        .assert()
        .success();
    let written: Value =
        serde_json::from_slice(&fs::read(folder.path().join("results.json")).unwrap()).unwrap();
    assert!(written["trials"].as_array().unwrap().len() > 20);
    assert_valid(&written);
}

#[test]
fn every_way_to_end_fits_the_schema() {
    let mut results = Synthetic::default().results();
    let death = |cause| Exit::Death(Death { cause, address: None, message: String::new() });
    let causes = (0..10).map(DeathCause::from_number).map(death);
    let ends = [Exit::Code(3), Exit::Signal(9), Exit::Timeout, Exit::LaunchFailed("why".into())];
    for (trial, exit) in results.trials.iter_mut().zip(ends.into_iter().chain(causes)) {
        trial.exit = exit;
    }
    results.plan.pinned_cpu = Some(1);
    results.plan.precision = Some(0.02);
    results.plan.cold = Some(Cold::Host);
    results.plan.cool_down_ns = 5;
    results.plan.without = vec![Isolation::NoNewPrivileges];
    results.during = Some(During { stolen: Some(0.5), ..During::default() });
    results.host = HostFacts::read();
    results.trials[0].page_cache =
        Some(PageCache { cold: true, dropped_bytes: 1, kept_bytes: 2, preparation_ns: 3 });
    assert_valid(&serde_json::to_value(&results).unwrap());
}

/// `tests/data/results/1-first.json` is of isobench 0.1.0 (59bcb48), shortened.
#[test]
fn results_of_old_versions_are_read_compared_and_shown() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/results/1-first.json");
    let results = file::read(&old).unwrap();
    assert!(results.trials.len() > 50 && results.trials.iter().all(|trial| trial.harness_ns.is_none()));
    assert_valid(&serde_json::from_slice(&fs::read(&old).unwrap()).unwrap());
    assert_valid(&serde_json::to_value(&results).unwrap());
    let folder = TempDir::new().unwrap();
    isobench().arg("report").arg(&old).arg("--output").arg(folder.path()).assert().success();
    isobench().arg("diff").args([&old, &old]).assert().success();
    isobench().arg("export").arg(&old).args(["--format", "csv"]).assert().success();
    isobench().arg("merge").arg(&old).arg("--output").arg(folder.path().join("merged")).assert().success();
}

#[test]
fn everything_of_a_maintenance_experiment_fits_the_schema() {
    use Cause::*;
    use Form::*;
    let forms = [
        Layers,
        LayersAndAbove,
        LayersDifference,
        Disk,
        DiskCompressed,
        DiskDifference,
        DiskOverlay,
        DiskOverlay64K,
    ];
    let causes = [First, Unchanged, AppFile, Dependency, Base];
    let each = |form| causes.map(|cause| (form, cause));
    let all: Vec<(Form, Cause)> = forms.into_iter().flat_map(each).collect();
    let shipment =
        |(form, cause)| Shipment { form, cause, bytes: 1, prepare_ns: vec![1], apply_ns: Vec::new() };
    let round = |serving_ns| ReplacementRound { serving_ns, ..ReplacementRound::default() };
    let replacement = |strategy| Replacement {
        runtime: "container".into(),
        strategy,
        rounds: vec![round(None), round(Some(1))],
    };
    let image = |disk| MeasuredImage {
        name: "generated".into(),
        files: 1,
        bytes: 1,
        layers: vec![MeasuredLayer { name: "base".into(), bytes: 1, shipped_bytes: 1 }],
        disk,
        builds: vec![Build { form: Layers, cause: First, built_bytes: 1, times_ns: vec![1] }],
        shipments: all.iter().copied().map(shipment).collect(),
        storage: vec![Storage { form: Disk, shared_bytes: 1, instance_bytes: 1, make_ns: vec![1] }],
        roll_backs: vec![RollBack { form: Disk, kept_bytes: 1, times_ns: vec![1] }],
        replacements: [Strategy::Control, Strategy::StopStart, Strategy::Rolling].map(replacement).into(),
    };
    let disk = DiskImage { format: "ext4".into(), bytes: 1, allocated_bytes: 1 };
    let mut results = Synthetic { rounds: 1, ..Synthetic::default() }.results();
    results.maintenance = Some(Box::new(Maintenance {
        instances: 1,
        written_bytes: 1,
        compression: "zstd".into(),
        chunk_bytes: 1,
        requests_per_second: 1,
        images: vec![image(None), image(Some(disk))],
        kernels: vec![KernelFacts {
            runtime: "container".into(),
            instances: 1,
            kernels: vec!["Linux".into()],
            on_host_kernel: 1,
        }],
        left_out: vec!["something".into()],
    }));
    let mut value = serde_json::to_value(&results).unwrap();
    assert_valid(&value);
    value["maintenance"]["images"][0]["shipments"][0]["form"] = json!("magic");
    assert!(!schema().is_valid(&value));
}

#[test]
fn what_is_no_results_file_does_not_fit() {
    let good = serde_json::to_value(Synthetic { rounds: 1, ..Synthetic::default() }.results()).unwrap();
    assert_valid(&good);
    let schema = schema();
    for (place, wrong) in [
        ("/version", json!(2)),
        ("/started", json!("yesterday")),
        ("/trials", json!({})),
        ("/trials/0/exit", json!({"code": 0, "signal": 9})),
        ("/trials/0/round", json!(-1)),
        ("/trials/0/timeline/first_output_ns", json!(1.5)),
        ("/plan/workloads/0/kind", json!("magic")),
        ("/host/cgroup", json!("v3")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = wrong;
        assert!(!schema.is_valid(&bad), "{place}");
    }
    for (place, field) in [("", "seed"), ("/plan", "limits"), ("/trials/0", "timeline"), ("/host", "load")] {
        let mut bad = good.clone();
        bad.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(field);
        assert!(!schema.is_valid(&bad), "{place} without {field}");
    }
    let mut more = good.clone();
    more["trials"][0]["colour"] = json!("blue");
    assert!(!schema.is_valid(&more), "a field that the documentation does not know");
}
