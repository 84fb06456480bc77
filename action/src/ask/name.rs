//! What a fleet of a job is called, and by which tags it is found.

use std::collections::BTreeMap;

use crate::runner::Job;

/// The longest name of a fleet.
const NAME_MAX: usize = 63;
/// What the tags begin with by which a run finds its fleets again.
pub(crate) const TAGS: &str = "github:";
const REPOSITORY: &str = "github:repository";
const RUN_ID: &str = "github:run-id";

/// `<name>-<run id>-<attempt>-<random>`: jobs of a matrix share all but the last part. Of a name that is too long the end is left out.
pub(crate) fn of_fleet(base: &str, job: &Job, random: [u8; 4]) -> String {
    format!("{}{}-{}", of_run(base, job), job.attempt, hex::encode(random))
}

/// What the names of all fleets begin with that a run has launched under one name.
fn of_run(base: &str, job: &Job) -> String {
    // Eight digits, the attempt, and the hyphens.
    let rest = job.run_id.len() + job.attempt.len() + 8 + 3;
    let short: String = base.chars().take(NAME_MAX.saturating_sub(rest)).collect();
    format!("{}-{}-", short.trim_end_matches('-'), job.run_id)
}

/// Whether a fleet was launched under this name by this run, in whichever attempt.
pub(crate) fn is_of_run(name: &str, base: &str, job: &Job) -> bool {
    // Another attempt may have more digits, and leave more of the name out.
    (1..=4).any(|digits| name.starts_with(&of_run(base, &Job { attempt: "1".repeat(digits), ..job.clone() })))
}

/// The name of a fleet that has none: that of the job.
pub(crate) fn of_job(job: &Job) -> String {
    let plain: String = job.job.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let plain = plain.trim_matches('-');
    if plain.starts_with(|c: char| c.is_ascii_lowercase()) {
        plain.to_owned()
    } else {
        format!("job-{plain}").trim_end_matches('-').to_owned()
    }
}

/// The tags of everything that a job launches.
pub(crate) fn tags(job: &Job) -> BTreeMap<String, String> {
    [(REPOSITORY, &job.repository), (RUN_ID, &job.run_id), ("github:run-attempt", &job.attempt), ("github:job", &job.job)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect()
}

/// Whether tags are of something that a run of this repository has launched, in whichever attempt and job.
pub(crate) fn are_of_run(tags: &BTreeMap<String, String>, repository: &str, run_id: &str) -> bool {
    let is = |key: &str, value: &str| tags.get(key).is_some_and(|tagged| tagged == value);
    is(REPOSITORY, repository) && is(RUN_ID, run_id)
}

#[cfg(test)]
mod tests {
    use spawn_model::problem::Path;
    use spawn_model::rules::check_name;

    use super::*;
    use crate::runner::tests::job;

    #[test]
    fn names_are_names_however_long_their_parts_are() {
        let job = job("/work");
        for (base, run_id, attempt, expected) in [
            ("tests", "1234567890", "2", "tests-1234567890-2-00ff00ff"),
            (&*"x".repeat(63), "1234567890", "2", &*format!("{}-1234567890-2-00ff00ff", "x".repeat(41))),
            (&*format!("{}-y", "x".repeat(40)), "1234567890", "2", &*format!("{}-1234567890-2-00ff00ff", "x".repeat(40))),
            ("tests", &*"9".repeat(20), "1000", &*format!("tests-{}-1000-00ff00ff", "9".repeat(20))),
        ] {
            let job = Job { run_id: run_id.to_owned(), attempt: attempt.to_owned(), ..job.clone() };
            let name = of_fleet(base, &job, [0, 0xff, 0, 0xff]);
            assert_eq!(name, expected);
            let mut problems = Vec::new();
            check_name(&name, &Path::field("name"), &mut problems);
            assert_eq!(problems, []);
            let later = Job { attempt: "1".to_owned(), ..job.clone() };
            assert!(is_of_run(&name, base, &later) && !is_of_run(&name, "other", &later), "{name}");
        }
    }

    #[test]
    fn a_job_names_what_nobody_else_names() {
        for (id, expected) in
            [("Integration_Tests", "integration-tests"), ("2nd", "job-2nd"), ("_", "job"), ("build", "build"), ("_a_", "a")]
        {
            assert_eq!(of_job(&Job { job: id.to_owned(), ..job("/work") }), expected);
        }
    }

    #[test]
    fn tags_lead_a_run_to_what_it_has_launched() {
        let job = job("/work");
        let tags = tags(&job);
        assert_eq!(tags.len(), 4);
        assert!(are_of_run(&tags, "octo-org/octo-repo", "1234567890"));
        assert!(!are_of_run(&tags, "octo-org/octo-repo", "1") && !are_of_run(&tags, "octo-org/other", "1234567890"));
        assert!(!are_of_run(&BTreeMap::new(), "octo-org/octo-repo", "1234567890"));
        assert!(tags.keys().all(|key| key.starts_with(TAGS)));
    }
}
