//! Where things are in the bucket: keys are a contract between launcher and agent, and between versions.

use spawn_model::ids::{FleetId, RunId};
use spawn_model::layout::{self, RunKeys};
use spawn_model::queue::Outcome;

#[test]
fn keys_stay_where_they_are() {
    let (fleet, run) = (FleetId::from_random([0xf1; 8]), RunId::from_random([0x2a; 8]));
    let keys = RunKeys::new(&fleet, &run);
    let shown = [
        layout::name_key("tiles"),
        layout::fleet_key(&fleet),
        layout::ended_key(&fleet),
        keys.lease(),
        keys.payload(),
        keys.attempt(),
        keys.batch(1000),
        keys.rank(7),
        keys.completion(9999),
        keys.outcome(),
        keys.result(0, "a/b.png"),
        keys.job_claim("fetch.1"),
        keys.job_ended("fetch.1", Outcome::Succeeded),
        keys.job_output("fetch.1", 2),
        keys.job_result("fetch.1", 2, "a/b.png"),
        keys.jobs_kept(),
        keys.jobs_outcome(),
        layout::agent_key("5f"),
        layout::log_stream(&fleet, &run, 3),
        layout::role_name(&fleet),
        layout::group_name(&fleet),
        layout::schedule_name(&run, 9),
    ];
    insta::assert_snapshot!("keys", shown.join("\n"));
}

#[test]
fn a_rank_is_read_back_from_its_keys() {
    let keys = RunKeys::new(&FleetId::from_random([1; 8]), &RunId::from_random([2; 8]));
    for rank in [0, 1, 999, 1000, 9999] {
        assert_eq!(layout::rank_of_key(&keys.rank(rank)), Some(rank));
        assert_eq!(layout::rank_of_key(&keys.completion(rank)), Some(rank));
    }
    for key in ["", "ranks/", "ranks/x.json", "ranks/1.txt"] {
        assert_eq!(layout::rank_of_key(key), None, "{key}");
    }
}

#[test]
fn a_job_is_read_back_from_its_keys() {
    let keys = RunKeys::new(&FleetId::from_random([1; 8]), &RunId::from_random([2; 8]));
    for job in ["a", "fetch.1", "x.json", "y.failed"] {
        assert_eq!(layout::job_of_claim(&keys.job_claim(job)), Some(job));
        for outcome in Outcome::ALL {
            assert_eq!(layout::job_of_ended(&keys.job_ended(job, outcome)), Some((job, outcome)));
        }
    }
    for key in ["", "jobs/ended/", "jobs/ended/a", "jobs/ended/a.well"] {
        assert_eq!(layout::job_of_ended(key), None, "{key}");
    }
}

#[test]
fn names_fit_what_aws_takes() {
    let (fleet, run) = (FleetId::from_random([0xff; 8]), RunId::from_random([0xff; 8]));
    // IAM role and EventBridge Scheduler names: 64 characters; group names: 255.
    assert!(layout::role_name(&fleet).len() <= 64);
    assert!(layout::schedule_name(&run, 9).len() <= 64);
    assert!(layout::group_name(&fleet).len() <= 255);
}
