//! Which job of which run this is.

use std::path::PathBuf;

use spawn_core::ports::Result;
use spawn_model::error::{Class, Error};

use super::Environment;

/// A job of a workflow's run.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// `owner/name`.
    pub(crate) repository: String,
    /// The id of the run, which is the same for all of its attempts.
    pub(crate) run_id: String,
    /// From 1 on.
    pub(crate) attempt: String,
    /// The job's id in the workflow.
    pub(crate) job: String,
    /// The event that has begun the run.
    pub(crate) event: String,
    /// The file that says all of it.
    pub(crate) event_path: Option<PathBuf>,
    /// Where the repository is checked out.
    pub(crate) workspace: PathBuf,
    /// For files that go with the job.
    pub(crate) temp: PathBuf,
    /// The workflow's file in the repository.
    pub(crate) workflow: Option<String>,
}

impl Job {
    /// What the environment says of it.
    ///
    /// # Errors
    /// `NoRunner` if it says nothing.
    pub(crate) fn of(environment: &Environment) -> Result<Self> {
        let need = |name: &str| {
            environment.get(name).map(str::to_owned).ok_or_else(|| {
                let message = format!("{name} is not set: no runner of GitHub's has started this");
                Error::new(Class::Invalid, "NoRunner", message, "Use it as a step of a workflow; at a terminal, use `spawn`")
            })
        };
        let path = |name: &str| environment.get(name).map(PathBuf::from);
        let repository = need("GITHUB_REPOSITORY")?;
        // OWNER/REPOSITORY/PATH@REF
        let workflow = environment.get("GITHUB_WORKFLOW_REF").and_then(|said| {
            let (file, _) = said.strip_prefix(&repository)?.strip_prefix('/')?.split_once('@')?;
            Some(file.to_owned())
        });
        Ok(Self {
            run_id: need("GITHUB_RUN_ID")?,
            attempt: environment.get("GITHUB_RUN_ATTEMPT").unwrap_or("1").to_owned(),
            job: environment.get("GITHUB_JOB").unwrap_or("job").to_owned(),
            event: environment.get("GITHUB_EVENT_NAME").unwrap_or_default().to_owned(),
            event_path: path("GITHUB_EVENT_PATH"),
            workspace: path("GITHUB_WORKSPACE").unwrap_or_else(|| PathBuf::from(".")),
            temp: path("RUNNER_TEMP").unwrap_or_else(std::env::temp_dir),
            workflow,
            repository,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A job of a run, in a workspace.
    pub(crate) fn job(workspace: &str) -> Job {
        Job::of(&Environment::from([
            ("GITHUB_REPOSITORY", "octo-org/octo-repo"),
            ("GITHUB_RUN_ID", "1234567890"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_JOB", "Integration_Tests"),
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_WORKSPACE", workspace),
            ("GITHUB_WORKFLOW_REF", "octo-org/octo-repo/.github/workflows/ci.yml@refs/heads/main"),
        ]))
        .unwrap()
    }

    #[test]
    fn a_job_is_what_its_runner_says() {
        let job = job("/work");
        assert_eq!((job.workflow.as_deref(), job.attempt.as_str()), (Some(".github/workflows/ci.yml"), "2"));
        let few = Job::of(&Environment::from([("GITHUB_REPOSITORY", "a/b"), ("GITHUB_RUN_ID", "1"), ("GITHUB_WORKFLOW_REF", "c/d/e@f")]))
            .unwrap();
        assert_eq!((few.attempt.as_str(), few.job.as_str(), few.workflow), ("1", "job", None));
        let error = Job::of(&Environment::from([("GITHUB_REPOSITORY", "a/b"), ("GITHUB_RUN_ID", " ")])).unwrap_err();
        assert_eq!((error.code.as_str(), error.message.contains("GITHUB_RUN_ID")), ("NoRunner", true));
    }
}
