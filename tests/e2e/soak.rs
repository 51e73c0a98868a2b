//! The fault suite in its short form; `make soak` is the long one.

use ::soak::{Options, Report, run};
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Faults of the short form: one round, and so each of its faults.
const FAULTS: u32 = 17;

/// Deadline before the test runner's own, so that all started processes are ended.
const DEADLINE: Duration = Duration::from_secs(270);

async fn survive(seed: u64) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "the fault suite, seed {seed}").unwrap();
    let options = Options::short(seed);
    let report = tokio::time::timeout(DEADLINE, run(&options)).await.unwrap().unwrap();
    writeln!(stderr, "{}", Report::table(std::slice::from_ref(&report))).unwrap();
    assert_eq!(
        report.wrong(),
        [""; 0],
        "seed {seed}; the logs are in target/soak/{seed}"
    );
    assert!(report.faults() >= FAULTS, "seed {seed}: {} faults", report.faults());
    for fault in [
        "kill -9 of everything at once",
        "kill -9 of a notifier",
        "kill -9 of PostgreSQL",
        "kill -9 of nats-server",
    ] {
        assert!(report.happened(fault) > 0, "seed {seed}: no {fault}");
    }
    assert!(
        report.rows() > 1000,
        "seed {seed}: {} readings show nothing",
        report.rows()
    );
    assert!(
        report.events() > 50,
        "seed {seed}: {} events show nothing",
        report.events()
    );
}

/// A run with a fixed seed and one with a new seed; a failure names its seed.
#[tokio::test]
async fn nothing_is_lost_and_nothing_twice() {
    survive(4).await;
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_twice_whatever_happens() {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    survive(u64::from(clock.subsec_nanos())).await;
}
