//! What can run when: pure rules over the jobs that have ended.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{JobClaim, Jobs, KeptJobs, OnFailure, Standing};

/// How a job ended for good.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// An attempt ended with exit code 0.
    Succeeded,
    /// The last attempt did not.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Cancelled];

    /// As it is written in keys and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How far a queue is, as far as jobs have been told to have ended.
#[derive(Clone, Debug)]
pub struct Progress {
    on_failure: OnFailure,
    dependents: BTreeMap<String, Vec<String>>,
    /// How many jobs each still waits for.
    waits_for: BTreeMap<String, usize>,
    ready: BTreeSet<String>,
    ended: BTreeMap<String, Outcome>,
    skipped: BTreeSet<String>,
}

impl Progress {
    /// Nothing has ended yet.
    #[must_use]
    pub fn new(jobs: &Jobs, on_failure: OnFailure) -> Self {
        let mut dependents: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, job) in jobs {
            for needed in &job.depends_on {
                dependents.entry(needed.clone()).or_default().push(name.clone());
            }
        }
        let waits_for = jobs.iter().map(|(name, job)| (name.clone(), job.depends_on.len())).collect();
        let ready = jobs.iter().filter(|(_, job)| job.depends_on.is_empty()).map(|(name, _)| name.clone()).collect();
        Self { on_failure, dependents, waits_for, ready, ended: BTreeMap::new(), skipped: BTreeSet::new() }
    }

    /// The same, where jobs need not run that an earlier run has brought to their end.
    #[must_use]
    pub fn keeping(mut self, kept: &KeptJobs) -> Self {
        for job in kept.keys() {
            self.end(job, Outcome::Succeeded);
        }
        self
    }

    /// The same, told by the keys that say which jobs have ended, and by claims, of which some may say so earlier.
    #[must_use]
    pub fn told(mut self, ended: &BTreeMap<String, Outcome>, claims: &BTreeMap<String, JobClaim>) -> Self {
        for (job, outcome) in ended {
            self.end(job, *outcome);
        }
        for (job, claim) in claims {
            if let Standing::Ended { outcome } = claim.standing {
                self.end(job, outcome);
            }
        }
        self
    }

    /// A job has ended. Told twice, it counts once; one that is not of this queue does not count.
    pub fn end(&mut self, job: &str, outcome: Outcome) {
        if !self.waits_for.contains_key(job) || self.ended.contains_key(job) {
            return;
        }
        self.ready.remove(job);
        // Somebody may have begun it before it was clear that it is not to be.
        self.skipped.remove(job);
        self.ended.insert(job.to_owned(), outcome);
        if outcome == Outcome::Succeeded {
            for dependent in self.dependents.get(job).into_iter().flatten() {
                let Some(left) = self.waits_for.get_mut(dependent) else { continue };
                *left = left.saturating_sub(1);
                if *left == 0 && !self.skipped.contains(dependent) && !self.ended.contains_key(dependent) {
                    self.ready.insert(dependent.clone());
                }
            }
        } else {
            self.skip_dependents(job);
        }
    }

    fn skip_dependents(&mut self, job: &str) {
        let mut waiting: Vec<&String> = self.dependents.get(job).into_iter().flatten().collect();
        while let Some(dependent) = waiting.pop() {
            if !self.ended.contains_key(dependent) && self.skipped.insert(dependent.clone()) {
                self.ready.remove(dependent);
                waiting.extend(self.dependents.get(dependent).into_iter().flatten());
            }
        }
    }

    /// The jobs that may run, as far as the others are concerned.
    pub fn ready(&self) -> impl Iterator<Item = &str> {
        self.ready.iter().map(String::as_str)
    }

    /// How a job ended, if it has.
    #[must_use]
    pub fn outcome(&self, job: &str) -> Option<Outcome> {
        self.ended.get(job).copied()
    }

    /// Whether a job never runs because one that it depends on did not succeed.
    #[must_use]
    pub fn is_skipped(&self, job: &str) -> bool {
        self.skipped.contains(job)
    }

    /// Whether no job is begun any more: one has failed, and that stops the queue.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.on_failure == OnFailure::Stop && self.ended.values().any(|outcome| *outcome == Outcome::Failed)
    }

    /// Whether nothing is left to run. In a queue that has stopped, `has_begun` says of which jobs there is something to be brought to its end.
    #[must_use]
    pub fn is_over(&self, has_begun: impl Fn(&str) -> bool) -> bool {
        if self.is_stopped() {
            return !self.ready.iter().any(|job| has_begun(job));
        }
        self.ended.len() + self.skipped.len() == self.waits_for.len()
    }
}

