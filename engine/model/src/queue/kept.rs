//! What a run of a queue need not run again, because an earlier run has.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{JobClaim, Jobs, Outcome, Progress};
use crate::ids::RunId;

/// That a run goes on with what the run before it has done.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// The run before it.
    pub run: RunId,
    /// Jobs that run again although they have succeeded.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub again: BTreeSet<String>,
}

/// A job that has succeeded in an earlier run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptJob {
    /// The run, in which its output and its results are.
    pub run: RunId,
    /// How it went there.
    pub claim: JobClaim,
}

/// The jobs that have succeeded in earlier runs, by name.
pub type KeptJobs = BTreeMap<String, KeptJob>;

/// The jobs that need not run again: all that have succeeded, but for those of `again` and what depends on them.
#[must_use]
pub fn kept_jobs<'a>(jobs: &'a Jobs, progress: &Progress, again: &BTreeSet<String>) -> BTreeSet<&'a str> {
    let mut kept: BTreeSet<&str> =
        jobs.keys().map(String::as_str).filter(|job| progress.outcome(job) == Some(Outcome::Succeeded)).collect();
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, job) in jobs {
        job.depends_on.iter().for_each(|needed| dependents.entry(needed).or_default().push(name));
    }
    let mut dropped: Vec<&str> = again.iter().filter_map(|job| kept.take(job.as_str())).collect();
    while let Some(job) = dropped.pop() {
        let of_job = dependents.get(job).into_iter().flatten();
        dropped.extend(of_job.filter_map(|dependent| kept.take(dependent)));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::jobs;
    use super::*;
    use crate::queue::OnFailure;

    #[test]
    fn what_has_succeeded_is_kept_unless_it_builds_on_what_runs_again() {
        // Jobs; what succeeded; what runs again; what is kept.
        for (graph, succeeded, again, expected) in [
            ("a b:a c:b", "", "", ""),
            ("a b:a c:b", "a", "", "a"),
            ("a b:a c:b", "ab", "", "ab"),
            ("a b:a c:b", "abc", "b", "a"),
            ("a b:a c:b", "abc", "a", ""),
            ("a b:a c:b d", "abcd", "c", "abd"),
            ("a b c:ab d:c e:b", "abcde", "a", "be"),
            ("a b:a", "a", "b", "a"),
            ("a b:a c:ab d:bc", "abcd", "a", ""),
        ] {
            let jobs = jobs(graph);
            let mut progress = Progress::new(&jobs, OnFailure::Stop);
            for job in succeeded.chars() {
                progress.end(&job.to_string(), Outcome::Succeeded);
            }
            let again = again.chars().map(String::from).collect();
            let kept: String = kept_jobs(&jobs, &progress, &again).into_iter().collect();
            assert_eq!(kept, expected, "{graph}, of which {succeeded} succeeded, and {again:?} again");
        }
    }
}
