//! Queues: their rules, and what can run when.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value as Json;
use spawn_model::queue::{JobSpec, Jobs, OnFailure, Outcome, Progress, cycle};
use spawn_model::spec::FleetKind;
use spawn_model::value::Value;

use crate::written;

/// The fields of a queue as JSON, of which all but `jobs` may be missing; jobs whose names begin with `fail` do.
pub fn target(data: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Json>(data) else { return };
    // As a record has them, which nobody judges: they may wait for each other, or for what is not there.
    if let Ok(jobs) = Jobs::deserialize(&json["jobs"]) {
        circles(&jobs);
    }
    let Value::Map(mut fields) = Value::from(json) else { return };
    fields.entry("name".to_owned()).or_insert_with(|| "queue".into());
    fields.entry("instance_types".to_owned()).or_insert_with(|| Value::List(vec!["c7i.large".into()]));
    if let Some(spec) = written::fleet(FleetKind::Queue, &Value::Map(fields)) {
        runs(&spec.jobs);
    }
}

/// Jobs that keep the rules run to an end, whatever becomes of them.
pub(crate) fn runs(jobs: &Jobs) {
    circles(jobs);
    for on_failure in [OnFailure::Stop, OnFailure::Continue] {
        drained(jobs, on_failure);
    }
    jobs.values().for_each(results);
}

/// Each job begins when those that it needs have succeeded, and what is left at the end waits for one that has not.
fn drained(jobs: &Jobs, on_failure: OnFailure) {
    let mut progress = Progress::new(jobs, on_failure);
    while !progress.is_stopped() {
        let Some(name) = progress.ready().next().map(str::to_owned) else { break };
        assert!(!progress.is_over(|_| true), "{name} is ready");
        let has_succeeded = |needed: &String| progress.outcome(needed) == Some(Outcome::Succeeded);
        assert!(jobs[&name].depends_on.iter().all(has_succeeded), "{name} is ready too early");
        let outcome = if name.starts_with("fail") { Outcome::Failed } else { Outcome::Succeeded };
        progress.end(&name, outcome);
    }
    assert!(progress.is_over(|_| false), "something is left, and nothing is ready");
    for (name, job) in jobs {
        let is_missing =
            |needed: &String| progress.is_skipped(needed) || progress.outcome(needed).is_some_and(|outcome| outcome != Outcome::Succeeded);
        assert_eq!(progress.is_skipped(name), job.depends_on.iter().any(is_missing), "{name}");
    }
}

/// Jobs that wait for each other in a circle are found, and others are not.
fn circles(jobs: &Jobs) {
    let needs: BTreeMap<&str, Vec<&str>> =
        jobs.iter().map(|(name, job)| (name.as_str(), job.depends_on.iter().map(String::as_str).collect())).collect();
    let Some(circle) = cycle(&needs) else {
        assert!(can_be_ordered(&needs), "a circle was not found: {needs:?}");
        return;
    };
    assert!(circle.len() > 1 && circle.first() == circle.last(), "{circle:?}");
    for (job, needed) in circle.iter().zip(circle.iter().skip(1)) {
        assert!(needs[job].contains(needed), "{circle:?}");
    }
}

/// Whether all jobs can be taken away, one after the other, each when nothing is left that it needs.
fn can_be_ordered(needs: &BTreeMap<&str, Vec<&str>>) -> bool {
    let mut left: BTreeSet<&str> = needs.keys().copied().collect();
    while let Some(free) = left.iter().copied().find(|job| needs[job].iter().all(|needed| !left.contains(needed))) {
        left.remove(free);
    }
    left.is_empty()
}

/// A pattern without a wildcard means the file of that name.
fn results(job: &JobSpec) {
    let is_result = job.result_filter();
    is_result("out/part.csv");
    for name in job.results.iter().filter(|pattern| !pattern.contains(['*', '?', '[', ']'])) {
        assert!(is_result(name), "{name:?} is not what {name:?} matches");
    }
}