/// Jobs that wait for each other in a circle: the first one twice, at both ends. Nothing if there is none.
#[must_use]
pub fn cycle<'a>(depends_on: &BTreeMap<&'a str, Vec<&'a str>>) -> Option<Vec<&'a str>> {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in depends_on.keys() {
        // The way from the start to where we are, each with what is still to be looked at there.
        let mut way: Vec<(&str, &[&str])> = vec![(start, depends_on.get(start).map(Vec::as_slice).unwrap_or_default())];
        let mut on_way: BTreeSet<&str> = BTreeSet::from([*start]);
        while let Some((job, next)) = way.last_mut() {
            let Some((needed, rest)) = next.split_first() else {
                done.insert(job);
                on_way.remove(job);
                way.pop();
                continue;
            };
            *next = rest;
            if on_way.contains(needed)
                && let Some(at) = way.iter().position(|(job, _)| job == needed)
            {
                return Some(way[at..].iter().map(|(job, _)| *job).chain([*needed]).collect());
            }
            if !done.contains(needed)
                && let Some(further) = depends_on.get(needed)
            {
                way.push((needed, further));
                on_way.insert(needed);
            }
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::queue::JobSpec;
    use crate::read::FieldType;
    use crate::value::Value;

    /// Jobs of one letter, each with the letters that it needs: `"a b:a c:ab"`.
    pub(in super::super) fn jobs(text: &str) -> Jobs {
        let job = |needed: &str| {
            let needed = needed.chars().map(|name| serde_json::json!(name.to_string())).collect::<Vec<_>>();
            let value = Value::from(serde_json::json!({ "command": ["true"], "depends_on": needed }));
            JobSpec::read(&value, &crate::problem::Path::default(), &mut Vec::new()).expect("a job")
        };
        let words = text.split_whitespace().map(|word| word.split_once(':').unwrap_or((word, "")));
        words.map(|(name, needed)| (name.to_owned(), job(needed))).collect()
    }

    fn letters<'a>(names: impl Iterator<Item = &'a str>) -> String {
        names.collect()
    }

    #[test]
    fn what_is_ready_follows_from_what_has_ended() {
        // Jobs; what ended, in order, upper-case if it failed; what is ready then; what is skipped.
        for (graph, ended, ready, skipped) in [
            ("a b:a c:b", "", "a", ""),
            ("a b:a c:b", "a", "b", ""),
            ("a b:a c:b", "ab", "c", ""),
            ("a b:a c:b", "abc", "", ""),
            ("a b c:ab", "a", "b", ""),
            ("a b c:ab", "ba", "c", ""),
            ("a b c:ab", "aab", "c", ""),
            ("a b c:ab", "aA", "b", ""),
            ("a b c:ab d:c", "A", "b", "cd"),
            ("a b c:ab d:c", "bA", "", "cd"),
            ("a b c:a d:b", "A", "b", "c"),
            ("a b:a", "b", "a", ""),
            ("a b:a", "Ab", "", ""),
            ("a", "x", "a", ""),
        ] {
            let jobs = jobs(graph);
            let mut progress = Progress::new(&jobs, OnFailure::Continue);
            for name in ended.chars() {
                let outcome = if name.is_uppercase() { Outcome::Failed } else { Outcome::Succeeded };
                progress.end(&name.to_lowercase().to_string(), outcome);
            }
            assert_eq!(letters(progress.ready()), ready, "{graph} after {ended}");
            assert_eq!(letters(jobs.keys().map(String::as_str).filter(|job| progress.is_skipped(job))), skipped, "{graph} after {ended}");
        }
    }

    #[test]
    fn a_queue_that_stops_is_over_when_nothing_runs_any_more() {
        let jobs = jobs("a b c:a d");
        for (on_failure, outcome, begun, stopped, over) in [
            (OnFailure::Stop, Outcome::Failed, "b", true, false),
            (OnFailure::Stop, Outcome::Failed, "", true, true),
            (OnFailure::Stop, Outcome::Cancelled, "", false, false),
            (OnFailure::Stop, Outcome::Succeeded, "", false, false),
            (OnFailure::Continue, Outcome::Failed, "", false, false),
        ] {
            let mut progress = Progress::new(&jobs, on_failure);
            progress.end("a", outcome);
            assert_eq!((progress.is_stopped(), progress.is_over(|job| begun.contains(job))), (stopped, over), "{on_failure:?} {outcome:?}");
        }
        let mut progress = Progress::new(&jobs, OnFailure::Continue);
        for (job, outcome) in [("a", Outcome::Failed), ("b", Outcome::Succeeded), ("d", Outcome::Cancelled)] {
            assert!(!progress.is_over(|_| true));
            progress.end(job, outcome);
        }
        assert!(progress.is_over(|_| true));
    }

    #[test]
    fn a_circle_is_named_in_order() {
        for (graph, expected) in [
            ("a b:a c:ab d:bc", None),
            ("a:a", Some("a a")),
            ("a:b b:c c:a", Some("a b c a")),
            ("a:b b:c c:b d", Some("b c b")),
            ("a:x b", None),
        ] {
            let jobs = jobs(graph);
            let depends_on = jobs.iter().map(|(name, job)| (name.as_str(), job.depends_on.iter().map(String::as_str).collect())).collect();
            assert_eq!(cycle(&depends_on).map(|names| names.join(" ")).as_deref(), expected, "{graph}");
        }
    }
}
