//! What is known of runs, without any sandbox.

use super::*;

fn claim(runs: &Runs, name: Option<&str>) -> Result<Claim, RunsError> {
    runs.claim(name.map(str::to_owned), "container", Some("app:latest".into()), vec!["sh".into()])
}

#[test]
fn a_run_goes_on_as_long_as_its_lock_is_held() {
    let data = tempfile::tempdir().expect("a folder");
    let runs = Runs::open(data.path()).expect("made");
    let one = claim(&runs, Some("one")).expect("claimed");
    let found = runs.find("one").expect("there");
    assert_eq!((found.record.id.len(), &found.state), (12, &State::Running));
    assert!(matches!(runs.remove(&found, false), Err(RunsError::Running(_))));
    one.end(3, None).expect("written");
    // Not yet: the supervisor is still here.
    assert_eq!(runs.find("one").expect("there").state, State::Running);
    drop(one);
    let mut found = found;
    found.look();
    assert!(matches!(&found.state, State::Exited(ended) if ended.status == 3), "{found:?}");
    assert_eq!(runs.find(&found.record.id[..4]).expect("there").record, found.record);
    assert!(matches!(found.signal(Signal::SIGTERM), Err(RunsError::NotRunning(_))));
    found.stop(Duration::ZERO).expect("over already");
    runs.remove(&found, false).expect("removed");
    assert!(matches!(runs.find("one"), Err(RunsError::NoSuchRun(_))));
    runs.remove(&found, false).expect("removed by somebody else");
}

#[test]
fn one_that_was_killed_is_dead_and_can_be_removed() {
    let data = tempfile::tempdir().expect("a folder");
    let runs = Runs::open(data.path()).expect("made");
    drop(claim(&runs, None).expect("claimed"));
    let [run] = &runs.list().expect("listed")[..] else { panic!("one run") };
    assert_eq!(run.state, State::Dead);
    runs.remove(run, false).expect("removed");
    // And what was left half made is swept.
    fs::create_dir(data.path().join("runs/.new-0")).expect("made");
    fs::create_dir(data.path().join("runs/.gone-0")).expect("made");
    claim(&runs, None).expect("claimed").discard().expect("removed");
    let left: Vec<_> = fs::read_dir(data.path().join("runs")).expect("readable").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_name_belongs_to_one_run() {
    let data = tempfile::tempdir().expect("a folder");
    let runs = Runs::open(data.path()).expect("made");
    let _one = claim(&runs, Some("web")).expect("claimed");
    assert!(matches!(claim(&runs, Some("web")), Err(RunsError::NameTaken(_))));
    for bad in ["", "1a", "a/b", "../x", "a b", "a\n", &"a".repeat(65)] {
        assert!(matches!(claim(&runs, Some(bad)), Err(RunsError::BadName(_))), "{bad:?}");
    }
    // Of many at once, one gets it.
    let got: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| claim(&runs, Some("many")).ok().map(std::mem::forget).is_some()))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(got.iter().filter(|got| **got).count(), 1);
}
